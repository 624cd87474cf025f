#!/bin/bash
# containerd and runc are installed from their releases, configured for kubelet, and running.
# Usage: bash 51-containerd.sh   (as root; the archives lie in /var/lib/hybrid/files; ENVIRONMENT names the proxy, if any)
# OWN names programs that were built: they take the places of the archive's.
ENVIRONMENT=()
OWN=()
# Shared by every Linux script: strict mode, and the few words that all of them use.
set -euo pipefail
umask 022
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

RESULT=''

# A line of progress for people.
say() {
    printf '%s\n' "$1"
}

# End with a reason and a remedy; both reach the person who started the run.
fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# A text as a JSON string.
json_text() {
    local text="$1"
    text="${text//\\/\\\\}"
    text="${text//\"/\\\"}"
    text="${text//$'\n'/\\n}"
    text="${text//[[:cntrl:]]/ }"
    printf '"%s"' "$text"
}

# true or false, as the command given says.
json_bool() {
    if "$@"; then
        printf 'true'
    else
        printf 'false'
    fi
}

# Adds a text to the script's own result, beside the facts.
result() {
    RESULT="$RESULT, $(json_text "$1"): $(json_text "$2")"
}

# Shared by the scripts that install: the delivered file, and the record that says what was installed from what.
FILES=()
# How the record holds each file: whoever changes one later undoes the installation. `there`: it only has to be there.
NOTE='file %s %Y %n'

# The path of a delivered file. Its digest is recorded here where a delivery was cut off before it could be.
delivered() {
    local digest='' known='' now
    if [ ! -f "/var/lib/hybrid/files/$1" ]; then
        fail "$1 was not delivered"
    fi
    now="$(stat -c '%s %Y' "/var/lib/hybrid/files/$1")"
    if [ -f "/var/lib/hybrid/delivered/$1" ]; then
        read -r digest known < "/var/lib/hybrid/delivered/$1"
    fi
    if [ "$known" != "$now" ]; then
        digest="$(sha256sum "/var/lib/hybrid/files/$1")"
        mkdir -p /var/lib/hybrid/delivered
        printf '%s %s\n' "${digest%% *}" "$now" > "/var/lib/hybrid/delivered/$1"
    fi
    printf '%s' "/var/lib/hybrid/files/$1"
}

# Puts one program in place; a running one keeps its old file until it ends.
install_program() {
    install -D -m 0755 "$1" "$2.new"
    mv -f "$2.new" "$2"
    FILES+=("$2")
}

# Unpacks an archive into a folder and notes its files.
unpack() {
    local line names
    mkdir -p "$2"
    names="$(tar -xzvf "$1" --no-same-owner --no-overwrite-dir -C "$2")"
    while read -r line; do
        case "$line" in
            '' | */) ;;
            *) FILES+=("$2/${line#./}") ;;
        esac
    done <<< "$names"
}

# record COMPONENT ARTIFACT...: written last, so that a record means that everything before it was done.
record() {
    local component="$1" name digest lines=''
    shift
    for name in "$@"; do
        read -r digest _ < "/var/lib/hybrid/delivered/$name"
        lines="${lines}digest $name $digest"$'\n'
    done
    mkdir -p /var/lib/hybrid/installed
    printf '%s%s\n' "$lines" "$(stat -c "$NOTE" "${FILES[@]}")" > "/var/lib/hybrid/installed/.$component"
    mv -f "/var/lib/hybrid/installed/.$component" "/var/lib/hybrid/installed/$component"
}

unpack "$(delivered containerd-linux.tar.gz)" /usr/local
install_program "$(delivered runc)" /usr/local/sbin/runc
if [ -n "${OWN[*]:-}" ]; then
    for name in "${OWN[@]}"; do
        say "installing $name, which was built"
        install_program "$(delivered "$name")" "/usr/local/bin/$name"
    done
fi

mkdir -p /etc/containerd /etc/cni/net.d /opt/cni/bin
cat > /etc/containerd/config.toml <<'CONFIG'
# containerd on a Linux node. What is not here is containerd's default.
version = 3

[plugins."io.containerd.cri.v1.images"]
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "registry.k8s.io/pause:3.10.2"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "/etc/containerd/certs.d"

[plugins."io.containerd.cri.v1.runtime"]
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = true
CONFIG

cat > /etc/systemd/system/containerd.service <<'UNIT'
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target local-fs.target hybrid-network.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
UNIT
mkdir -p /etc/systemd/system/containerd.service.d
rm -f /etc/systemd/system/containerd.service.d/10-proxy.conf
if [ -n "${ENVIRONMENT[*]:-}" ]; then
    printf '[Service]\n' > /etc/systemd/system/containerd.service.d/10-proxy.conf
    for line in "${ENVIRONMENT[@]}"; do
        # systemd reads %% as a percent sign.
        printf 'Environment="%s"\n' "${line//%/%%}" >> /etc/systemd/system/containerd.service.d/10-proxy.conf
    done
fi
systemctl daemon-reload
systemctl enable containerd.service
say 'starting containerd'
systemctl restart containerd.service || fail "containerd does not start: $(journalctl --no-pager --lines=20 --unit=containerd.service 2>&1)"

DEADLINE=$((SECONDS + 60))
until ctr --connect-timeout 2s version >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "containerd does not answer: $(journalctl --no-pager --lines=20 --unit=containerd.service 2>&1)"
    fi
    sleep 1
