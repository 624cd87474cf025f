# Receives a script through standard input, keeps it under its SHA-256, and runs it. Runs as root.
# Usage: bash -c "$(cat bootstrap.sh)" hybrid DIGEST SECONDS [FORGET...]
# FORGET are digests of detached scripts whose recorded end has been taken.
# Exit code 97: the script did not come whole; nothing was run. Otherwise the script's own, 124 after SECONDS.
set -euo pipefail
umask 022
digest=$1
seconds=$2
folder=/var/lib/hybrid/scripts
script="$folder/$digest.sh"
shift 2
mkdir -p "$folder"
incoming=/var/lib/hybrid/incoming
if [ ! -d "$incoming" ]; then
  # For uploads over SFTP, which the login does as itself.
  mkdir -p "$incoming"
  chown "${SUDO_USER:-root}" "$incoming"
  chmod 700 "$incoming"
  chmod 711 /var/lib/hybrid
fi
# Scripts may hold tokens that live for minutes: nobody but root reads here.
chmod 700 "$folder"
for taken in "$@"; do
  rm -f "$folder/$taken.exit"
done
part="$script.$$"
cat > "$part"
if [ "$(sha256sum "$part" | cut -d ' ' -f 1)" != "$digest" ]; then
  rm -f "$part"
  echo "hybrid: the script did not come whole" >&2
  exit 97
fi
mv -f "$part" "$script"
# timeout(1) makes itself the leader of a process group: this number is the group to end at a deadline.
echo "hybrid-pid $$" >&2
exec timeout --kill-after=5 "$seconds" bash "$script" < /dev/null
