#!/bin/bash
# Collects what explains a failure: units, logs, nodes, pods. Reads only; each part has a time limit.
# Usage: bash 90-collect.sh   (as root)
set -uo pipefail
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

part() {
    printf '\n=== %s\n' "$*"
    timeout -k 2 10 "$@" 2>&1 || printf '(ended with exit code %s)\n' "$?"
}

part ip -brief address show
part ip -4 route show
part df -h / /var/lib
part systemctl --no-pager --failed list-units
part journalctl --no-pager --lines=200 --unit=containerd.service
part journalctl --no-pager --lines=300 --unit=kubelet.service
part journalctl --no-pager --lines=50 --unit=hybrid-network.service --unit=hybrid-egress.service --unit=hybrid-depot.service
if [ -f /etc/kubernetes/admin.conf ]; then
    export KUBECONFIG=/etc/kubernetes/admin.conf
    part kubectl --request-timeout=8s get nodes -o wide
    part kubectl --request-timeout=8s get pods --all-namespaces -o wide
    part kubectl --request-timeout=8s get tigerastatuses.operator.tigera.io -o yaml
    part kubectl --request-timeout=8s get events --all-namespaces --sort-by=.lastTimestamp
fi
