#!/bin/bash
# Every machine is a Ready node, and workers show their role.
# Usage: bash 90-nodes.sh   (as root on the control plane; waits)
NODES={{ nodes | sh }}
WORKERS={{ workers | sh }}
SECONDS_TO_WAIT={{ seconds | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

DEADLINE=$((SECONDS + SECONDS_TO_WAIT))
BEFORE=''
while true; do
    SEEN="$(kube get nodes -o jsonpath='{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}' 2>&1 || true)"
    WAITING=''
    for name in "${NODES[@]}"; do
        case " $SEEN " in
            *" $name=True "*) ;;
            *) WAITING="$WAITING $name" ;;
        esac
    done
    if [ -z "$WAITING" ]; then
        break
    fi
    if [ "$WAITING" != "$BEFORE" ]; then
        say "not Ready yet:$WAITING"
        BEFORE="$WAITING"
    fi
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "not Ready after $SECONDS_TO_WAIT s:$WAITING; $(kube get nodes,pods --all-namespaces -o wide 2>&1)"
    fi
    sleep 2
done

# Only now: kubeadm join of 1.34 and later ends before the kubelet has made its node.
for name in "${WORKERS[@]}"; do
    kube label node "$name" --overwrite node-role.kubernetes.io/worker=worker
done
{% include 'facts/linux/_emit.sh' %}
