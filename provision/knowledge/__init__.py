"""Versions, ranges, pins, removed flags and known-bad updates: data, each row with its sources.

The tables are plain Python (checked by mypy, nothing to load); the questions asked of them are pure
functions, gathered here: ``knowledge.kubernetes("1.36.4").pause``.
"""

from provision.knowledge.artifact_pins import WINDOWS_EXPORTER, Pins, pause_image, pins
from provision.knowledge.base import NotKnown
from provision.knowledge.boxes import VAGRANT_PROVIDERS, BoxRow, box, stale
from provision.knowledge.networks import CalicoRow, CniRow, calico, cni, cni_for, cni_patch
from provision.knowledge.releases import (
    NEWEST,
    RELEASES,
    SKEW,
    KubernetesRow,
    kubeadm_api,
    kubeadm_pause_flag,
    kubernetes,
    kubernetes_patch,
    newer_than_known,
    proxy_gates,
    released,
    removed_kubelet_flags,
)
from provision.knowledge.runtimes import ContainerdRow, containerd, containerd_for, containerd_patch
from provision.knowledge.shims import runhcs_version
from provision.knowledge.versions import Version, parse
from provision.knowledge.windows_versions import BadUpdate, RegistryValue, WindowsRow, known_bad, windows

__all__ = [
    "NEWEST",
    "RELEASES",
    "SKEW",
    "VAGRANT_PROVIDERS",
    "WINDOWS_EXPORTER",
    "BadUpdate",
    "BoxRow",
    "CalicoRow",
    "CniRow",
    "ContainerdRow",
    "KubernetesRow",
    "NotKnown",
    "Pins",
    "RegistryValue",
    "Version",
    "WindowsRow",
    "box",
    "calico",
    "cni",
    "cni_for",
    "cni_patch",
    "containerd",
    "containerd_for",
    "containerd_patch",
    "known_bad",
    "kubeadm_api",
    "kubeadm_pause_flag",
    "kubernetes",
    "kubernetes_patch",
    "newer_than_known",
    "parse",
    "pause_image",
    "pins",
    "proxy_gates",
    "released",
    "removed_kubelet_flags",
    "runhcs_version",
    "stale",
    "windows",
]
