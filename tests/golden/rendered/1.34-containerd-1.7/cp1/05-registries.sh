#!/bin/bash
# The authorities that the settings name are trusted, and containerd knows where to ask for which registry's images.
# What an earlier run wrote and the settings have no more is gone; what others wrote stays. Secrets are for root only.
# Usage: bash 45-registries.sh   (as root; CERTIFICATES and FOLDERS name what is written below)
CERTIFICATES=()
FOLDERS=()
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

wanted() {
    local name
    for name in "${@:2}"; do
        if [ "$name" = "$1" ]; then
            return 0
        fi
    done
    return 1
}

CHANGED=no
mkdir -p /usr/local/share/ca-certificates
for path in /usr/local/share/ca-certificates/hybrid-*.crt; do
    name="${path##*/}"
    if [ -f "$path" ] && ! wanted "${name%.crt}" "${CERTIFICATES[@]:-}"; then
        rm -f "$path"
        CHANGED=yes
    fi
done
if [ "$CHANGED" = yes ]; then
    say 'the trusted authorities changed'
    update-ca-certificates --fresh >/dev/null
    # Programs read them when they start.
    if [ "$(systemctl is-active containerd.service)" = active ]; then
        systemctl restart containerd.service
    fi
fi

for path in /etc/containerd/certs.d/*/hosts.toml; do
    if [ -f "$path" ] && grep -q '^# hybrid: ' "$path"; then
        folder="${path%/hosts.toml}"
        if ! wanted "${folder##*/}" "${FOLDERS[@]:-}"; then
            say "forgetting ${folder##*/}"
            rm -f "$folder/hosts.toml" "$folder/ca.pem"
        fi
    fi
done
umask 077
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

# What we wrote for containerd's registries (digests, no secrets), and which of our authorities the system trusts.
facts_registries() {
    local path folder name digest list='' trusted=''
    for path in /etc/containerd/certs.d/*/hosts.toml; do
        if [ -f "$path" ] && grep -q '^# hybrid: ' "$path"; then
            folder="${path%/hosts.toml}"
            for name in hosts.toml ca.pem; do
                if [ -f "$folder/$name" ]; then
                    digest="$(sha256sum "$folder/$name")"
                    list="$list${list:+, }$(json_text "${folder##*/}/$name"): \"${digest%% *}\""
                fi
            done
        fi
    done
    for path in /usr/local/share/ca-certificates/hybrid-*.crt; do
        if [ -f "$path" ]; then
            name="${path##*/}"
            name="${name%.crt}"
            trusted="$trusted${trusted:+, }$(json_text "$name"): $(json_bool test -e "/etc/ssl/certs/$name.pem")"
        fi
    done
    printf '{"files": %s, "authorities": %s}' "{$list}" "{$trusted}"
}

FACTS=''
FACTS="$FACTS\"registries\": $(section_text facts_registries 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
