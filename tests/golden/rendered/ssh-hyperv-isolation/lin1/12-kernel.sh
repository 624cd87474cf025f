#!/bin/bash
# The kernel has what kubelet, the CNI and kube-proxy ask for, and no swap, now and after each boot.
# Usage: bash 30-kernel.sh   (as root)
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

printf 'overlay\nbr_netfilter\n' > /etc/modules-load.d/hybrid.conf
modprobe overlay
modprobe br_netfilter

cat > /etc/sysctl.d/90-hybrid.conf <<'CONF'
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
CONF
sysctl --quiet --load /etc/sysctl.d/90-hybrid.conf

# Every swap, of whatever kind, is started by this target.
swapoff --all
systemctl mask swap.target
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

# What kubelet, the CNI and kube-proxy ask of the kernel, now and after a boot.
facts_kernel() {
    local swaps
    swaps="$(tail -n +2 /proc/swaps)"
    printf '{"overlay": %s, "bridge_filter": %s' \
        "$(json_bool grep -qw overlay /proc/filesystems)" "$(json_bool test -d /proc/sys/net/bridge)"
    printf ', "ip_forward": %s, "bridge_iptables": %s' \
        "$(json_bool grep -qs 1 /proc/sys/net/ipv4/ip_forward)" \
        "$(json_bool grep -qs 1 /proc/sys/net/bridge/bridge-nf-call-iptables)"
    printf ', "swap": %s, "modules_kept": %s, "sysctls_kept": %s, "swap_kept_off": %s}' \
        "$(json_bool test -n "$swaps")" \
        "$(json_bool test -f /etc/modules-load.d/hybrid.conf)" \
        "$(json_bool test -f /etc/sysctl.d/90-hybrid.conf)" \
        "$(json_bool test -L /etc/systemd/system/swap.target)"
}

FACTS=''
FACTS="$FACTS\"kernel\": $(section_text facts_kernel 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
