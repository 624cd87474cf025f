#!/bin/bash
# Delivered files are what they should be: digests are checked here and recorded, so that nobody hashes twice.
# Usage: bash 50-delivered.sh   (as root; FILES holds <name>=<SHA-256>, the files lie in /var/lib/hybrid/files)
FILES=(NAME=SHA-256)
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

mkdir -p /var/lib/hybrid/files /var/lib/hybrid/delivered
for file in "${FILES[@]}"; do
    name="${file%%=*}"
    digest="${file##*=}"
    path="/var/lib/hybrid/files/$name"
    if [ ! -f "$path" ]; then
        fail "$name was not delivered"
    fi
    found="$(sha256sum "$path")"
    found="${found%% *}"
    if [ "$found" != "$digest" ]; then
        rm -f "$path"
        fail "$name arrived with SHA-256 $found instead of $digest; it was removed, run again"
    fi
    printf '%s %s\n' "$found" "$(stat -c '%s %Y' "$path")" > "/var/lib/hybrid/delivered/$name"
done
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

# Delivered files by name. A digest was recorded when the file came; it is computed again only if size or time differ.
facts_delivered() {
    local size time path name known digest rest list=''
    if [ -d /var/lib/hybrid/files ]; then
        while read -r size time path; do
            name="${path##*/}"
            case "$name" in
                '' | '*' | *.part) continue ;;
            esac
            digest=''
            if [ -f "/var/lib/hybrid/delivered/$name" ]; then
                read -r digest known < "/var/lib/hybrid/delivered/$name"
                if [ "$known" != "$size $time" ]; then
                    digest=''
                fi
            fi
            if [ -z "$digest" ]; then
                rest="$(limited sha256sum "$path")"
                digest="${rest%% *}"
            fi
            list="$list${list:+, }$(json_text "$name"): {\"sha256\": \"$digest\", \"size\": $size}"
        done <<< "$(stat -c '%s %Y %n' /var/lib/hybrid/files/* 2>/dev/null || true)"
    fi
    printf '{"files": %s}' "{$list}"
}

FACTS=''
FACTS="$FACTS\"delivered\": $(section_text facts_delivered 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
