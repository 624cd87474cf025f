#!/bin/bash
# This Linux worker has joined the cluster.
# Usage: bash 61-join.sh   (as root; the configuration holds a token that lives minutes, the file is removed)
# LEAVE=true: it has joined a cluster whose control plane was made again since; nothing of that cluster is of use.
LEAVE=false
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

mkdir -p /var/lib/hybrid/kubeadm
if [ "$LEAVE" = true ]; then
    rm -f /var/lib/hybrid/kubeadm/joined
fi
if [ ! -f /var/lib/hybrid/kubeadm/joined ]; then
    if [ -f /etc/kubernetes/kubelet.conf ] || [ -f /etc/kubernetes/bootstrap-kubelet.conf ]; then
        say 'an earlier join did not come to its end, or was to another cluster; resetting'
        kubeadm reset --force --cri-socket=unix:///run/containerd/containerd.sock
    fi
    trap 'rm -f /run/hybrid-join.yaml' EXIT
    install -m 0600 /dev/null /run/hybrid-join.yaml
    cat > /run/hybrid-join.yaml <<'CONFIG'
# How a worker joins, Linux or Windows. The token lives minutes, the CA hash is always checked.
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: "192.168.56.10:6443"
    token: "<token>"
    caCertHashes:
      - "sha256:<hash>"
nodeRegistration:
  name: "lin1"
  criSocket: "unix:///run/containerd/containerd.sock"
  taints: []
  kubeletExtraArgs:
    - name: "node-ip"
      value: "192.168.56.11"
CONFIG
# kubeadm's patches as the settings have them, and no others.
rm -rf /var/lib/hybrid/kubeadm/patches

    kubeadm join --config=/run/hybrid-join.yaml
    printf 'ended well\n' > /var/lib/hybrid/kubeadm/joined
fi
# kubeadm has started it; somebody may have stopped it since.
systemctl start kubelet.service
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

# How far kubeadm came. Our marks are written after kubeadm ended well; its files may be left by one that was killed.
facts_kubeadm() {
    local path list='' initialised=false joined=false digest='' authority='' line
    if [ -f /etc/kubernetes/admin.conf ] && [ -f /var/lib/hybrid/kubeadm/initialised ]; then
        initialised=true
    fi
    if [ -f /etc/kubernetes/kubelet.conf ] && [ -f /var/lib/hybrid/kubeadm/joined ]; then
        joined=true
    fi
    for path in /etc/kubernetes/manifests/*.yaml; do
        if [ -f "$path" ]; then
            line="${path##*/}"
            list="$list${list:+, }$(json_text "${line%.yaml}")"
        fi
    done
    if [ -f /var/lib/hybrid/kubeadm/init.yaml ]; then
        line="$(sha256sum /var/lib/hybrid/kubeadm/init.yaml)"
        digest="${line%% *}"
    fi
    if [ -f /etc/kubernetes/pki/ca.crt ]; then
        line="$(sha256sum /etc/kubernetes/pki/ca.crt)"
        authority="${line%% *}"
    fi
    printf '{"initialised": %s, "joined": %s, "manifests": [%s], "config_digest": %s, "authority": %s}' \
        "$initialised" "$joined" "$list" "$(json_text "$digest")" "$(json_text "$authority")"
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
FACTS="$FACTS\"kubeadm\": $(section_text facts_kubeadm 10)"
FACTS="$FACTS, \"services\": $(section_text facts_services 10)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
