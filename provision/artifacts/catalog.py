"""What each setting needs, as data: the files of a release, where their publishers keep them, and what is built.

Sources of the patterns: dl.k8s.io (Kubernetes' download page; CI builds: kubeadm's docs/testing-pre-releases.md),
the release pages of containerd, runc, cri-tools and the CNI plugins, and projectcalico/calico's ``manifests`` folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provision import knowledge
from provision.artifacts.base import ArtifactSpec, Os
from provision.settings.model import Chosen, Settings, SourceState


@dataclass(frozen=True)
class Row:
    """A pattern: ``{version}``, ``{os}``, ``{arch}``, ``{file}`` are filled in."""

    url: str
    checksum: str | None


KUBERNETES = Row(
    "https://dl.k8s.io/release/v{version}/bin/{os}/{arch}/{file}",
    "https://dl.k8s.io/release/v{version}/bin/{os}/{arch}/{file}.sha256",
)
# A build of each merge; the same layout and checksums as a release's.
CI = Row(
    "https://dl.k8s.io/ci/v{version}/bin/{os}/{arch}/{file}",
    "https://dl.k8s.io/ci/v{version}/bin/{os}/{arch}/{file}.sha256",
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
# What a build of one's own is about: the programs of a Windows node. The tools go with the control plane.
WINDOWS_NODE = ("kubelet.exe", "kube-proxy.exe")
# What a control plane of one's own build consists of; the last one runs on every Linux machine.
CONTROL_PLANE_IMAGES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
# Programs that replace those of containerd's release, where they are built.
CONTAINERD_PROGRAMS: dict[Os, tuple[str, ...]] = {
    "linux": ("containerd", "ctr"),
    "windows": ("containerd.exe", "ctr.exe"),
}
SHIM = "containerd-shim-runhcs-v1.exe"
REGISTRY = "registry.k8s.io"


def needed(settings: Settings) -> tuple[ArtifactSpec, ...]:
    """Every file that a cluster of these settings is made of; pure.

    The first ones are those that are needed first.  Before the words of ``kubernetes`` have been resolved
    (``settings.chosen`` is None) it is as if nothing but releases had been asked for.
    """
    version = settings.kubernetes.version
    chosen = settings.chosen or Chosen(control_plane="release", version=version, nodes=version, why="")
    pins = knowledge.pins(version)
    specs = [
        _spec("containerd-linux.tar.gz", CONTAINERD, settings.containerd.linux, "linux"),
        _spec("runc", RUNC, pins.runc, "linux"),
        _spec("crictl-linux.tar.gz", CRICTL, pins.crictl, "linux"),
        _spec("cni-plugins-linux.tgz", CNI_PLUGINS, pins.cni_plugins, "linux"),
        *(_kubernetes(chosen, name, "linux") for name in LINUX_KUBERNETES),
        *_images(chosen),
        *_containerd(chosen, "linux"),
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
            *_containerd(chosen, "windows"),
            *(_kubernetes(chosen, name, "windows") for name in WINDOWS_KUBERNETES),
        ]
    return tuple(specs)


def _kubernetes(chosen: Chosen, name: str, os: Os) -> ArtifactSpec:
    """A program of Kubernetes: the user's own file, or built, or from where the control plane comes from."""
    own = chosen.binaries.get(name)
    if own is not None:
        url = f"file:{own.path}?sha256={own.sha256}"
        return ArtifactSpec(name=name, version=own.version, url=url, checksum_url=None, os=os)
    source = (chosen.source if name in WINDOWS_NODE else None) or chosen.plane_source
    if source is not None:
        return _built("kubernetes", source, name, os)
    return _spec(name, CI if chosen.control_plane == "ci" else KUBERNETES, chosen.version, os)


def _containerd(chosen: Chosen, os: Os) -> list[ArtifactSpec]:
    specs = []
    if chosen.containerd is not None:
        specs += [_built("containerd", chosen.containerd, name, os) for name in CONTAINERD_PROGRAMS[os]]
    if chosen.hcsshim is not None and os == "windows":
        specs.append(_built("hcsshim", chosen.hcsshim, SHIM, os))
    return specs


def _images(chosen: Chosen) -> list[ArtifactSpec]:
    source = chosen.plane_source
    if source is None:
        return []
    return [
        ArtifactSpec(
            name=f"{name}.tar",
            version=source.version,
            url=f"image:{image_name(name, source.version)}?tree={source.tree}",
            checksum_url=None,
            os="linux",
        )
        for name in CONTROL_PLANE_IMAGES
    ]


def image_name(component: str, version: str) -> str:
    """The image that kubeadm asks for at a version (without ``v``): what a tag cannot hold becomes ``_``.

    Source: KubernetesVersionToImageTag in kubernetes cmd/kubeadm/app/util/version.go.
    """
    return f"{REGISTRY}/{component}:" + re.sub(r"[^-a-zA-Z0-9_.]", "_", f"v{version}")


def _built(project: str, source: SourceState, name: str, os: Os) -> ArtifactSpec:
    return ArtifactSpec(
        name=name, version=source.version, url=f"build:{project}/{source.tree}/{name}", checksum_url=None, os=os
    )


def _spec(name: str, row: Row, version: str, os: Os | None, *, file: str | None = None) -> ArtifactSpec:
    values = {"version": version, "os": os or "", "arch": "amd64", "file": file or name}
    return ArtifactSpec(
        name=name,
        version=version,
        url=row.url.format(**values),
        checksum_url=row.checksum.format(**values) if row.checksum else None,
        os=os,
    )
