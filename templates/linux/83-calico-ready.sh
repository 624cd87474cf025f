#!/bin/bash
# Calico's Linux side is available in this version, as its operator says. Where the operator only misses Linux nodes for
# more pods of Typha (FEW is how it says so), its pods speak for themselves.
# Usage: bash 83-calico-ready.sh   (as root on the control plane; waits)
VERSION={{ version | sh }}
WORKLOADS={{ workloads | sh }}
FEW={{ few | sh }}
SECONDS_TO_WAIT={{ seconds | sh }}
{% include 'linux/_start.sh' %}

{% include 'linux/_kubectl.sh' %}

DEADLINE=$((SECONDS + SECONDS_TO_WAIT))
BEFORE=''
while true; do
    WAITING=''
    IMAGE="$(kube get daemonset --namespace calico-system calico-node -o jsonpath='{.spec.template.spec.containers[0].image}' 2>&1 || true)"
    case "$IMAGE" in
        *":v$VERSION") ;;
        *) WAITING=" calico-node in version $VERSION ($IMAGE)" ;;
    esac
    SEEN="$(kube get tigerastatuses.operator.tigera.io calico -o jsonpath='{.status.conditions[?(@.type=="Available")].status} {.status.conditions[?(@.type=="Degraded")].message}' 2>&1 || true)"
    case "$SEEN" in
        'True '*) ;;
        *"$FEW"*)
            for workload in "${WORKLOADS[@]}"; do
                PODS="$(kube get daemonsets,deployments --namespace "${workload%%/*}" -o jsonpath="{range .items[?(@.metadata.name==\"${workload##*/}\")]}{.status.numberReady}{.status.readyReplicas}/{.status.desiredNumberScheduled}{.spec.replicas}{end}" 2>&1 || true)"
                case "$PODS" in
                    '' | /* | 0/*) WAITING="$WAITING ${workload##*/} ($PODS)" ;;
                    *)
                        if [ "${PODS%%/*}" != "${PODS##*/}" ]; then
                            WAITING="$WAITING ${workload##*/} ($PODS)"
                        fi
                        ;;
                esac
            done
            ;;
        *) WAITING="$WAITING the operator ($SEEN)" ;;
    esac
    if [ -z "$WAITING" ]; then
        break
    fi
    if [ "$WAITING" != "$BEFORE" ]; then
        say "Calico waits for:$WAITING"
        BEFORE="$WAITING"
    fi
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "Calico is not available after $SECONDS_TO_WAIT s, waiting for:$WAITING; $(kube get tigerastatuses.operator.tigera.io,pods --all-namespaces 2>&1)"
    fi
    sleep 2
done
{% include 'facts/linux/_emit.sh' %}
