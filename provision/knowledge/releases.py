"""Kubernetes releases: one row a minor, each with its sources. Add a row on top for a new minor.

Patch numbers are the latest known on 2026-08-22; a newer patch of a known minor is accepted as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provision.knowledge.base import row_for
from provision.knowledge.versions import parse

KubeadmApi = Literal["v1beta3", "v1beta4"]

SKEW = 3
"""A kubelet may be this many minors older than the API server, and never newer.
Source: kubernetes.io/releases/version-skew-policy (since 1.28)."""


@dataclass(frozen=True, kw_only=True)
class KubernetesRow:
    """What differs from one minor to the next, as far as nodes are concerned.

    Attributes:
        minor: ``1.36``.
        latest: the latest patch known, without ``v``.
        kubeadm_apis: configuration versions that this kubeadm reads, the one to write first.
        containerd: minimum version per containerd line; lines that are absent do not support this minor.
        pause: tag of registry.k8s.io/pause that kubeadm's images use.
        removed_kubelet_flags: flags whose use stops this minor's kubelet from starting, first removed here.
        proxy_gates: feature gates that kube-proxy on Windows needs to be given; empty since they are locked on.
        proxy_gates_known: gates that may still be named without an "unrecognized feature gate".
        log_query_gate: NodeLogQuery has to be switched on by its feature gate.
        instance_config: kubeadm writes the CRI socket to instance-config.yaml, not into kubeadm-flags.env.
        cgroup_v1: the Linux kubelet still starts on cgroup v1.
        log_rotation: kube-log-runner starts a new file when the log has grown (-log-file-size, -log-file-age).
        sources: where the row's facts stand.
    """

    minor: str
    latest: str
    kubeadm_apis: tuple[KubeadmApi, ...]
    containerd: dict[str, str]
    pause: str
    removed_kubelet_flags: tuple[str, ...] = ()
    proxy_gates: dict[str, bool]
    proxy_gates_known: tuple[str, ...] = ("WinDSR", "WinOverlay")
    log_query_gate: bool
    instance_config: bool
    cgroup_v1: bool
    log_rotation: bool
    sources: tuple[str, ...]


_CONTAINERD_SOURCE = "containerd/containerd RELEASES.md, 'Kubernetes support', 2026-08-22"
_NOTES = "kubernetes/sig-release releases/release-{}/release-notes"

RELEASES: dict[str, KubernetesRow] = {
    row.minor: row
    for row in (
        KubernetesRow(
            minor="1.37",
            latest="1.37.0",
            kubeadm_apis=("v1beta4",),
            containerd={"2.3": "2.3.0", "2.2": "2.2.0"},
            pause="3.10.2",
            removed_kubelet_flags=("--containerd", "--containerd-namespace", "--boot-id-file"),
            proxy_gates={},
            log_query_gate=False,
            instance_config=True,
            cgroup_v1=False,
            log_rotation=True,
            sources=(
                _NOTES.format("1.37") + " (read at rc.0)",
                "kubernetes#136016: kubeadm v1beta3 removed",
                "containerd's table has no 1.37 yet: the row of 1.36 is taken",
            ),
        ),
        KubernetesRow(
            minor="1.36",
            latest="1.36.4",
            kubeadm_apis=("v1beta4", "v1beta3"),
            containerd={"2.3": "2.3.0", "2.2": "2.2.0"},
            pause="3.10.2",
            proxy_gates={},
            log_query_gate=False,
            instance_config=True,
            cgroup_v1=False,
            log_rotation=True,
            sources=(_NOTES.format("1.36"), _CONTAINERD_SOURCE, "latest patch: rancher/rancher#56840, 2026-08-21"),
        ),
        KubernetesRow(
            minor="1.35",
            latest="1.35.8",
            kubeadm_apis=("v1beta4", "v1beta3"),
            containerd={"2.3": "2.3.0", "2.2": "2.2.0", "2.1": "2.1.5", "1.7": "1.7.28"},
            pause="3.10.1",
            removed_kubelet_flags=("--pod-infra-container-image",),
            proxy_gates={},
            log_query_gate=True,
            instance_config=True,
            cgroup_v1=False,
            log_rotation=True,
            sources=(
                _NOTES.format("1.35"),
                "kubernetes#133779, #133778: --pod-infra-container-image removed",
                _CONTAINERD_SOURCE,
                "latest patch: rancher/rancher#56841, 2026-08-21",
            ),
        ),
        KubernetesRow(
            minor="1.34",
            latest="1.34.11",
            kubeadm_apis=("v1beta4", "v1beta3"),
            containerd={"2.3": "2.3.0", "2.2": "2.2.0", "2.1": "2.1.3", "2.0": "2.0.6", "1.7": "1.7.28"},
            pause="3.10.1",
            removed_kubelet_flags=("--cloud-config",),
            proxy_gates={},
            log_query_gate=True,
            instance_config=True,
            cgroup_v1=True,
            log_rotation=True,
            sources=(
                _NOTES.format("1.34"),
                "log_rotation: kubernetes/kubernetes#127667",
                "KEP-5100: WinDSR and WinOverlay locked to true in 1.34",
                _CONTAINERD_SOURCE,
                "latest patch: rancher/rancher#56842, 2026-08-21",
            ),
        ),
        KubernetesRow(
            minor="1.33",
            latest="1.33.13",
            kubeadm_apis=("v1beta4", "v1beta3"),
            containerd={"2.3": "2.3.0", "2.2": "2.2.0", "2.1": "2.1.0", "2.0": "2.0.4", "1.7": "1.7.24"},
            pause="3.10",
            proxy_gates={"WinDSR": True, "WinOverlay": True},
            log_query_gate=True,
            instance_config=False,
            cgroup_v1=True,
            log_rotation=False,
            sources=(
                _NOTES.format("1.33"),
                "KEP-5100: WinDSR beta and on in 1.33",
                _CONTAINERD_SOURCE,
                "latest patch: rancher/rancher#55665, 2026-06-25",
            ),
        ),
    )
}

NEWEST = max(RELEASES, key=lambda minor: parse(minor).minor)
"""The newest minor that is known."""

# In the order in which they went; a flag that an older minor removed is gone in all later ones.
# Source: the release notes of each minor.
_REMOVED_BEFORE = (
    "--network-plugin",
    "--image-pull-progress-deadline",
    "--cni-bin-dir",
    "--cni-conf-dir",
    "--log-dir",
    "--logtostderr",
    "--log-file",
    "--container-runtime",
)


def kubernetes(version: str) -> KubernetesRow:
    """The row of a version (``1.36``, ``v1.36.4``, ``1.36.0-rc.1``).

    A minor of 1 that is newer than all rows is taken as the newest of them: what is being developed is
    nearest to what came last, and nobody knows more of it.

    Raises:
        NotKnown: no row; its ``nearest`` is the nearest supported minor.
        ValueError: the text is no version.
    """
    return RELEASES[NEWEST] if newer_than_known(version) else row_for("Kubernetes", version, RELEASES)


def newer_than_known(version: str) -> bool:
    """Whether a version belongs to a minor that came, or will come, after the newest row; ValueError for no version."""
    parsed, newest = parse(version), parse(NEWEST)
    return parsed.major == newest.major and parsed.minor > newest.minor


def released(version: str) -> bool:
    """Whether the version's minor has had its first release, as far as is known here."""
    row = RELEASES.get(parse(version).line)
    return row is not None and not parse(row.latest).pre


