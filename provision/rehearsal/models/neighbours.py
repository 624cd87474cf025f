"""What modelled machines offer to each other: HTTP services, the cluster's API, nodes.

A machine finds the others through ``machine.neighbours`` (see `provision.rehearsal.machine.Neighbours`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from provision.guests.base import Os
from provision.rehearsal.files import StateFiles
from provision.rehearsal.machine import Machine, Neighbours


@dataclass(frozen=True)
class HttpRequest:
    """A request from another machine: ``path`` with its query, header names in lower case; a PUT has a body."""

    path: str
    source: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class HttpAnswer:
    """What the service says."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


HttpService = Callable[[HttpRequest], HttpAnswer]


class Listens(Protocol):
    """A machine with services that listen: the Linux model's running units (the depot)."""

    def http(self, address: str, port: int) -> HttpService | None:
        """The plain HTTP service that listens there now; None refuses the connection."""
        ...


class JoinRefused(Exception):
    """The API does not let a node join; the text is what kubeadm prints."""


@dataclass(frozen=True)
class NodeReport:
    """What a running kubelet says of its node, at this moment.

    Attributes:
        network_ready: whether the container runtime says NetworkReady.
        taints: as ``key=value:effect``, only used when the node is new.
        authority: the CA certificate (PEM) that its kubelet trusts; a cluster with another one never hears of it.
        start: which of the kubelet's starts this is; it makes its node once a start.
    """

    name: str
    os: str
    arch: str
    os_image: str
    kernel: str
    kubelet_version: str
    runtime_version: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    network_ready: bool = True
    authority: str = ""
    start: str = ""


class ClusterApi(Protocol):
    """The cluster as machines meet it at ``https://<advertise address>:6443``; found by `api_at`."""

    @property
    def kubernetes_version(self) -> str:
        """Of the control plane, with ``v``."""
        ...

    def cluster_info(self, token: str, ca_hashes: Iterable[str], moment: float) -> str:
        """The CA certificate (PEM), when the token is good at that moment and the hash is right (none: unchecked).

        Raises:
            JoinRefused: unknown or expired token, or another CA.
        """
        ...

    def cluster_configuration(self) -> Mapping[str, object]:
        """ClusterConfiguration and KubeletConfiguration by kind, as kubeadm uploads them."""
        ...

    def has_node(self, name: str) -> bool:
        """Whether a Node object of that name is there and Ready."""
        ...

    def register(self, machine: Machine, report: NodeReport) -> None:
        """A kubelet with credentials has started: make or update its Node object."""
        ...


class ServesApi(Protocol):
    """A machine on which the control plane runs."""

    def cluster_api(self, address: str, port: int) -> ClusterApi | None:
        """The API when its server runs and listens there; None refuses the connection."""
        ...


def http_at(neighbours: Neighbours, address: str, port: int) -> HttpService | None:
    """The HTTP service at an address; None refuses, a missing machine raises.

    Raises:
        TimeoutError: no running machine has the address.
    """
    machine = neighbours.at_address(address)
    if machine is None:
        raise TimeoutError(address)
    if not hasattr(machine, "http"):
        return None
    return cast(Listens, machine).http(address, port)


def api_at(neighbours: Neighbours, address: str, port: int = 6443) -> ClusterApi | None:
    """The cluster's API at an address; None when nothing listens there.

    Raises:
        TimeoutError: no running machine has the address.
    """
    machine = neighbours.at_address(address)
    if machine is None:
        raise TimeoutError(address)
    if not hasattr(machine, "cluster_api"):
        return None
    return cast(ServesApi, machine).cluster_api(address, port)


class NodeMachine(Protocol):
    """A machine that may be a node: what the cluster asks of it. Called without holding any machine's state."""

    name: str
    os: Os

    @property
    def boot_id(self) -> str: ...

    def node(self) -> NodeReport | None:
        """What the running kubelet says; None when it does not run, has no credentials or is cut off."""
        ...

    def image_names(self) -> frozenset[str]:
        """The images that its containerd has."""
        ...

    def sandbox_image(self) -> str:
        """The pause image that every pod on it starts with."""
        ...

    def pull_image(self, name: str) -> str:
        """Have an image for a pod; returns why that cannot be, in containerd's words, or nothing."""
        ...


class WindowsNode(NodeMachine, Protocol):
    """What Calico's and kube-proxy's HostProcess pods do on a Windows machine."""

    files: StateFiles

    @property
    def proxy_runs(self) -> bool:
        """Whether kube-proxy.exe runs here."""
        ...

    def calico_started(self, *, adapter: str, pod_subnet: str) -> None:
        """Calico's pods have started here: the HNS networks External and Calico are made on the card.

        Raises:
            Exception: they fail, and why.
        """
        ...

    def host_process(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        mounts: Mapping[str, bytes],
        killed: threading.Event,
        say: Callable[[bytes], None],
    ) -> int:
        """Run a HostProcess container's command to its end; a service ends with ``killed``."""
        ...


def let_clusters_act(neighbours: Neighbours) -> None:
    """What pods do on nodes happens when somebody looks: here it is a node that looks at itself."""
    for machine in neighbours.all():
        act = getattr(machine, "cluster_acts", None)
        if act is not None:
            act()
