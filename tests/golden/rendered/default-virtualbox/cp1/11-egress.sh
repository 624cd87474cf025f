#!/bin/bash
# This machine lets the machines' network out: it forwards, and masquerades what leaves for the outside.
# Usage: bash 65-egress.sh   (as root)
MACHINES=192.168.56.0/24
INSIDE='192.168.56.0/24, 10.244.0.0/16, 10.96.0.0/12'
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

mkdir -p /etc/hybrid
# Declared, deleted, declared again: replaces our own table in one transaction and touches no other.
printf 'table ip hybrid_egress\ndelete table ip hybrid_egress\n' > /etc/hybrid/egress.nft
printf 'table ip hybrid_egress {\n  chain postrouting {\n    type nat hook postrouting priority 110;\n    ip saddr %s ip daddr != { %s } masquerade\n  }\n}\n' "$MACHINES" "$INSIDE" >> /etc/hybrid/egress.nft

printf 'net.ipv4.ip_forward = 1\n' > /etc/sysctl.d/91-hybrid-egress.conf
sysctl --quiet --load /etc/sysctl.d/91-hybrid-egress.conf

cat > /etc/systemd/system/hybrid-egress.service <<'UNIT'
[Unit]
Description=Way out for the machines' network
After=network.target nftables.service hybrid-network.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/hybrid/egress.nft

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable hybrid-egress.service
systemctl restart hybrid-egress.service
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

# Whether this machine lets the machines' network out: forwarding and masquerading, now and after a boot.
facts_egress() {
    local rules
    rules="$(limited nft list table ip hybrid_egress 2>/dev/null || true)"
    printf '{"forwarding": %s, "masquerade": %s, "kept": %s}' \
        "$(json_bool grep -qs 1 /proc/sys/net/ipv4/ip_forward)" \
        "$(json_bool grep -q masquerade <<< "$rules")" \
        "$(json_bool test -L /etc/systemd/system/multi-user.target.wants/hybrid-egress.service)"
}

FACTS=''
FACTS="$FACTS\"egress\": $(section_text facts_egress 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
