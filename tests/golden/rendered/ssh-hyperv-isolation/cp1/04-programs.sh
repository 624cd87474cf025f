#!/bin/bash
# The programs that kubeadm's preflight and our scripts call are there; missing ones come by apt.
# Usage: bash 40-programs.sh   (as root; NEEDS holds <program>=<package>, LIMIT is in seconds)
NEEDS=(mount=mount losetup=mount cp=coreutils ip=iproute2 modprobe=kmod sysctl=procps tar=tar python3=python3)
PROXY=''
LIMIT=300
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

MISSING=()
for need in "${NEEDS[@]}"; do
    if ! command -v "${need%%=*}" >/dev/null; then
        MISSING+=("${need##*=}")
    fi
done
if [ -n "${MISSING[*]:-}" ]; then
    COMMAND="apt-get install --yes --no-install-recommends ${MISSING[*]}"
    if ! command -v apt-get >/dev/null; then
        fail "these packages are missing, and there is no apt-get here: ${MISSING[*]}"
    fi
    export DEBIAN_FRONTEND=noninteractive
    if [ -n "$PROXY" ]; then
        export http_proxy="$PROXY" https_proxy="$PROXY"
    fi
    say "installing ${MISSING[*]}"
    # A machine that has just started may be installing its updates: their lock is waited for.
    if ! apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout="$LIMIT" "${MISSING[@]}"; then
        apt-get update || fail "the package lists cannot be read; give this machine a way to its mirror, then: $COMMAND"
        apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout="$LIMIT" "${MISSING[@]}" || fail "it did not work; try by hand: $COMMAND"
    fi
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

# Which of the programs that we, kubeadm and kubelet call are not there; which of them are needed, the step knows.
facts_programs() {
    local name list=''
    for name in ip mount losetup cp tar modprobe sysctl nft python3 iptables conntrack socat ethtool update-ca-certificates; do
        if ! command -v "$name" >/dev/null; then
            list="$list${list:+, }$(json_text "$name")"
        fi
    done
    printf '{"missing": [%s]}' "$list"
}

FACTS=''
FACTS="$FACTS\"programs\": $(section_text facts_programs 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
