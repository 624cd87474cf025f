"""What each setting needs: published files (their patterns are in `rows`), and what is built."""

from __future__ import annotations

import re

from provision import knowledge
from provision.artifacts.base import ArtifactSpec, Os
from provision.artifacts.rows import (
    ANTREA,
    CALICO,
    CI,
    CI_TESTS,
    CNI_PLUGINS,
    CONTAINERD,
    CRICTL,
    EXPORTER,
    FLANNEL,
    FLANNEL_WINDOWS,
    KUBERNETES,
    RUNC,
    TESTS,
    spec,
)
from provision.settings.model import Chosen, ImageArchive, Settings, SourceState

LINUX_KUBERNETES = ("kubelet", "kubeadm", "kubectl")
WINDOWS_KUBERNETES = ("kubelet.exe", "kubeadm.exe", "kubectl.exe", "kube-proxy.exe", "kube-log-runner.exe")
# What a build of one's own is about: the programs of a Windows node. The tools go with the control plane.
WINDOWS_NODE = ("kubelet.exe", "kube-proxy.exe")
# What a control plane of one's own build consists of; the last one runs on every Linux machine.
CONTROL_PLANE_IMAGES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
# Programs that replace those of containerd's release, where they are built.
CONTAINERD_PROGRAMS: dict[Os, tuple[str, ...]] = {
    "linux": ("containerd", "containerd-shim-runc-v2", "ctr"),
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
        spec("containerd-linux.tar.gz", CONTAINERD, settings.containerd.linux, "linux"),
        spec("runc", RUNC, pins.runc, "linux"),
        spec("crictl-linux.tar.gz", CRICTL, pins.crictl, "linux"),
        spec("cni-plugins-linux.tgz", CNI_PLUGINS, pins.cni_plugins, "linux"),
        *(_kubernetes(chosen, name, "linux") for name in LINUX_KUBERNETES),
        *_images(chosen),
        *_containerd(chosen, "linux"),
    ]
    if settings.cni == "calico":
        crds = knowledge.calico(settings.calico.version).crds_file
        specs += [
            spec("calico-crds.yaml", CALICO, settings.calico.version, None, file=crds),
            spec("tigera-operator.yaml", CALICO, settings.calico.version, None),
        ]
    elif settings.cni == "antrea":
        specs.append(spec("antrea.yml", ANTREA, settings.antrea.version, None))
    else:
        specs.append(spec("kube-flannel.yml", FLANNEL, settings.flannel.version, None))
    if settings.windows:
        specs += [
            spec("containerd-windows.tar.gz", CONTAINERD, settings.containerd.windows, "windows"),
            spec("crictl-windows.tar.gz", CRICTL, pins.crictl, "windows"),
            *_containerd(chosen, "windows"),
            *(_kubernetes(chosen, name, "windows") for name in WINDOWS_KUBERNETES),
            *_windows_network(settings, pins.cni_plugins),
        ]
    systems = {machine.os for machine in settings.machines}
    specs += [_archive(archive) for archive in settings.archives if archive.os in systems]
    return tuple(specs)


def tests(settings: Settings, os: Os) -> ArtifactSpec:
    """The archive with ``e2e.test`` and ginkgo, for the system on which they run."""
    chosen = settings.chosen
    row = CI_TESTS if chosen is not None and chosen.control_plane == "ci" else TESTS
    version = chosen.version if chosen is not None else settings.kubernetes.version
    return spec(f"kubernetes-test-{os}.tar.gz", row, version, os)


def exporter() -> ArtifactSpec:
    """windows_exporter, which tells a Windows node's metrics."""
    return spec("windows_exporter.exe", EXPORTER, knowledge.WINDOWS_EXPORTER, "windows")


def _windows_network(settings: Settings, plugins: str) -> list[ArtifactSpec]:
    """What a pod network has for Windows beside its images; Calico's images bring all of it."""
    if settings.cni == "antrea":
        return [spec("antrea-windows-with-ovs.yml", ANTREA, settings.antrea.version, None)]
    if settings.cni == "flannel":
        return [
            spec("flannel-windows.tar.gz", FLANNEL_WINDOWS, settings.flannel.version, "windows"),
            spec("cni-plugins-windows.tgz", CNI_PLUGINS, plugins, "windows"),
        ]
    return []


def _kubernetes(chosen: Chosen, name: str, os: Os) -> ArtifactSpec:
    """A program of Kubernetes: the user's own file, or built, or from where the control plane comes from."""
    own = chosen.binaries.get(name)
    if own is not None:
        url = f"file:{own.path}?sha256={own.sha256}"
        return ArtifactSpec(name=name, version=own.version, url=url, checksum_url=None, os=os)
    source = (chosen.source if name in WINDOWS_NODE else None) or chosen.plane_source
    if source is not None:
        return _built("kubernetes", source, name, os)
    return spec(name, CI if chosen.control_plane == "ci" else KUBERNETES, chosen.version, os)


def own_containerd(settings: Settings, os: Os) -> tuple[str, ...]:
    """The built programs that take the places of those in containerd's release."""
    return tuple(spec.name for spec in _containerd(settings.chosen, os)) if settings.chosen else ()


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


def _archive(archive: ImageArchive) -> ArtifactSpec:
    return ArtifactSpec(name=archive.name, version=archive.version, url=archive.url, checksum_url=None, os=archive.os)


def _built(project: str, source: SourceState, name: str, os: Os) -> ArtifactSpec:
    return ArtifactSpec(
        name=name, version=source.version, url=f"build:{project}/{source.tree}/{name}", checksum_url=None, os=os
    )
