#!/bin/bash
# The node of a machine that was made again is gone: its taints, its addresses and its pods were those of the old one.
# Usage: bash 70-forget-node.sh   (as root on the control plane, before the new machine joins under the same name)
NAME=winw1
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

# Shared by the scripts that talk to the API.
kube() {
    kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=30s "$@"
}

kube delete node --ignore-not-found "$NAME"
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

FACTS=''
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
