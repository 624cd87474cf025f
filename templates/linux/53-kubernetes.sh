#!/bin/bash
# kubelet, kubeadm, kubectl and crictl are installed; kubelet is a service that kubeadm will start.
# A kubelet that runs is restarted with its new program.
# Usage: bash 53-kubernetes.sh   (as root)
{% include 'linux/_start.sh' %}

{% include 'linux/_install.sh' %}

for name in kubelet kubeadm kubectl; do
    install_program "$(delivered "$name")" "/usr/local/bin/$name"
done
unpack "$(delivered crictl-linux.tar.gz)" /usr/local/bin
printf 'runtime-endpoint: unix:///run/containerd/containerd.sock\nimage-endpoint: unix:///run/containerd/containerd.sock\n' > /etc/crictl.yaml

mkdir -p /etc/systemd/system/kubelet.service.d /etc/kubernetes/manifests
cat > /etc/systemd/system/kubelet.service <<'UNIT'
[Unit]
Description=kubelet: the Kubernetes node agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target hybrid-network.service containerd.service

[Service]
ExecStart=/usr/local/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
UNIT
cat > /etc/systemd/system/kubelet.service.d/10-kubeadm.conf <<'UNIT'
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
UNIT
systemctl daemon-reload
systemctl enable kubelet.service
if [ -f /var/lib/kubelet/config.yaml ]; then
    systemctl restart kubelet.service
fi
record kubernetes kubelet kubeadm kubectl crictl-linux.tar.gz
{% include 'facts/linux/_emit.sh' %}
