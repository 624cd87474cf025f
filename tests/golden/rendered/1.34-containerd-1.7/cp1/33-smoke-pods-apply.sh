#!/bin/bash
# A manifest of ours is in the cluster as it stands here. Applying it again changes nothing.
# Usage: bash 84-apply.sh   (as root on the control plane)
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

kube apply --server-side --force-conflicts --field-manager=hybrid -f - <<'MANIFEST'
# The smoke pods. Ready means: a Linux pod got a web page from a Windows pod through a Service and its DNS name, and
# every Windows pod got one from the Linux pod in the same way. They stay, so that this can be read at any time.
apiVersion: v1
kind: Namespace
metadata:
  name: hybrid-check
---
# Not-ready pods are published: each side's readiness is a request to the other side.
apiVersion: v1
kind: Service
metadata:
  name: linux
  namespace: hybrid-check
spec:
  publishNotReadyAddresses: true
  selector:
    app: linux
  ports:
    - name: http
      port: 80
      targetPort: 8080
---
apiVersion: v1
kind: Service
metadata:
  name: windows
  namespace: hybrid-check
spec:
  publishNotReadyAddresses: true
  selector:
    app: windows
  ports:
    - name: http
      port: 80
      targetPort: 8080
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: linux
  namespace: hybrid-check
  annotations:
    hybrid/digest: "7d08e4907851f15b"
spec:
  replicas: 1
  selector:
    matchLabels:
      app: linux
  template:
    metadata:
      labels:
        app: linux
      annotations:
        hybrid/digest: "7d08e4907851f15b"
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      nodeSelector:
        kubernetes.io/os: linux
      containers:
        - name: web
          image: "registry.k8s.io/e2e-test-images/agnhost:2.53"
          args: ["netexec", "--http-port=8080"]
          ports:
            - containerPort: 8080
          readinessProbe:
            exec:
              command: ["curl", "--fail", "--silent", "--show-error", "--max-time", "5", "http://windows.hybrid-check.svc.cluster.local/hostname"]
            timeoutSeconds: 8
            periodSeconds: 5
            failureThreshold: 2
          resources:
            requests:
              cpu: 10m
              memory: 32Mi
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: windows
  namespace: hybrid-check
  annotations:
    hybrid/digest: "7d08e4907851f15b"
spec:
  selector:
    matchLabels:
      app: windows
  template:
    metadata:
      labels:
        app: windows
      annotations:
        hybrid/digest: "7d08e4907851f15b"
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      nodeSelector:
        kubernetes.io/os: windows
      tolerations:
        - key: os
          operator: Equal
          value: windows
          effect: NoSchedule
      containers:
        - name: web
          image: "registry.k8s.io/e2e-test-images/agnhost:2.53"
          args: ["netexec", "--http-port=8080"]
          ports:
            - containerPort: 8080
          readinessProbe:
            exec:
              command: ["curl.exe", "--fail", "--silent", "--show-error", "--max-time", "5", "http://linux.hybrid-check.svc.cluster.local/hostname"]
            timeoutSeconds: 15
            periodSeconds: 10
            failureThreshold: 2
          resources:
            requests:
              cpu: 10m
              memory: 64Mi
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
FACTS="$FACTS\"cluster.workloads\": $(section_text facts_cluster_workloads 30)"
FACTS="$FACTS, \"cluster.checks\": $(section_text facts_cluster_checks 30)"
printf '{"facts": %s%s}\n' "{$FACTS}" "$RESULT"
