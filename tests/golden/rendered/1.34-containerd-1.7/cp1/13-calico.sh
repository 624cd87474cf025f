#!/bin/bash
# Calico's definitions and operator are in the cluster, the operator knows the API's address and what to install.
# Server-side, because the definitions are larger than what a plain apply can note down.
# Usage: bash 81-calico.sh   (as root on the control plane; the manifests lie in /var/lib/hybrid/files)
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

say 'definitions'
kube apply --server-side --force-conflicts --field-manager=hybrid -f /var/lib/hybrid/files/calico-crds.yaml
kube wait --for=condition=Established --timeout=60s customresourcedefinitions/installations.operator.tigera.io customresourcedefinitions/tigerastatuses.operator.tigera.io customresourcedefinitions/ipamconfigs.crd.projectcalico.org
say 'operator'
kube apply --server-side --force-conflicts --field-manager=hybrid -f /var/lib/hybrid/files/tigera-operator.yaml
# The operator refuses a Windows installation as a whole as long as it does not know this address.
kube apply --server-side --force-conflicts --field-manager=hybrid -f - <<'MANIFEST'
# Where Calico on Windows finds the API: service addresses do not work before Calico itself does.
apiVersion: v1
kind: ConfigMap
metadata:
  name: kubernetes-services-endpoint
  namespace: tigera-operator
data:
  KUBERNETES_SERVICE_HOST: "192.168.56.10"
  KUBERNETES_SERVICE_PORT: "6443"
MANIFEST
say 'installation'
kube apply --server-side --force-conflicts --field-manager=hybrid -f - <<'MANIFEST'
# What the Tigera operator installs. VXLAN without BGP is what works on both systems.
apiVersion: operator.tigera.io/v1
kind: Installation
metadata:
  name: default
  annotations:
    hybrid/digest: "b6457154228f3460"
    # Not for the operator, which brings its own version: another one here is another manifest to apply.
    hybrid/version: "3.32.1"
spec:
  variant: Calico
  cni:
    type: Calico
  serviceCIDRs:
    - "10.96.0.0/12"
  calicoNetwork:
    bgp: Disabled
    linuxDataplane: Iptables
    windowsDataplane: HNS
    # The address comes from the machines' network, not from the card of the way out.
    nodeAddressAutodetectionV4:
      cidrs:
        - "192.168.56.0/24"
    ipPools:
      - name: default-ipv4-ippool
        cidr: "10.244.0.0/16"
        encapsulation: VXLAN
        natOutgoing: Enabled
        blockSize: 26
        nodeSelector: all()
  # The card that carries the virtual switch, and the folders that containerd on Windows looks into.
  windowsNodes:
    vxlanAdapter: kube
    cniBinDir: /opt/cni/bin
    cniConfigDir: /etc/cni/net.d
    cniLogDir: /var/log/calico/cni
---
apiVersion: operator.tigera.io/v1
kind: APIServer
metadata:
  name: default
spec: {}
MANIFEST
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

# Calico as the operator sees it. Without its definitions there is nothing more to ask.
facts_cluster_calico() {
    local answer crds=false installation='' endpoint='' strict=false name available message list=''
    if ! answer="$(ask get customresourcedefinitions --ignore-not-found -o name installations.operator.tigera.io tigerastatuses.operator.tigera.io ipamconfigs.crd.projectcalico.org)"; then
        unknown "$answer"
        return 0
    fi
    if [ "$(grep -c customresourcedefinition <<< "$answer" || true)" = 3 ]; then
        crds=true
        installation="$(ask get installations.operator.tigera.io default --ignore-not-found -o jsonpath='{.metadata.annotations.hybrid/digest}' || true)"
        strict="$(ask get ipamconfigs.crd.projectcalico.org default --ignore-not-found -o jsonpath='{.spec.strictAffinity}' || true)"
        answer="$(ask get tigerastatuses.operator.tigera.io -o jsonpath='{range .items[*]}{.metadata.name}|{.status.conditions[?(@.type=="Available")].status}|{.status.conditions[?(@.type=="Degraded")].message}{"\n"}{end}' || true)"
        while IFS='|' read -r name available message; do
            if [ -n "$available" ]; then
                list="$list${list:+, }$(json_text "$name"): {\"available\": $(json_bool test "$available" = True), \"message\": $(json_text "$message")}"
            fi
        done <<< "$answer"
    fi
    endpoint="$(ask get configmap kubernetes-services-endpoint --namespace tigera-operator --ignore-not-found -o jsonpath='{.data.KUBERNETES_SERVICE_HOST}:{.data.KUBERNETES_SERVICE_PORT}' || true)"
    printf '{"crds": %s, "endpoint": %s, "installation": %s, "strict_affinity": %s, "status": %s}' \
        "$crds" "$(json_text "$endpoint")" "$(json_text "$installation")" "$(json_bool test "$strict" = true)" "{$list}"
}

# DaemonSets and Deployments, "<namespace>/<name>": how many pods there should be and are ready, which manifest made
# them, and the image of their first container.
facts_cluster_workloads() {
    local answer kind space name wanted ready replicas available digest image list='' entry
    if ! answer="$(ask get daemonsets,deployments --all-namespaces -o jsonpath='{range .items[*]}{.kind}|{.metadata.namespace}|{.metadata.name}|{.status.desiredNumberScheduled}|{.status.numberReady}|{.spec.replicas}|{.status.readyReplicas}|{.metadata.annotations.hybrid/digest}|{.spec.template.spec.containers[0].image}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    while IFS='|' read -r kind space name wanted ready replicas available digest image; do
        case "$kind" in
            DaemonSet) entry="\"wanted\": ${wanted:-0}, \"ready\": ${ready:-0}" ;;
            Deployment) entry="\"wanted\": ${replicas:-0}, \"ready\": ${available:-0}" ;;
            *) continue ;;
        esac
        list="$list${list:+, }$(json_text "$space/$name"): {$entry, \"digest\": $(json_text "$digest"), \"image\": $(json_text "$image")}"
    done <<< "$answer"
    printf '{"workloads": %s}' "{$list}"
}

FACTS=''
FACTS="$FACTS\"cluster.calico\": $(section_text facts_cluster_calico 30)"
FACTS="$FACTS, \"cluster.workloads\": $(section_text facts_cluster_workloads 30)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
