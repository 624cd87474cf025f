#!/bin/bash
# The network works in both directions: every pod that the cluster needs on Windows runs, and the smoke pods are
# ready. Their readiness probes are real requests between Linux and Windows, and DNS.
# Usage: bash 91-cluster-ready.sh   (as root on the control plane; waits)
WORKLOADS={{ workloads | sh }}
WINDOWS_NODES={{ windows_nodes | sh }}
PODS={{ pods | sh }}
SECONDS_TO_WAIT={{ seconds | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

DEADLINE=$((SECONDS + SECONDS_TO_WAIT))
BEFORE=''
while true; do
    WAITING=''
    for workload in "${WORKLOADS[@]}"; do
        SEEN="$(kube get daemonset --namespace "${workload%%/*}" "${workload##*/}" -o jsonpath='{.status.numberReady}/{.status.desiredNumberScheduled}' 2>&1 || true)"
        if [ "$SEEN" != "$WINDOWS_NODES/$WINDOWS_NODES" ]; then
            WAITING="$WAITING ${workload##*/} ($SEEN)"
        fi
    done
    SEEN="$(kube get pods --namespace hybrid-check -o jsonpath='{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}' 2>&1 || true)"
    for name in "${PODS[@]}"; do
        case " $SEEN " in
            *" $name=True "*) ;;
            *) WAITING="$WAITING $name" ;;
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