done
if [ -n "${OWN[*]:-}" ]; then
    record containerd containerd-linux.tar.gz runc "${OWN[@]}"
else
    record containerd containerd-linux.tar.gz runc
fi
# ---- facts: printed as the last line, {"facts": {"<section>": {...}}, ...}. Reads only, changes nothing.
# Each section has a time limit: every program that could hang runs under `limited`, with what is left of it.
SECTION_END=0

limited() {
    local left=$((SECTION_END - SECONDS))
    if [ "$left" -lt 1 ]; then
        return 124
    fi
    timeout -k 2 "$left" "$@"
}

unknown() {
    printf '{"unknown": %s}' "$(json_text "$1")"
}

# The section's JSON, or why nobody can say it. A program that ran out of time has used up the section's limit.
section_text() {
    local name="$1" seconds="$2" text=''
    SECTION_END=$((SECONDS + seconds))
    if ! text="$("$name")"; then
        text="$(unknown 'the probe of this section failed')"
    fi
    if [ "$SECONDS" -ge "$SECTION_END" ]; then
        text="$(unknown "it took longer than $seconds s")"
    fi
    printf '%s' "$text"
}

# Installed components: from which artifacts, and whether every file is still as it was installed.
# A record has the lines "digest <artifact> <sha256>", "file <size> <time> <path>", and "there - - <path>" for a file
# that others may write anew.
facts_installed() {
    local record component kind first second path list='' digests wanted found gone
    for record in /var/lib/hybrid/installed/*; do
        if [ ! -f "$record" ]; then
            continue
        fi
        component="${record##*/}"
        digests=''
        wanted=''
        found=''
        gone=''
        local files=()
        while read -r kind first second path; do
            case "$kind" in
                digest) digests="$digests${digests:+, }$(json_text "$first"): $(json_text "$second")" ;;
                file)
                    files+=("$path")
                    wanted="$wanted$first $second $path"$'\n'
                    ;;
                there)
                    if [ ! -e "$path" ]; then
                        gone="$path"
                    fi
                    ;;
            esac
        done < "$record"
        if [ -n "$wanted" ]; then
            found="$(limited stat -c '%s %Y %n' "${files[@]}" 2>&1 || true)"$'\n'
        fi
        list="$list${list:+, }$(json_text "$component"): {\"digests\": {$digests}, "
        if [ "$found" = "$wanted" ] && [ -z "$gone" ]; then
            list="$list\"intact\": true, \"detail\": \"\"}"
        else
            list="$list\"intact\": false, \"detail\": $(json_text "a file of $component is gone or was changed")}"
        fi
    done
    printf '{"components": %s}' "{$list}"
}

# What containerd answers (empty: it does not), whether its Kubernetes side is up, and which configuration it has.
facts_containerd() {
    local key value version='' seen_server=no type id rest cri=false config='' digest line list=''
    while read -r key value; do
        case "$key" in
            Server:) seen_server=yes ;;
            Version:)
                if [ "$seen_server" = yes ]; then
                    version="${value#v}"
                fi
                ;;
        esac
    done <<< "$(limited ctr --connect-timeout 3s version 2>/dev/null || true)"
    if [ -n "$version" ]; then
        while read -r type id rest; do
            if [ "$type $id" = 'io.containerd.grpc.v1 cri' ] && [ "${rest##* }" = ok ]; then
                cri=true
            fi
        done <<< "$(limited ctr --connect-timeout 3s plugins ls 2>/dev/null || true)"
    fi
    if [ -f /etc/containerd/config.toml ]; then
        digest="$(sha256sum /etc/containerd/config.toml)"
        config="${digest%% *}"
    fi
    if [ -f /etc/systemd/system/containerd.service.d/10-proxy.conf ]; then
        while read -r line; do
            case "$line" in
                Environment=*)
                    line="${line#Environment=\"}"
                    line="${line%\"}"
                    list="$list${list:+, }$(json_text "${line//%%/%}")"
                    ;;
            esac
        done < /etc/systemd/system/containerd.service.d/10-proxy.conf
    fi
    printf '{"version": %s, "cri": %s, "config_digest": %s, "socket": %s, "environment": [%s]}' \
        "$(json_text "$version")" "$cri" "$(json_text "$config")" \
        "$(json_bool test -S /run/containerd/containerd.sock)" "$list"
}

# The services that make a node. A service that does not exist is inactive and has no enabled state.
facts_services() {
    local key value name='' active='' list='' shown
    shown="$(limited systemctl show --property=Id,ActiveState,UnitFileState containerd.service kubelet.service)" || return 1
    while IFS='=' read -r key value; do
        case "$key" in
            Id) name="${value%.service}" ;;
            ActiveState) active="$value" ;;
            UnitFileState)
                list="$list${list:+, }$(json_text "$name"): {\"active\": $(json_text "$active"), \"enabled\": $(json_text "$value")}"
                ;;
        esac
    done <<< "$shown"
    printf '{"units": %s}' "{$list}"
}

FACTS=''
FACTS="$FACTS\"installed\": $(section_text facts_installed 10)"
FACTS="$FACTS, \"containerd\": $(section_text facts_containerd 10)"
FACTS="$FACTS, \"services\": $(section_text facts_services 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
