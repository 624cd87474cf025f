"""What modelled machines offer to each other: HTTP services, the cluster's API, nodes.

A machine finds the others through ``machine.neighbours`` (see `provision.rehearsal.machine.Neighbours`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

from provision.rehearsal.machine import Machine, Neighbours


@dataclass(frozen=True)
class HttpRequest:
    """A GET from another machine: ``path`` with its query, header names in lower case."""

    path: str
    source: str
    headers: Mapping[str, str] = field(default_factory=dict)


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


@dataclass(frozen=True)
class HostProcess:
    """A container of a HostProcess pod, as the cluster asks a Windows machine to run it.

    Attributes:
        name: ``<namespace>/<pod>``; the same name again is the same container, started anew.
        command: program and arguments, as the pod's manifest has them.
        env: its own variables; the machine adds CONTAINER_SANDBOX_MOUNT_POINT (``C:\\hpc``).
        files: what its ConfigMaps put below the mount point: path from there (``/hybrid/start.ps1``) -> text.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    files: Mapping[str, str]


class WindowsNode(Protocol):
    """What the cluster asks of a Windows machine with a running kubelet; `windows_node` finds it."""

    @property
    def boot_count(self) -> int: ...

    def node(self) -> NodeReport | None:
        """What the running kubelet says; None when it does not run, has no credentials or is cut off."""
        ...

    def cni_folders(self) -> tuple[str, str] | None:
        """The folders of CNI programs and configuration that the running containerd looks into; None: it does not run."""
        ...

    def image_problem(self, image: str) -> str | None:
        """Why this image cannot be had here; None when it can."""
        ...

    def calico_networks(self, adapter: str, pod_subnet: str) -> str | None:
        """What Calico's node service does: the HNS networks External and Calico on a card, and the endpoint Calico_ep.

        Returns why it could not; None when they are there.
        """
        ...

    def has_network(self, name: str) -> bool:
        """Whether HNS has a network of that name now."""
        ...

    def host_process(self, container: HostProcess) -> str | None:
        """Run a container until it stays up (its main program serves) or has ended; called in a thread of its own.

        Returns why it is not running; None when it is.
        """
        ...

    def host_process_runs(self, name: str) -> bool:
        """Whether the container of that name runs now."""
        ...


def windows_node(neighbours: Neighbours, node: str) -> WindowsNode | None:
    """The running Windows machine whose kubelet reports this node; None when there is none."""
    for machine in neighbours.all():
        if machine.os == "windows" and machine.answers and hasattr(machine, "node"):
            found = cast(WindowsNode, machine)
            report = found.node()
            if report is not None and report.name == node:
                return found
    return None
