"""A modelled Linux machine, and what the steps before kubeadm do to it."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

from provision.rehearsal.contract import Streams
from provision.rehearsal.models.linux import LinuxMachine
from provision.rehearsal.park import Park
from provision.rehearsal.published import published

ADDRESS = "192.168.56.10"
MAC = "08:00:27:00:00:0a"
FILES = {
    "kubelet": "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet",
    "kubeadm": "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubeadm",
    "kubectl": "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubectl",
    "runc": "github.com/opencontainers/runc/releases/download/v1.3.0/runc.amd64",
    "containerd-linux.tar.gz": "github.com/containerd/containerd/releases/download/v2.3.4/"
    "containerd-2.3.4-linux-amd64.tar.gz",
}
CONTAINERD_UNIT = """[Service]
Type=notify
ExecStart=/usr/local/bin/containerd
[Install]
WantedBy=multi-user.target
"""
KUBELET_UNIT = """[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
Environment="FILES=--config=/var/lib/kubelet/config.yaml --kubeconfig=/etc/kubernetes/kubelet.conf"
ExecStart=/usr/local/bin/kubelet $FILES $KUBELET_KUBEADM_ARGS
Restart=always
[Install]
WantedBy=multi-user.target
"""
CONFIG = """version = 3
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = true
"""
INIT = f"""apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {ADDRESS}, bindPort: 6443}}
nodeRegistration:
  name: cp1
  criSocket: unix:///run/containerd/containerd.sock
  taints: []
  kubeletExtraArgs: [{{name: node-ip, value: {ADDRESS}}}]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.4
networking: {{podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}}
"""
PREPARE = {
    "card": f"ip link set dev eth1 up; ip address add {ADDRESS}/24 dev eth1",
    "kernel": "modprobe overlay; modprobe br_netfilter; sysctl -q -w net.ipv4.ip_forward=1",
    "swap": "swapoff --all",
    "containerd": "tar -xzf /files/containerd-linux.tar.gz -C /usr/local;"
    " install -m 0755 /files/runc /usr/local/sbin/runc; mkdir -p /etc/containerd;"
    " cp /files/config.toml /etc/containerd/config.toml;"
    " cp /files/containerd.service /etc/systemd/system/; systemctl enable --now containerd 2>/dev/null",
    "kubelet": "install -m 0755 /files/kubelet /files/kubeadm /files/kubectl -t /usr/local/bin;"
    " cp /files/kubelet.service /etc/systemd/system/; systemctl enable kubelet 2>/dev/null",
}


class Machine:
    """One machine, driven as its SSH server would drive it."""

    def __init__(self, folder: Path, **spec: Any) -> None:
        self.park = Park(folder, scale=0.0)
        self.park.load()
        common = {
            "name": "cp1",
            "os": "linux",
            "role": "control-plane",
            "address": ADDRESS,
            "mac": MAC,
            "user": "vagrant",
        }
        self.model = self.park.create({**common, "memory": 4096, "cpus": 2, **spec})
        assert isinstance(self.model, LinuxMachine)
        if self.model.power == "off":
            self.model.start()

    def run(self, script: str, *, stdin: bytes = b"", user: str = "root") -> tuple[int, str, str]:
        """Exit code and both streams of a script, as root unless said otherwise."""
        out: list[bytes] = []
        err: list[bytes] = []
        streams = Streams(io.BytesIO(stdin or script.encode()), out.append, err.append, threading.Event())
        assert self.model.answers  # as its server asks before each command
        line = "sudo -n bash -s" if user == "root" else script
        code = self.model.execute(line, streams)
        return code, b"".join(out).decode(), b"".join(err).decode()

    def fine(self, script: str) -> str:
        code, out, err = self.run(script)
        assert code == 0, err + out
        return out

    def deliver(self) -> None:
        self.model.files.make_folders("/files")
        for name, address in FILES.items():
            data = published(address)
            assert data is not None, address
            self.model.files.write(f"/files/{name}", data)
        for name, text in (
            ("config.toml", CONFIG),
            ("containerd.service", CONTAINERD_UNIT),
            ("kubelet.service", KUBELET_UNIT),
            ("init.yaml", INIT),
        ):
            self.model.files.write(f"/files/{name}", text.encode())

    def prepare(self, *without: str) -> None:
        """Everything that kubeadm wants, but for some of it."""
        self.deliver()
        for name, script in PREPARE.items():
            if name not in without:
                self.fine(f"set -e; {script}")

    def init(self) -> tuple[int, str, str]:
        return self.run("kubeadm init --config=/files/init.yaml --skip-token-print")
