#!/bin/bash
# The control plane runs: images pulled, kubeadm init ended well, the API answers.
# A run that was killed in the middle is undone by kubeadm reset and made again.
# Usage: bash 60-kubeadm-init.sh   (as root; detached, it takes minutes)
# IMAGES: those that no registry has; they were imported before, and are proved to be what kubeadm will ask for.
IMAGES={{ images | sh }}
# PULL is no where images were imported: then kubeadm init itself pulls those that are not there, and asks for no other.
PULL={{ pull | sh }}
NODE={{ node | sh }}
{% include 'linux/_start.sh' %}

mkdir -p /var/lib/hybrid/kubeadm /root/.kube
if [ ! -f /var/lib/hybrid/kubeadm/initialised ]; then
    # The authority is the first thing that kubeadm writes; half of it would stop the next kubeadm init for good.
    if [ -d /etc/kubernetes/pki ] || [ -f /etc/kubernetes/admin.conf ] || [ -f /etc/kubernetes/manifests/etcd.yaml ]; then
        say 'an earlier kubeadm init did not come to its end; resetting'
        kubeadm reset --force --cri-socket=unix:///run/containerd/containerd.sock
    fi
    cat > /var/lib/hybrid/kubeadm/init.yaml <<'CONFIG'
{{ config | trim('\n') }}
CONFIG
{% include 'linux/_patches.sh' %}

    if [ "$PULL" = yes ]; then
        say 'pulling the images of the control plane'
        kubeadm config images pull --config=/var/lib/hybrid/kubeadm/init.yaml
    elif [ -n "${IMAGES[*]:-}" ]; then
        kubeadm config images list --config=/var/lib/hybrid/kubeadm/init.yaml > /var/lib/hybrid/kubeadm/images
        for image in "${IMAGES[@]}"; do
            grep -q -x -F "$image" /var/lib/hybrid/kubeadm/images || fail "kubeadm does not ask for $image, but for: $(cat /var/lib/hybrid/kubeadm/images)"
            if [ -z "$(crictl images -q "$image")" ]; then
                fail "$image was not imported"
            fi
        done
        say 'the images that were built are there'
    fi
    say 'kubeadm init'
    kubeadm init --config=/var/lib/hybrid/kubeadm/init.yaml --skip-token-print
    printf 'ended well\n' > /var/lib/hybrid/kubeadm/initialised
fi
# kubeadm has started it; somebody may have stopped it since.
systemctl start kubelet.service
install -m 0600 /etc/kubernetes/admin.conf /root/.kube/config

say 'waiting for the API'
DEADLINE=$((SECONDS + 180))
until kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=5s get --raw=/readyz >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$DEADLINE" ]; then
        fail "the API is not ready: $(kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=5s get --raw='/readyz?verbose' 2>&1)"
    fi
    sleep 2
done

if ! kubectl --kubeconfig=/etc/kubernetes/admin.conf get node "$NODE" >/dev/null 2>&1; then
    say 'somebody has deleted its node: the kubelet makes it when it starts'
    systemctl restart kubelet.service
    until kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=5s get node "$NODE" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$DEADLINE" ]; then
            fail "the kubelet has not made node $NODE: $(journalctl -u kubelet.service -n 20 --no-pager 2>&1)"
        fi
        sleep 2
    done
    kubeadm init phase mark-control-plane --config=/var/lib/hybrid/kubeadm/init.yaml
fi
{% include 'facts/linux/_emit.sh' %}
