"""What settings leave open is filled in: addresses, MACs, transports, boxes, full versions. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from provision import knowledge
from provision.settings.model import Machine, Settings

# The range that VMware demands of static addresses; the other providers accept it.
# Source: VMware's documentation, "Assigning a static MAC address": 00:50:56:00:00:00 to 00:50:56:3f:ff:ff.
_MAC_PREFIX = "00:50:56"


def complete(settings: Settings) -> Settings:
    """The settings with everything filled in that follows from the rest.

    Every machine gets a transport, an address and a MAC (a machine of provider ``existing`` keeps its
    own card: no MAC is made up there); machines of a Vagrant provider get its default box.  Versions
    without a patch get the latest one known.  What cannot be filled in (an unknown version, no address
    left) stays as it is: `judge` complains of it.  Completing twice changes nothing.
    """
    kubernetes = settings.kubernetes
    return settings.model_copy(
        update={
            "kubernetes": kubernetes.model_copy(
                update={"version": _full(knowledge.kubernetes_patch, kubernetes.version)}
            ),
            "containerd": settings.containerd.model_copy(
                update={
                    "linux": _full(knowledge.containerd_patch, settings.containerd.linux),
                    "windows": _full(knowledge.containerd_patch, settings.containerd.windows),
                }
            ),
            **{
                project: part.model_copy(update={"version": _full(partial(knowledge.cni_patch, project), part.version)})
                for project, part in (
                    ("calico", settings.calico),
                    ("antrea", settings.antrea),
                    ("flannel", settings.flannel),
                )
            },
            "machines": _machines(settings),
        }
    )


def defaults() -> Settings:
    """The settings of a workspace without a file."""
    return complete(Settings())


def _full(resolve: Callable[[str], str], version: str) -> str:
    try:
        return resolve(version)
    except (knowledge.NotKnown, ValueError):
        return version


def _machines(settings: Settings) -> tuple[Machine, ...]:
    existing = settings.provider == "existing"
    taken = {machine.address for machine in settings.machines if machine.address}
    macs = {machine.mac for machine in settings.machines if machine.mac}
    free = (address for address in candidates(settings.network.machines) if address not in taken)
    # The control plane comes first, wherever it stands in the list: it has .10.
    order = sorted(range(len(settings.machines)), key=lambda i: settings.machines[i].role != "control-plane")
    made: dict[int, Machine] = {}
    for index in order:
        machine = settings.machines[index]
        update: dict[str, object] = {}
        if machine.transport is None:
            update["transport"] = machine.reached_over
        if machine.address is None:
            own = _own_address(machine) if existing else None
            update["address"] = own or next(free, None)
        if machine.mac is None and not existing:
            update["mac"] = mac = derived_mac(settings.cluster.name, machine.name, macs)
            macs.add(mac)
        if machine.box is None and machine.box_url is None and settings.provider in knowledge.VAGRANT_PROVIDERS:
            row = knowledge.box(settings.provider, machine.os, machine.windows_version)
            update["box"] = row.name if row else None
        made[index] = machine.model_copy(update=update)
    return tuple(made[index] for index in range(len(settings.machines)))


def candidates(network: IPv4Network) -> Iterable[IPv4Address]:
    """The addresses that are given out, in order: .10, .11 and so on, to the last host."""
    last = int(network.broadcast_address) - 1
    return (IPv4Address(number) for number in range(int(network.network_address) + 10, last + 1))


def derived_mac(cluster: str, machine: str, taken: Iterable[str] = ()) -> str:
    """A MAC address that is the same each time for the same names, and not among those taken."""
    used = set(taken)
    for attempt in range(1000):
        digest = hashlib.sha256(f"{cluster}/{machine}/{attempt}".encode()).digest()
        mac = f"{_MAC_PREFIX}:{digest[0] & 0x3F:02x}:{digest[1]:02x}:{digest[2]:02x}"
        if mac not in used:
            return mac
    raise AssertionError("a thousand derived MAC addresses in a row are taken")


def _own_address(machine: Machine) -> IPv4Address | None:
    try:
        return IPv4Address(machine.host or "")
    except ValueError:
        return None
