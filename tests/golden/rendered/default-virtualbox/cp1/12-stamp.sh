#!/bin/bash
# Writes down which settings shaped this machine (no secrets), for the next run to compare.
# Usage: bash 95-stamp.sh   (as root)
STAMP='{"hash": "59c3ae4e8de6c42903205fc0ba6f38b98b28c79a414226b371c9ef76ddad9318", "settings": {"calico.version": "3.32.1", "cluster.name": "hybrid", "cni": "calico", "containerd.config": {}, "containerd.linux": "2.3.4", "features.node_log_query": true, "kubernetes.binaries": {}, "kubernetes.control_plane": "auto", "kubernetes.extra_args": {}, "kubernetes.feature_gates": {}, "kubernetes.kubeadm_patches": {}, "kubernetes.kubelet_config": {}, "kubernetes.path": null, "kubernetes.ref": null, "kubernetes.runtime_config": {}, "kubernetes.sha": null, "kubernetes.verbosity": 2, "kubernetes.version": "1.36.4", "machine.address": "192.168.56.10", "machine.box": "bento/ubuntu-24.04", "machine.box_url": null, "machine.box_version": null, "machine.cpus": 2, "machine.mac": "00:50:56:07:0f:42", "machine.memory": 4096, "machine.name": "cp1", "machine.os": "linux", "machine.role": "control-plane", "machine.transport": "ssh", "machine.windows_version": "2022", "network.ca": null, "network.egress": "control-plane", "network.machines": "192.168.56.0/24", "network.pods": "10.244.0.0/16", "network.proxy": null, "network.registries": {}, "network.services": "10.96.0.0/12", "provider": "virtualbox"}}'
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

mkdir -p /var/lib/hybrid
printf '%s\n' "$STAMP" > /var/lib/hybrid/.stamp
mv -f /var/lib/hybrid/.stamp /var/lib/hybrid/stamp.json
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

# The settings that shaped this machine, as they were written down (JSON as text; empty: none yet).
facts_stamp() {
    local text=''
    if [ -f /var/lib/hybrid/stamp.json ]; then
        text="$(cat /var/lib/hybrid/stamp.json)"
    fi
    printf '{"text": %s}' "$(json_text "$text")"
}

FACTS=''
FACTS="$FACTS\"stamp\": $(section_text facts_stamp 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
