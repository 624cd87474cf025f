#!/bin/bash
# This Linux worker has joined the cluster.
# Usage: bash 61-join.sh   (as root; the configuration holds a token that lives minutes, the file is removed)
# LEAVE=true: it has joined a cluster whose control plane was made again since; nothing of that cluster is of use.
LEAVE={{ leave | sh }}
{% include 'linux/_start.sh' %}

mkdir -p /var/lib/hybrid/kubeadm
if [ "$LEAVE" = true ]; then
    rm -f /var/lib/hybrid/kubeadm/joined
fi
if [ ! -f /var/lib/hybrid/kubeadm/joined ]; then
    if [ -f /etc/kubernetes/kubelet.conf ] || [ -f /etc/kubernetes/bootstrap-kubelet.conf ]; then
        say 'an earlier join did not come to its end, or was to another cluster; resetting'
        kubeadm reset --force --cri-socket=unix:///run/containerd/containerd.sock
    fi
    trap 'rm -f /run/hybrid-join.yaml' EXIT
    install -m 0600 /dev/null /run/hybrid-join.yaml
    cat > /run/hybrid-join.yaml <<'CONFIG'
{{ config | trim('\n') }}
CONFIG
{% include 'linux/_patches.sh' %}

    kubeadm join --config=/run/hybrid-join.yaml
    printf 'ended well\n' > /var/lib/hybrid/kubeadm/joined
fi
# kubeadm has started it; somebody may have stopped it since.
systemctl start kubelet.service
{% include 'facts/linux/_emit.sh' %}
