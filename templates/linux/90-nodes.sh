#!/bin/bash
# Every machine is a Ready node, and workers show their role.
# Usage: bash 90-nodes.sh   (as root on the control plane; waits)
# PATIENCE: seconds after which nodes that do not exist are the result: their kubelets have to start anew.
NODES={{ nodes | sh }}
WORKERS={{ workers | sh }}
SECONDS_TO_WAIT={{ seconds | sh }}
PATIENCE={{ patience | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

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
{% include 'facts/linux/_emit.sh' %}
