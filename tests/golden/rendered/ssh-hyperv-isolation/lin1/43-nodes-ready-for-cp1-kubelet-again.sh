#!/bin/bash
# Starts the kubelet anew, which makes its node then: somebody has deleted it.
# Usage: bash 62-kubelet-again.sh   (as root on the worker)
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

systemctl restart kubelet.service
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
FACTS="$FACTS\"services\": $(section_text facts_services 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
