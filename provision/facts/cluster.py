"""What the API says, read by kubectl on the control plane in the round trip of that machine's facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from provision.facts.base import Section


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Node(_Part):
    """One Node object.

    Attributes:
        kubelet, runtime: versions as the node reports them (``v1.36.4``, ``containerd://2.3.4``).
        address: its InternalIP.
        taints: keys.
        role: ``worker``, from the label node-role.kubernetes.io/worker; empty on the control plane.
        reason: the Ready condition's message.
    """

    os: str
    kubelet: str
    runtime: str
    ready: bool
    address: str
    taints: tuple[str, ...]
    role: str
    reason: str


class Nodes(Section):
    """Nodes by name."""

    name: ClassVar[str] = "cluster.nodes"
    nodes: Mapping[str, Node]


class TigeraStatus(_Part):
    """One part of Calico as the operator judges it; ``message`` says what is degraded."""

    available: bool
    message: str


class Calico(Section):
    """Calico as the operator sees it.

    Attributes:
        crds: the definitions of the operator and of Calico are there.
        endpoint: ``host:port`` of the ConfigMap kubernetes-services-endpoint; empty without it.
        installation: digest of our Installation manifest, from its annotation; empty without one.
        status: tigerastatus by name.
    """

    name: ClassVar[str] = "cluster.calico"
    crds: bool
    endpoint: str
    installation: str
    strict_affinity: bool
    status: Mapping[str, TigeraStatus]


class Workload(_Part):
    """A DaemonSet or Deployment; ``digest`` is our manifest's, empty for others'."""

    wanted: int
    ready: int
    digest: str


class Workloads(Section):
    """DaemonSets and Deployments by ``namespace/name``."""

    name: ClassVar[str] = "cluster.workloads"
    workloads: Mapping[str, Workload]


class Tokens(Section):
    """Ids of the bootstrap tokens that we made and that still exist."""

    name: ClassVar[str] = "cluster.tokens"
    ours: tuple[str, ...]


class SmokePod(_Part):
    """A smoke pod; ``reason`` says what its container waits for."""

    app: str
    phase: str
    ready: bool
    node: str
    digest: str
    reason: str


class Checks(Section):
    """The smoke pods of namespace hybrid-check by name."""

    name: ClassVar[str] = "cluster.checks"
    pods: Mapping[str, SmokePod]


class Certificates(Section):
    """The control plane's certificates by kubeadm's name, with the time left as kubeadm writes it (``364d``)."""

    name: ClassVar[str] = "cluster.certificates"
    left: Mapping[str, str]

    def days_left(self) -> int | None:
        """Days until the first of them expires; None when there is none."""
        days = [_days(text) for text in self.left.values()]
        return min(days, default=None)


def _days(text: str) -> int:
    # kubeadm prints whole years, days, hours or minutes, and <invalid> for what has expired.
    match = re.fullmatch(r"(\d+)([ydhms])", text)
    if match is None:
        return 0
    return int(match[1]) * {"y": 365, "d": 1}.get(match[2], 0)


SECTIONS: tuple[type[Section], ...] = (Nodes, Calico, Workloads, Tokens, Checks, Certificates)