def kubernetes_patch(version: str) -> str:
    """The version in full, without ``v``: ``1.36`` is the latest patch known of that minor.

    Raises:
        NotKnown: no row, and no patch that would make the version whole.
        ValueError: as `kubernetes`.
    """
    parsed = parse(version)
    return row_for("Kubernetes", version, RELEASES).latest if parsed.patch is None else str(parsed)


def kubeadm_api(version: str) -> KubeadmApi:
    """The configuration version to write for this kubeadm."""
    return kubernetes(version).kubeadm_apis[0]


def removed_kubelet_flags(version: str) -> tuple[str, ...]:
    """Every flag that this version's kubelet no longer knows, as far as older tools still pass it."""
    minor = parse(version).minor
    rows = sorted(RELEASES.values(), key=lambda row: parse(row.minor))
    return _REMOVED_BEFORE + tuple(
        flag for row in rows if parse(row.minor).minor <= minor for flag in row.removed_kubelet_flags
    )


def kubeadm_pause_flag(version: str) -> str:
    """The image that this kubeadm gives every kubelet as ``--pod-infra-container-image``; empty since it stopped.

    Source: kubernetes#133778 (1.35), as old as the flag's removal from the kubelet.
    """
    if "--pod-infra-container-image" in removed_kubelet_flags(version):
        return ""
    return f"registry.k8s.io/pause:{kubernetes(version).pause}"


def proxy_gates(version: str) -> dict[str, bool]:
    """The feature gates that kube-proxy on Windows has to be started with."""
    return dict(kubernetes(version).proxy_gates)
