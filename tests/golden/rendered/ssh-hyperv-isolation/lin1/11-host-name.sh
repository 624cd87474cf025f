#!/bin/bash
# The machine has its name, and knows its own address by it.
# Usage: bash 20-host-name.sh   (as root)
NAME=lin1
ADDRESS=192.168.56.11
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

hostnamectl set-hostname "$NAME"
if ! grep -qx "$ADDRESS $NAME" /etc/hosts; then
    printf '%s %s\n' "$ADDRESS" "$NAME" >> /etc/hosts
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

# The system, its boot and its clock. Times are UTC, ISO 8601.
facts_os() {
    local id='' version='' key value boot='' clock
    while IFS='=' read -r key value; do
        value="${value#\"}"
        value="${value%\"}"
        case "$key" in
            ID) id="$value" ;;
            VERSION_ID) version="$value" ;;
        esac
    done < /etc/os-release
    while read -r key value; do
        if [ "$key" = btime ]; then
            boot="$value"
        fi
    done < /proc/stat
    # Without a time service nobody can say; the model calls that null.
    case "$(limited timedatectl show --property=NTPSynchronized --value 2>/dev/null || true)" in
        yes) clock=true ;;
        no) clock=false ;;
        *) clock=null ;;
    esac
    printf '{"id": %s, "version": %s, "kernel": %s, "architecture": %s, "hostname": %s' \
        "$(json_text "$id")" "$(json_text "$version")" "$(json_text "$(uname -r)")" \
        "$(json_text "$(uname -m)")" "$(json_text "$(uname -n)")"
    printf ', "boot_id": %s, "boot_time": %s, "time": %s, "clock_synchronised": %s, "cgroup": %s}' \
        "$(json_text "$(cat /proc/sys/kernel/random/boot_id)")" "$(json_text "$(date -u -d "@$boot" +%Y-%m-%dT%H:%M:%SZ)")" \
        "$(json_text "$(date -u +%Y-%m-%dT%H:%M:%SZ)")" "$clock" \
        "$(if [ -f /sys/fs/cgroup/cgroup.controllers ]; then printf 2; else printf 1; fi)"
}

FACTS=''
FACTS="$FACTS\"os\": $(section_text facts_os 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
