#!/bin/bash
# The control plane runs: images pulled, kubeadm init ended well, the API answers.
# A run that was killed in the middle is undone by kubeadm reset and made again.
# Usage: bash 60-kubeadm-init.sh   (as root; detached, it takes minutes)
# IMAGES: those that no registry has; they were imported before, and are proved to be what kubeadm will ask for.
IMAGES=()
# PULL is no where images were imported: then kubeadm init itself pulls those that are not there, and asks for no other.
PULL=yes
NODE=cp1
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

mkdir -p /var/lib/hybrid/kubeadm /root/.kube
if [ ! -f /var/lib/hybrid/kubeadm/initialised ]; then
    # The authority is the first thing that kubeadm writes; half of it would stop the next kubeadm init for good.
    if [ -d /etc/kubernetes/pki ] || [ -f /etc/kubernetes/admin.conf ] || [ -f /etc/kubernetes/manifests/etcd.yaml ]; then
        say 'an earlier kubeadm init did not come to its end; resetting'
        kubeadm reset --force --cri-socket=unix:///run/containerd/containerd.sock
    fi
    cat > /var/lib/hybrid/kubeadm/init.yaml <<'CONFIG'
# How the control plane is made. Everything listens and registers on the private card, never on the card of the way out.
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: "192.168.56.10"
  bindPort: 6443
# Joining makes tokens of its own; this one, which kubeadm insists on, is gone in minutes.
bootstrapTokens:
  - description: "hybrid: join"
    ttl: 15m0s
    usages: [signing, authentication]
    groups: ["system:bootstrappers:kubeadm:default-node-token"]
nodeRegistration:
  name: "cp1"
  criSocket: unix:///run/containerd/containerd.sock
  # No taint: operators need a Linux home, and this may be the only Linux node.
  taints: []
  kubeletExtraArgs:
    - name: "node-ip"
      value: "192.168.56.10"
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: "hybrid"
kubernetesVersion: "v1.36.4"
networking:
  podSubnet: "10.244.0.0/16"
  serviceSubnet: "10.96.0.0/12"
apiServer:
  certSANs: ["127.0.0.1", "localhost", "192.168.56.10", "cp1"]
  extraArgs:
    - name: "v"
      value: "2"
controllerManager:
  extraArgs:
    - name: "v"
      value: "2"
scheduler:
  extraArgs:
    - name: "v"
      value: "2"
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: "systemd"
logging: {"verbosity": 2}
enableSystemLogHandler: true
enableSystemLogQuery: true
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: "iptables"
CONFIG
# kubeadm's patches as the settings have them, and no others.
rm -rf /var/lib/hybrid/kubeadm/patches

    if [ "$PULL" = yes ]; then
        say 'pulling the images of the control plane'
        kubeadm config images pull --config=/var/lib/hybrid/kubeadm/init.yaml
    elif [ -n "${IMAGES[*]:-}" ]; then
        kubeadm config images list --config=/var/lib/hybrid/kubeadm/init.yaml > /var/lib/hybrid/kubeadm/images
        for image in "${IMAGES[@]}"; do
            grep -q -x -F "$image" /var/lib/hybrid/kubeadm/images || fail "kubeadm does not ask for $image, but for: $(cat /var/lib/hybrid/kubeadm/images)"
            if [ -z "$(crictl images -q "$image")" ]; then
                fail "$image was not imported"
            fi
        done
        say 'the images that were built are there'
    fi
    say 'kubeadm init'
    kubeadm init --config=/var/lib/hybrid/kubeadm/init.yaml --skip-token-print
    printf 'ended well\n' > /var/lib/hybrid/kubeadm/initialised
fi
# kubeadm has started it; somebody may have stopped it since.
systemctl start kubelet.service
install -m 0600 /etc/kubernetes/admin.conf /root/.kube/config

say 'waiting for the API'
DEADLINE=$((SECONDS + 180))
until kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=5s get --raw=/readyz >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "the API is not ready: $(kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=5s get --raw='/readyz?verbose' 2>&1)"
    fi
    sleep 2
done

if ! kubectl --kubeconfig=/etc/kubernetes/admin.conf get node "$NODE" >/dev/null 2>&1; then
    say 'somebody has deleted its node: the kubelet makes it when it starts'
    systemctl restart kubelet.service
    until kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=5s get node "$NODE" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$DEADLINE" ]; then
            fail "the kubelet has not made node $NODE: $(journalctl -u kubelet.service -n 20 --no-pager 2>&1)"
        fi
        sleep 2
    done
    kubeadm init phase mark-control-plane --config=/var/lib/hybrid/kubeadm/init.yaml
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

# Asks the API. ANSWER holds what it said; without a cluster or an answer, the reason.
ask() {
    if [ ! -f /etc/kubernetes/admin.conf ]; then
        printf 'there is no cluster yet'
        return 1
    fi
    limited kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s "$@" 2>&1
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

# Nodes by name; the role is "worker" or empty.
facts_cluster_nodes() {
    local answer name system image kubelet runtime ready address taints role reason list='' taint text
    if ! answer="$(ask get nodes -o jsonpath='{range .items[*]}{.metadata.name}|{.status.nodeInfo.operatingSystem}|{.status.nodeInfo.osImage}|{.status.nodeInfo.kubeletVersion}|{.status.nodeInfo.containerRuntimeVersion}|{.status.conditions[?(@.type=="Ready")].status}|{.status.addresses[?(@.type=="InternalIP")].address}|{.spec.taints[*].key}|{.metadata.labels.node-role\.kubernetes\.io/worker}|{.status.conditions[?(@.type=="Ready")].message}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    while IFS='|' read -r name system image kubelet runtime ready address taints role reason; do
        if [ -z "$system" ]; then
            continue
        fi
        text=''
        for taint in $taints; do
            text="$text${text:+, }$(json_text "$taint")"
        done
        list="$list${list:+, }{\"name\": $(json_text "$name"), \"os\": $(json_text "$system"), \"os_image\": $(json_text "$image")"
        list="$list, \"kubelet_version\": $(json_text "$kubelet"), \"container_runtime\": $(json_text "$runtime")"
        list="$list, \"ready\": $(json_bool test "$ready" = True), \"internal_ip\": $(json_text "$address")"
        list="$list, \"taints\": [$text], \"role\": $(json_text "$role")"
        list="$list, \"reason\": $(json_text "$reason")}"
    done <<< "$answer"
    printf '{"nodes": [%s]}' "$list"
}

FACTS=''
FACTS="$FACTS\"kubeadm\": $(section_text facts_kubeadm 10)"
FACTS="$FACTS, \"services\": $(section_text facts_services 10)"
FACTS="$FACTS, \"cluster.nodes\": $(section_text facts_cluster_nodes 30)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
