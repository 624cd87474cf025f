#!/bin/bash
# Every machine is a Ready node, and workers show their role.
# Usage: bash 90-nodes.sh   (as root on the control plane; waits)
# PATIENCE: seconds after which nodes that do not exist are the result: their kubelets have to start anew.
NODES=(cp1 lin1 winw1)
WORKERS=(lin1 winw1)
SECONDS_TO_WAIT=840
PATIENCE=60
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

DEADLINE=$((SECONDS + SECONDS_TO_WAIT))
LONG=$((SECONDS + PATIENCE))
BEFORE=''
while true; do
    ANSWER=yes
    SEEN="$(kube get nodes -o jsonpath='{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}' 2>&1)" || ANSWER=no
    WAITING=''
    ABSENT=''
    for name in "${NODES[@]}"; do
        case " $SEEN " in
            *" $name=True "*) ;;
            *" $name="*) WAITING="$WAITING $name" ;;
            *) WAITING="$WAITING $name"; ABSENT="$ABSENT $name" ;;
        esac
    done
    if [ -z "$WAITING" ]; then
        break
    fi
    if [ "$WAITING" != "$BEFORE" ]; then
        say "not Ready yet:$WAITING"
        BEFORE="$WAITING"
    fi
    if [ "$ANSWER" = yes ] && [ -n "$ABSENT" ] && [ "$SECONDS" -ge "$LONG" ] && [ "$LONG" -lt "$DEADLINE" ]; then
        break
    fi
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "not Ready after $SECONDS_TO_WAIT s:$WAITING; $(kube get nodes,pods --all-namespaces -o wide 2>&1)"
    fi
    sleep 2
done

if [ -z "$WAITING" ]; then
    # Only now: kubeadm join of 1.34 and later ends before the kubelet has made its node.
    for name in "${WORKERS[@]}"; do
        kube label node "$name" --overwrite node-role.kubernetes.io/worker=worker
    done
fi
result absent "$ABSENT"
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

# The smoke pods: their readiness probes are real requests between Linux and Windows, and DNS.
facts_cluster_checks() {
    local answer name app phase ready node digest reason list=''
    if ! answer="$(ask get pods --namespace hybrid-check -o jsonpath='{range .items[*]}{.metadata.name}|{.metadata.labels.app}|{.status.phase}|{.status.conditions[?(@.type=="Ready")].status}|{.spec.nodeName}|{.metadata.annotations.hybrid/digest}|{.status.containerStatuses[0].state.waiting.reason}{"\n"}{end}')"; then
        unknown "$answer"
        return 0
    fi
    while IFS='|' read -r name app phase ready node digest reason; do
        if [ -n "$phase" ]; then
            list="$list${list:+, }$(json_text "$name"): {\"app\": $(json_text "$app"), \"phase\": $(json_text "$phase")"
            list="$list, \"ready\": $(json_bool test "$ready" = True), \"node\": $(json_text "$node")"
            list="$list, \"digest\": $(json_text "$digest"), \"reason\": $(json_text "$reason")}"
        fi
    done <<< "$answer"
    printf '{"pods": %s}' "{$list}"
}

FACTS=''
FACTS="$FACTS\"cluster.nodes\": $(section_text facts_cluster_nodes 30)"
FACTS="$FACTS, \"cluster.workloads\": $(section_text facts_cluster_workloads 30)"
FACTS="$FACTS, \"cluster.checks\": $(section_text facts_cluster_checks 30)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
