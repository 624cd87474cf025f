#!/bin/bash
# The network works in both directions: DNS and every pod that Windows nodes need are ready, and so are the smoke
# pods, whose readiness probes are real requests between Linux and Windows by DNS names.
# Usage: bash 91-cluster-ready.sh   (as root on the control plane; waits)
DAEMONSETS={{ daemonsets | sh }}
WINDOWS_NODES={{ windows_nodes | sh }}
SECONDS_TO_WAIT={{ seconds | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

DEADLINE=$((SECONDS + SECONDS_TO_WAIT))
BEFORE=''
while true; do
    WAITING=''
    for workload in "${DAEMONSETS[@]}"; do
        SEEN="$(kube get daemonset --namespace "${workload%%/*}" "${workload##*/}" -o jsonpath='{.status.numberReady}/{.status.desiredNumberScheduled}' 2>&1 || true)"
        if [ "$SEEN" != "$WINDOWS_NODES/$WINDOWS_NODES" ]; then
            WAITING="$WAITING ${workload##*/} ($SEEN)"
        fi
    done
    for workload in hybrid-check/linux kube-system/coredns; do
        SEEN="$(kube get deployment --namespace "${workload%%/*}" "${workload##*/}" -o jsonpath='{.status.readyReplicas}/{.spec.replicas}' 2>&1 || true)"
        case "$SEEN" in
            1/1 | 2/2) ;;
            *) WAITING="$WAITING ${workload##*/} ($SEEN)" ;;
        esac
    done
    if [ -z "$WAITING" ]; then
        break
    fi
    if [ "$WAITING" != "$BEFORE" ]; then
        say "waiting for:$WAITING"
        BEFORE="$WAITING"
    fi
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "not ready after $SECONDS_TO_WAIT s:$WAITING; $(kube get pods --all-namespaces -o wide 2>&1)"
    fi
    sleep 2
done
{% include 'facts/linux/_emit.sh' %}
