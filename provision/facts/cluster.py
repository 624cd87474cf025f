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
        os_image: the system as the node reports it.
        kubelet_version, container_runtime: as the node reports them (``v1.36.4``, ``containerd://2.3.4``).
        taints: keys.
        role: ``worker``, from the label node-role.kubernetes.io/worker; empty on the control plane.
        reason: the Ready condition's message.
    """

    name: str
    os: str
    os_image: str
    kubelet_version: str
    container_runtime: str
    ready: bool
    internal_ip: str
    taints: tuple[str, ...]
    role: str
    reason: str


class Nodes(Section):
    """The Node objects."""

    name: ClassVar[str] = "cluster.nodes"
    nodes: tuple[Node, ...]

    def find(self, name: str) -> Node | None:
        """The node of that name."""
        return next((node for node in self.nodes if node.name == name), None)


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
    """A DaemonSet or Deployment; ``digest`` is our manifest's, empty for others'; ``image`` its first container's."""

    wanted: int
    ready: int
    digest: str
    image: str


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


class Certificate(_Part):
    """One of the control plane's certificates; ``left`` is the time left as kubeadm writes it (``364d``)."""

    name: str
    left: str

    @property
    def days(self) -> int:
        """Whole days left; 0 for what has expired."""
        # kubeadm prints whole years, days, hours or minutes, and <invalid> for what has expired.
        match = re.fullmatch(r"(\d+)([ydhms])", self.left)
        return int(match[1]) * {"y": 365, "d": 1}.get(match[2], 0) if match else 0


class Certificates(Section):
    """The control plane's certificates."""

    name: ClassVar[str] = "cluster.certificates"
    certificates: tuple[Certificate, ...]


SECTIONS: tuple[type[Section], ...] = (Nodes, Calico, Workloads, Tokens, Checks, Certificates)
