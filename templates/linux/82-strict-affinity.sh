#!/bin/bash
# Calico's address management keeps each block to one node: Windows nodes cannot borrow addresses.
# Usage: bash 82-strict-affinity.sh   (as root on the control plane; waits until Calico has made its settings)
SECONDS_TO_WAIT={{ seconds | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

DEADLINE=$((SECONDS + SECONDS_TO_WAIT))
BEFORE=''
until kube get ipamconfigs.crd.projectcalico.org default >/dev/null 2>&1; do
    SEEN="$(kube get pods --namespace calico-system -o jsonpath='{range .items[*]}{.metadata.name}={.status.phase} {end}' 2>&1 || true)"
    if [ "$SEEN" != "$BEFORE" ]; then
        say "waiting for Calico to start: $SEEN"
        BEFORE="$SEEN"
    fi
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "Calico made no address management settings in $SECONDS_TO_WAIT s: $(kube get tigerastatuses.operator.tigera.io 2>&1)"
    fi
    sleep 2
done
kube patch ipamconfigs.crd.projectcalico.org default --type=merge --patch='{"spec": {"strictAffinity": true}}'
{% include 'facts/linux/_emit.sh' %}
