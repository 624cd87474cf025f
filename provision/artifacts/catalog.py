"""What each setting needs, as data: the files of a release, where their publishers keep them.

Sources of the patterns: dl.k8s.io (Kubernetes' download page), the release pages of containerd, runc,
cri-tools and the CNI plugins, and projectcalico/calico's ``manifests`` folder.
"""

from __future__ import annotations

from dataclasses import dataclass

from provision import knowledge
from provision.artifacts.base import ArtifactSpec, Os
from provision.settings.model import Settings


@dataclass(frozen=True)
class Row:
    """A pattern: ``{version}``, ``{os}``, ``{arch}``, ``{file}`` are filled in."""

    url: str
    checksum: str | None


KUBERNETES = Row(
    "https://dl.k8s.io/release/v{version}/bin/{os}/{arch}/{file}",
    "https://dl.k8s.io/release/v{version}/bin/{os}/{arch}/{file}.sha256",
)
CONTAINERD = Row(
    "https://github.com/containerd/containerd/releases/download/v{version}/containerd-{version}-{os}-{arch}.tar.gz",
    "https://github.com/containerd/containerd/releases/download/v{version}/containerd-{version}-{os}-{arch}.tar.gz.sha256sum",
)
RUNC = Row(
    "https://github.com/opencontainers/runc/releases/download/v{version}/runc.{arch}",
    "https://github.com/opencontainers/runc/releases/download/v{version}/runc.sha256sum",
)
CRICTL = Row(
    "https://github.com/kubernetes-sigs/cri-tools/releases/download/v{version}/crictl-v{version}-{os}-{arch}.tar.gz",
    "https://github.com/kubernetes-sigs/cri-tools/releases/download/v{version}/crictl-v{version}-{os}-{arch}.tar.gz.sha256",
)
CNI_PLUGINS = Row(
    "https://github.com/containernetworking/plugins/releases/download/v{version}/cni-plugins-{os}-{arch}-v{version}.tgz",
    "https://github.com/containernetworking/plugins/releases/download/v{version}/cni-plugins-{os}-{arch}-v{version}.tgz.sha256",
)
# Calico publishes no checksums of its manifests: the lock pins what came first.
CALICO = Row("https://raw.githubusercontent.com/projectcalico/calico/v{version}/manifests/{file}", None)

LINUX_KUBERNETES = ("kubelet", "kubeadm", "kubectl")
WINDOWS_KUBERNETES = ("kubelet.exe", "kubeadm.exe", "kubectl.exe", "kube-proxy.exe", "kube-log-runner.exe")


def needed(settings: Settings) -> tuple[ArtifactSpec, ...]:
    """Every file that a cluster of these settings is made of; pure.

    The first ones are those that are needed first.
    """
    kubernetes = settings.kubernetes.version
    pins = knowledge.pins(kubernetes)
    specs = [
        _spec("containerd-linux.tar.gz", CONTAINERD, settings.containerd.linux, "linux"),
        _spec("runc", RUNC, pins.runc, "linux"),
        _spec("crictl-linux.tar.gz", CRICTL, pins.crictl, "linux"),
        _spec("cni-plugins-linux.tgz", CNI_PLUGINS, pins.cni_plugins, "linux"),
        *(_spec(name, KUBERNETES, kubernetes, "linux") for name in LINUX_KUBERNETES),
    ]
    if settings.cni == "calico":
        crds = knowledge.calico(settings.calico.version).crds_file
        specs += [
            _spec("calico-crds.yaml", CALICO, settings.calico.version, None, file=crds),
            _spec("tigera-operator.yaml", CALICO, settings.calico.version, None),
        ]
    if settings.windows:
        specs += [
            _spec("containerd-windows.tar.gz", CONTAINERD, settings.containerd.windows, "windows"),
            _spec("crictl-windows.tar.gz", CRICTL, pins.crictl, "windows"),
            *(_spec(name, KUBERNETES, kubernetes, "windows") for name in WINDOWS_KUBERNETES),
        ]
    return tuple(specs)


def _spec(name: str, row: Row, version: str, os: Os | None, *, file: str | None = None) -> ArtifactSpec:
    values = {"version": version, "os": os or "", "arch": "amd64", "file": file or name}
    return ArtifactSpec(
        name=name,
        version=version,
        url=row.url.format(**values),
        checksum_url=row.checksum.format(**values) if row.checksum else None,
        os=os,
    )
