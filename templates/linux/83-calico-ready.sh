#!/bin/bash
# Calico's Linux side is available, as its operator says.
# Usage: bash 83-calico-ready.sh   (as root on the control plane; waits)
SECONDS_TO_WAIT={{ seconds | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

DEADLINE=$((SECONDS + SECONDS_TO_WAIT))
BEFORE=''
SEEN=''
while true; do
    SEEN="$(kube get tigerastatuses.operator.tigera.io -o jsonpath='{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Available")].status} {end}' 2>&1 || true)"
    case " $SEEN " in
        *' calico=True '*) break ;;
    esac
    if [ "$SEEN" != "$BEFORE" ]; then
        say "Calico: $SEEN"
        BEFORE="$SEEN"
    fi
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "Calico is not available after $SECONDS_TO_WAIT s: $(kube get tigerastatuses.operator.tigera.io,pods --all-namespaces 2>&1)"
    fi
    sleep 2
done
{% include 'facts/linux/_emit.sh' %}
