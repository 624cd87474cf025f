"""What a Linux machine says about itself: one model a section, printed by ``templates/facts/linux/``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from provision.facts.base import Section
from provision.facts.files import Delivered, Images, Installed, Registries, Stamp

__all__ = [
    "SECTIONS",
    "Card",
    "Containerd",
    "Delivered",
    "Egress",
    "Images",
    "Installed",
    "Kernel",
    "Kubeadm",
    "Network",
    "Os",
    "Programs",
    "Registries",
    "Service",
    "Services",
    "Stamp",
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Os(Section):
    """The system, its boot and its clock.

    Attributes:
        boot_time, time: ISO 8601, UTC, by the machine's clock.
        clock_synchronised: None when no time service can say.
        cgroup: version of the control groups' hierarchy.
    """

    name: ClassVar[str] = "os"
    id: str
    version: str
    kernel: str
    architecture: str
    hostname: str
    boot_id: str
    boot_time: str
    time: str
    clock_synchronised: bool | None
    cgroup: Literal[1, 2]


class Programs(Section):
    """Programs that we, kubeadm and kubelet may call and that are not there."""

    name: ClassVar[str] = "programs"
    missing: tuple[str, ...]


class Kernel(Section):
    """Modules, sysctls and swap: now (first block) and after the next boot (``*_kept``)."""

    name: ClassVar[str] = "kernel"
    overlay: bool
    bridge_filter: bool
    ip_forward: bool
    bridge_iptables: bool
    swap: bool
    modules_kept: bool
    sysctls_kept: bool
    swap_kept_off: bool


class Card(_Part):
    """One network card; ``addresses`` are IPv4 with prefix."""

    mac: str
    up: bool
    addresses: tuple[str, ...] = ()


class Network(Section):
    """Network cards by name.

    Attributes:
        default_card: the card of the default route; empty when there is none.
        kept: what our boot unit sets: ``<mac> <address>/<prefix>``; empty when it is not enabled.
    """

    name: ClassVar[str] = "network"
    cards: Mapping[str, Card]
    default_card: str
    kept: str


class Egress(Section):
    """Whether the machine forwards and masquerades for the machines' network, now and after a boot."""

    name: ClassVar[str] = "egress"
    forwarding: bool
    masquerade: bool
    kept: bool


class Service(_Part):
    """A systemd unit's ActiveState and UnitFileState; ``enabled`` is empty for a unit that does not exist."""

    active: str
    enabled: str


class Services(Section):
    """containerd and kubelet."""

    name: ClassVar[str] = "services"
    units: Mapping[str, Service]

    def runs(self, name: str) -> bool:
        """Whether a unit is there and active."""
        unit = self.units.get(name)
        return unit is not None and unit.active == "active"


class Containerd(Section):
    """What containerd answers.

    Attributes:
        version: of the running server; empty when it does not answer.
        cri: its Kubernetes plug-in is loaded and works.
        config_digest: SHA-256 of /etc/containerd/config.toml; empty when there is none.
        environment: ``NAME=value`` that its service is given: the proxy.
    """

    name: ClassVar[str] = "containerd"
    version: str
    cri: bool
    config_digest: str
    socket: bool
    environment: tuple[str, ...] = ()


class Kubeadm(Section):
    """How far kubeadm came; ``initialised`` and ``joined`` mean that it ended well.

    Attributes:
        config_digest: SHA-256 of the configuration that `kubeadm init` got; empty before.
        authority: SHA-256 of the cluster's CA certificate; empty without one.
    """

    name: ClassVar[str] = "kubeadm"
    initialised: bool
    joined: bool
    manifests: tuple[str, ...]
    config_digest: str
    authority: str = ""


SECTIONS: tuple[type[Section], ...] = (
    Os,
    Programs,
    Kernel,
    Network,
    Egress,
    Delivered,
    Installed,
    Services,
    Registries,
    Containerd,
    Images,
    Kubeadm,
    Stamp,
)
