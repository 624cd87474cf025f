"""What a Windows machine says about itself: one model a section, printed by ``templates/facts/windows/``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from ipaddress import IPv4Network
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from provision.facts.base import Section
from provision.facts.files import Delivered, Images, Installed, Registries, Stamp

__all__ = [
    "SECTIONS",
    "Containerd",
    "Delivered",
    "Features",
    "Firewall",
    "Hns",
    "Images",
    "Installed",
    "Kubelet",
    "Network",
    "NodeSettings",
    "Os",
    "Registries",
    "Stamp",
]

FeatureState = Literal["enabled", "pending", "disabled", "absent"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Os(Section):
    """The system, its names, its boot and its clock.

    Attributes:
        product: as Windows calls itself.
        build, ubr: the build and its update revision (20348 and 2762 of 10.0.20348.2762).
        active_name: the host name now, in lower case; pending_name: after the next restart.
        boot_time, time: ISO 8601, UTC, by the machine's clock.
        pending_reboot: reasons for a restart, for people; empty when none is due.
    """

    name: ClassVar[str] = "os"
    product: str
    build: int
    ubr: int
    active_name: str
    pending_name: str
    boot_time: str
    time: str
    pending_reboot: tuple[str, ...]


class Features(Section):
    """Windows features by the name that Install-WindowsFeature knows; ``pending`` waits for a restart."""

    name: ClassVar[str] = "features"
    states: Mapping[str, FeatureState]


class PortRange(_Part):
    """Ports from `start` on, `count` of them."""

    start: int
    count: int


class TimeService(_Part):
    """``start`` is Auto, Manual or Disabled; ``triggered``: Windows starts and ends it by membership in a domain."""

    state: str
    start: str
    triggered: bool


class NodeSettings(Section):
    """Settings of Windows that container networking needs.

    Attributes:
        registry: ``HKLM:\\<key>\\<value>`` -> DWORD, None when absent.
        ports: dynamic ports by protocol (tcp, udp).
        defender_exclusions: programs that Defender leaves alone; None when it does not run.
        folder_private: our folder is open to SYSTEM and administrators only.
    """

    name: ClassVar[str] = "settings"
    registry: Mapping[str, int | None]
    ports: Mapping[str, PortRange]
    defender_exclusions: tuple[str, ...] | None
    time_service: TimeService
    folder_private: bool


class Card(_Part):
    """A network card; ``mac`` with colons, in lower case."""

    name: str
    index: int
    mac: str
    status: str


class Address(_Part):
    """``state`` is Preferred once the network had nothing against it."""

    address: str
    prefix: int
    state: str


class KubeCard(_Part):
    """The card that carries the node's address: ``kube``, or ``vEthernet (kube)`` once a virtual switch is on it.

    Attributes:
        dhcp: Enabled or Disabled.
        dns_registration: the card's address goes into DNS.
        profile: Public, Private or Domain; empty while Windows identifies the network.
    """

    carrier: str
    index: int
    addresses: tuple[Address, ...]
    dhcp: str
    dns_registration: bool
    profile: str

    @property
    def switched(self) -> bool:
        """A container network has put a virtual switch on the card."""
        return self.carrier != "kube"


class DefaultRoute(_Part):
    """``metric`` is the sum that decides: the route's and the card's."""

    index: int
    gateway: str
    metric: int


class Network(Section):
    """Cards, the node's card, default routes."""

    name: ClassVar[str] = "network"
    cards: tuple[Card, ...]
    kube: KubeCard | None
    default_routes: tuple[DefaultRoute, ...]


class FirewallRule(_Part):
    """A rule as Windows shows it; ``remote`` in any of its spellings of a network."""

    enabled: bool
    direction: str
    action: str
    profile: str
    protocol: str
    ports: tuple[str, ...]
    remote: tuple[str, ...]

    def networks(self) -> frozenset[str]:
        """``remote`` in one spelling: 192.168.56.0/255.255.255.0 is 192.168.56.0/24."""
        return frozenset(_network(text) for text in self.remote)


class Firewall(Section):
    """Our rules by name; those of others are not read."""

    name: ClassVar[str] = "firewall"
    rules: Mapping[str, FirewallRule]


class Containerd(Section):
    """containerd's service, configuration and answer.

    Attributes:
        service: Running, Stopped and so on, or absent; start: Auto, Manual, Disabled.
        command: the service's command line.
        config, crictl_config: SHA-256 of config.toml and of crictl's configuration; empty without one.
        environment: the service's own variables, ``NAME=value``.
        on_path: its folder is on the machine's PATH.
        version: what the running server answers (``v2.3.4``); empty when it does not, then `detail` says why.
    """

    name: ClassVar[str] = "containerd"
    service: str
    command: str
    start: str
    config: str
    crictl_config: str
    environment: tuple[str, ...]
    on_path: bool
    version: str
    detail: str


class Kubelet(Section):
    """The kubelet's service and how far the join came.

    Attributes:
        on_path: C:\\k is on the machine's PATH.
        joined: kubelet.conf is there: the API server has given the node its certificate.
        server: the API server in kubelet.conf; empty before the join.
        authority: SHA-256 of the cluster's CA certificate, as the join left it; empty without one.
        flags: the content of kubeadm-flags.env.
        node_ip: from the service's command line.
        config: SHA-256 of config.yaml; empty without one.
    """

    name: ClassVar[str] = "kubelet"
    service: str
    command: str
    start: str
    on_path: bool
    joined: bool
    server: str
    flags: str
    node_ip: str
    config: str
    authority: str = ""

    def whole(self, command: str, gone: Collection[str]) -> str:
        """The command line that the service should have: ours, and the flags that only kubeadm names.

        Args:
            command: our command line.
            gone: flags (``--name``) that this kubelet does not have any more.
        """
        match = re.match(r'KUBELET_KUBEADM_ARGS="?(.*?)"?$', self.flags.strip(), re.DOTALL)
        written = match[1].split() if match else []
        not_again = {word.partition("=")[0] for word in command.split()} | set(gone)
        return " ".join([command, *(word for word in written if word.partition("=")[0] not in not_again)])


class HnsNetwork(_Part):
    """A network of the host networking service; `management_ip` is empty where its type has none."""

    name: str
    type: str
    management_ip: str


class Hns(Section):
    """Networks of the host networking service; not available before the feature Containers is enabled."""

    name: ClassVar[str] = "hns"
    available: bool
    networks: tuple[HnsNetwork, ...]


SECTIONS: tuple[type[Section], ...] = (
    Os,
    Features,
    NodeSettings,
    Network,
    Firewall,
    Delivered,
    Installed,
    Registries,
    Containerd,
    Images,
    Kubelet,
    Hns,
    Stamp,
)


def _network(text: str) -> str:
    try:
        return str(IPv4Network(text))
    except ValueError:
        return text
