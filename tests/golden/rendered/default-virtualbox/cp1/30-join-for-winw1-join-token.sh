#!/bin/bash
# A token to join with, that lives minutes. Its value is the script's result and stands in no log.
# Usage: bash 70-join-token.sh   (as root on the control plane)
TTL=20m
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

COMMAND="$(kubeadm token create --kubeconfig=/etc/kubernetes/admin.conf --ttl="$TTL" --description='hybrid: join' --print-join-command)"

# kubeadm join <host>:<port> --token <token> --discovery-token-ca-cert-hash <hash>
BEFORE=''
for word in $COMMAND; do
    case "$BEFORE" in
        join) result endpoint "$word" ;;
        --token) result token "$word" ;;
        --discovery-token-ca-cert-hash) result ca_hash "$word" ;;
    esac
    BEFORE="$word"
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

# Asks the API. ANSWER holds what it said; without a cluster or an answer, the reason.
ask() {
    if [ ! -f /etc/kubernetes/admin.conf ]; then
        printf 'there is no cluster yet'
        return 1
    fi
    limited kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s "$@" 2>&1
}

# The ids of the join tokens that we made (their description is ours, in base64); never the secrets.
facts_cluster_tokens() {
    local answer name list=''
    if ! answer="$(ask get secrets --namespace kube-system --field-selector type=bootstrap.kubernetes.io/token -o jsonpath='{range .items[?(@.data.description=="aHlicmlkOiBqb2lu")]}{.metadata.name}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    for name in $answer; do
        list="$list${list:+, }$(json_text "${name#bootstrap-token-}")"
    done
    printf '{"ours": [%s]}' "$list"
}

FACTS=''
FACTS="$FACTS\"cluster.tokens\": $(section_text facts_cluster_tokens 30)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
