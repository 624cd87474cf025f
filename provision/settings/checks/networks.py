"""Networks, addresses and MACs that cannot work together."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from provision.settings.checks import Finding
from provision.settings.model import Settings
from provision.settings.problems import Path

# What VirtualBox 6.1.28 and later let host-only networks use unless /etc/vbox/networks.conf says otherwise.
# Source: VirtualBox user manual, "Host-Only Networking".
VIRTUALBOX_RANGE = IPv4Network("192.168.56.0/21")
# kube-controller-manager gives every node a /24 of the pod network; Calico's blocks are smaller.
_NODE_PREFIX = 24
# Every VM's NAT card on VirtualBox is here, with the same address.
_VIRTUALBOX_NAT = IPv4Network("10.0.2.0/24")


def apart(settings: Settings, given: frozenset[Path]) -> Iterator[Finding]:
    """Pods, services and machines have networks of their own."""
    networks = {key: getattr(settings.network, key) for key in ("pods", "services", "machines")}
    for (one, first), (other, second) in combinations(networks.items(), 2):
        if first.overlaps(second):
            changed = next((key for key in (other, one) if ("network", key) in given), other)
            stays = one if changed == other else other
            yield Finding(
                ("network", changed),
                f"{networks[changed]} overlaps network.{stays}, {networks[stays]}",
                f"choose a network apart, such as {free_network(settings, changed)}",
                (("network", stays),),
            )


def free_network(settings: Settings, key: str) -> IPv4Network:
    """A private network of the same size that overlaps none of the other two; for remedies."""
    own: IPv4Network = getattr(settings.network, key)
    others = [getattr(settings.network, k) for k in ("pods", "services", "machines") if k != key]
    if key == "machines":
        spaces, prefix = [VIRTUALBOX_RANGE, IPv4Network("192.168.0.0/16")], max(24, own.prefixlen)
    else:
        spaces, prefix = [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12")], max(own.prefixlen, 12)
    taken = [*others, _VIRTUALBOX_NAT, own]
    for space in spaces:
        for candidate in space.subnets(new_prefix=prefix):
            if not any(candidate.overlaps(other) for other in taken):
                return candidate
    return own


def sizes(settings: Settings) -> Iterator[Finding]:
    """The pod network has room for every node, the service network for some services."""
    pods, services = settings.network.pods, settings.network.services
    room = 2 ** max(0, _NODE_PREFIX - pods.prefixlen)
    if pods.prefixlen > _NODE_PREFIX or room < len(settings.machines):
        yield Finding(
            ("network", "pods"),
            f"{pods} has no room for {len(settings.machines)} nodes, a /{_NODE_PREFIX} each",
            f"write a larger network, such as {pods.network_address}/16",
        )
    if not 12 <= services.prefixlen <= 28:
        # The API server refuses service networks of more than 20 bits of hosts; ten services must fit.
        yield Finding(
            ("network", "services"),
            f"{services} is {'larger than /12' if services.prefixlen < 12 else 'smaller than /28'}",
            "write a prefix of 12 to 28, such as 10.96.0.0/12",
        )


def permitted(settings: Settings, limited: bool) -> Iterator[Finding]:
    """VirtualBox lets host-only networks use one range only, unless told otherwise.

    Where this computer has a networks.conf (not ``limited``), what it says is the doctor's to judge.
    """
    network = settings.network.machines
    if settings.provider not in ("virtualbox", "auto") or network.subnet_of(VIRTUALBOX_RANGE):
        return
    what = (
        f"{network} is outside of {VIRTUALBOX_RANGE}, the range that VirtualBox allows for host-only networks "
        "unless /etc/vbox/networks.conf says otherwise"
    )
    if settings.provider == "virtualbox" and limited:
        yield Finding(
            ("network", "machines"),
            what,
            f"choose a network within {VIRTUALBOX_RANGE}, such as 192.168.56.0/24, and addresses in it",
            (("provider",),),
        )
    else:
        yield Finding(("network", "machines"), f"network.machines: {what}")


def egress(settings: Settings) -> Iterator[Finding]:
    """A gateway is a neighbour of the machines."""
    way = settings.network.egress
    if isinstance(way, IPv4Address):
        if way not in settings.network.machines:
            yield Finding(
                ("network", "egress"),
                f"the gateway {way} is not on the machines' network {settings.network.machines}",
                "write an address of network.machines, control-plane, or none",
                (("network", "machines"),),
            )
        elif any(machine.address == way for machine in settings.machines):
            yield Finding(
                ("network", "egress"), f"the gateway {way} is one of the machines", "write control-plane instead"
            )


def addresses(settings: Settings) -> Iterator[Finding]:
    """Every machine has an address of its own on the machines' network."""
    network = settings.network.machines
    example = network.network_address + 10 if network.num_addresses > 11 else network.network_address + 2
    seen: dict[IPv4Address, str] = {}
    for index, machine in enumerate(settings.machines):
        path = ("machines", str(index), "address")
        also = (("network", "machines"), ("machines", str(index)))
        address = machine.address
        if address is None:
            yield Finding(
                path, f"{network} has no address left for {machine.name}", "write a larger network.machines", also
            )
            continue
        if address not in network:
            yield Finding(
                path,
                f"{address} is outside of network.machines, {network}",
                f"write an address such as {example}, or change network.machines to "
                f"{IPv4Network((int(address), 24), strict=False)}",
                also,
            )
        elif network.prefixlen < 31 and address == network.network_address:
            yield Finding(path, f"{address} is the address of the network itself", f"write one such as {example}", also)
        elif network.prefixlen < 31 and address == network.broadcast_address:
            yield Finding(path, f"{address} is the broadcast address", f"write one such as {example}", also)
        elif settings.provider != "existing" and address == network.network_address + 1:
            yield Finding(
                path,
                f"{address} is this computer's own address on the machines' network",
                f"write one such as {example}",
                also,
            )
        if address in seen:
            yield Finding(path, f"{address} is {seen[address]}'s address, too", "give each machine its own", also)
        seen.setdefault(address, machine.name)


def macs(settings: Settings) -> Iterator[Finding]:
    """Every private card has a MAC of its own, one that the provider accepts."""
    seen: dict[str, str] = {}
    for index, machine in enumerate(settings.machines):
        path = ("machines", str(index), "mac")
        if machine.mac is None:
            continue
        if machine.mac in seen:
            yield Finding(
                path, f"{machine.mac} is {seen[machine.mac]}'s MAC, too", "give each its own, or leave it out"
            )
        seen.setdefault(machine.mac, machine.name)
        vmware = machine.mac.startswith("00:50:56:") and int(machine.mac[9:11], 16) <= 0x3F
        if settings.provider == "vmware_desktop" and not vmware:
            yield Finding(
                path,
                f"VMware does not take {machine.mac} as a static address",
                "write one from 00:50:56:00:00:00 to 00:50:56:3f:ff:ff, or leave it out",
                (("provider",),),
            )
