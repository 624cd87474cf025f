"""Versions of the files that no setting names: runc, crictl, CNI plugins, the pause image."""

from __future__ import annotations

from dataclasses import dataclass

from provision.knowledge.releases import RELEASES, kubernetes


@dataclass(frozen=True, kw_only=True)
class Pins:
    """What goes with one Kubernetes minor; versions without ``v``.

    Attributes:
        pause: tag of the pause image that containerd is told to use, on both OSes.
    """

    runc: str
    crictl: str
    cni_plugins: str
    pause: str
    sources: tuple[str, ...]


# containerd 2.2's own choice (containerd/containerd#13606, 2026-06-16); newer lines work with it too.
_RUNC = "1.3.6"
# flannel-cni's and rke2's set of 2026-08-21.
_CNI_PLUGINS = "1.9.1"
# The first with a manifest for Windows Server 2025 (26100); older ones also serve older releases.
_PAUSE = "3.10.2"
WINDOWS_EXPORTER = "0.31.8"
"""The newest release of prometheus-community/windows_exporter on 2026-08-22; it goes with every Kubernetes."""
_SOURCES = (
    "containerd/containerd#13606",
    "rancher/rke2 Dockerfile, 2026-08-21",
    "kubernetes 1.36 build/pause: 3.10.2 adds Windows Server 2025",
)


def _crictl(minor: str) -> str:
    # cri-tools releases X.Y.0 with each Kubernetes X.Y; 1.37's came after the table was made.
    return {"1.37": "1.36.0"}.get(minor, f"{minor}.0")


PINS: dict[str, Pins] = {
    minor: Pins(runc=_RUNC, crictl=_crictl(minor), cni_plugins=_CNI_PLUGINS, pause=_PAUSE, sources=_SOURCES)
    for minor in RELEASES
}


def pins(kubernetes_version: str) -> Pins:
    """What goes with a Kubernetes version.

    Raises:
        NotKnown, ValueError: as `releases.kubernetes`.
    """
    return PINS[kubernetes(kubernetes_version).minor]


def pause_image(kubernetes_version: str) -> str:
    """The pause image for machines of both OSes."""
    return f"registry.k8s.io/pause:{pins(kubernetes_version).pause}"
