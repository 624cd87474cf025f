# Receives a script through standard input, runs it as a unit that outlives this connection, and follows it.
# Usage: bash -c "$(cat follow.sh)" hybrid DIGEST OFFSET [FORGET...]
# FORGET are digests of detached scripts whose recorded end has been taken; without it, an end is told again.
# Exit codes: the script's own; 97: it did not come whole; 98: it was stopped before its end.
set -euo pipefail
umask 022
digest=$1
offset=$2
folder=/var/lib/hybrid/scripts
state="$folder/$digest"
unit="hybrid-${digest:0:12}"
shift 2
mkdir -p "$folder"
# Scripts may hold tokens that live for minutes: nobody but root reads here.
chmod 700 "$folder"
for taken in "$@"; do
  rm -f "$folder/$taken.exit"
done
part="$state.sh.$$"
cat > "$part"
if [ "$(sha256sum "$part" | cut -d ' ' -f 1)" != "$digest" ]; then
  rm -f "$part"
  echo "hybrid: the script did not come whole" >&2
  exit 97
fi
mv -f "$part" "$state.sh"
echo "hybrid-pid $$" >&2
# Asked before its end is looked for: work that ends in between has left it, and is neither lost nor started again.
running=yes
systemctl is-active --quiet "$unit" || running=no
if [ "$running" = no ] && [ ! -e "$state.exit" ]; then
  if [ "$offset" -gt 0 ]; then
    echo "hybrid: the work was stopped before its end (did the machine restart?)" >&2
    exit 98
  fi
  : > "$state.log"
  : > "$state.err"
  # shellcheck disable=SC2016
  systemd-run --quiet --collect --unit="$unit" bash -c 'bash "$1.sh" > "$1.log" 2> "$1.err" < /dev/null; echo "$?" > "$1.code"; mv -f "$1.code" "$1.exit"' hybrid "$state"
fi
while [ ! -e "$state.exit" ]; do
  running=yes
  systemctl is-active --quiet "$unit" || running=no
  size=$(stat -c %s "$state.log")
  if [ "$size" -gt "$offset" ]; then
    # The log may have grown since: head then leaves tail with a closed pipe, which is no failure.
    { tail -c "+$((offset + 1))" "$state.log" || true; } | head -c "$((size - offset))"
    offset=$size
  fi
  if [ "$running" = no ] && [ ! -e "$state.exit" ]; then
    cat "$state.err" >&2
    echo "hybrid: the work was stopped before its end (did the machine restart?)" >&2
    exit 98
  fi
  sleep 0.2
done
tail -c "+$((offset + 1))" "$state.log"
cat "$state.err" >&2
exit "$(cat "$state.exit")"
