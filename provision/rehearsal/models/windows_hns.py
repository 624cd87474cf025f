"""The host networking service: networks, endpoints and policy lists, and what Calico's pods make of them."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from provision.rehearsal.files import now
from provision.rehearsal.models.neighbours import let_clusters_act
from provision.rehearsal.models.windows_features import active
from provision.rehearsal.models.windows_network import adapters, address_state, addresses
from provision.rehearsal.models.windows_process import WindowsProcess
from provision.rehearsal.models.windows_scm import ServiceError, crash, get, services
from provision.rehearsal.models.windows_table import command, matches
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.values import Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

SWITCH_INDEX = 14  # ifIndex of the first virtual card


class NotPossible(Exception):
    """Calico's pod on this machine fails, and why; it is tried again later."""


def hns(machine: WindowsMachine) -> dict[str, Any]:
    part = machine.state.section("hns")
    for name in ("networks", "endpoints", "policies"):
        part.setdefault(name, [])
    return part


def hns_runs(machine: WindowsMachine) -> bool:
    """Whether the feature is active and its service runs."""
    try:
        return active(machine, "Containers") and get(machine, "hns")["state"] == "Running"
    except ServiceError:
        return False


def _require(process: WindowsProcess, name: str) -> None:
    machine = process.machine
    if not active(machine, "Containers"):
        raise CommandError(
            f"The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable program."
            " Check the spelling of the name, or if a path was included, verify that the path is correct and try"
            " again.",
            "CommandNotFoundException",
            terminating=True,
            category="ObjectNotFound",
            exception="System.Management.Automation.CommandNotFoundException",
        )
    if not hns_runs(machine):
        raise CommandError(
            "There are no more endpoints available from the endpoint mapper.", "HRESULT 0x800706D9",
            terminating=True, exception="System.Runtime.InteropServices.COMException",
        )  # fmt: skip


def _rows(process: WindowsProcess, bound: Bound, name: str, kind: str) -> list[object]:
    _require(process, name)
    let_clusters_act(process.machine.neighbours)
    with process.machine.state.reading():
        wanted = bound.texts("Id")
        if not hns(process.machine)[kind]:
            # The service's answer has no rows then, and its PowerShell module passes that on as one $null.
            return [None]
        return [
            Record(row, text=str(row.get("Name", row["ID"])))
            for row in hns(process.machine)[kind]
            if not wanted or any(matches(w, row["ID"]) for w in wanted)
        ]


@command("Get-HnsNetwork")
def get_hns_network(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    return _rows(process, bound, "Get-HnsNetwork", "networks")


@command("Get-HnsEndpoint")
def get_hns_endpoint(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    return _rows(process, bound, "Get-HnsEndpoint", "endpoints")


@command("Get-HnsPolicyList")
def get_hns_policy_list(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    return _rows(process, bound, "Get-HnsPolicyList", "policies")


def _remove(process: WindowsProcess, bound: Bound, name: str, kind: str) -> list[object]:
    _require(process, name)
    given = bound.get("InputObject")
    rows = [r for r in (given if isinstance(given, list) else [given]) if isinstance(r, Record)]
    gone = {str(r.get("ID")) for r in rows} | set(bound.texts("Id"))
    with process.machine.state.change():
        part = hns(process.machine)
        part[kind] = [row for row in part[kind] if row["ID"] not in gone]
        if kind == "networks" and not any(n["Name"] == "External" for n in part["networks"]):
            _remove_switch(process.machine)
    return []


@command("Remove-HnsNetwork")
def remove_hns_network(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    return _remove(process, bound, "Remove-HnsNetwork", "networks")


@command("Remove-HnsEndpoint")
def remove_hns_endpoint(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    return _remove(process, bound, "Remove-HnsEndpoint", "endpoints")


@command("Remove-HnsPolicyList")
def remove_hns_policy_list(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    return _remove(process, bound, "Remove-HnsPolicyList", "policies")


# What Calico's HostProcess pods do


def calico_networks(machine: WindowsMachine, *, adapter: str, pod_subnet: str, vni: int = 4096) -> None:
    """What Calico's pods do: plugin and configuration, then the networks External and Calico, made once.

    Args:
        adapter: ``windowsNodes.vxlanAdapter`` of the Installation; empty takes the card of the default route.
        pod_subnet: the block that this node got, such as ``10.244.1.0/26``.

    Raises:
        NotPossible: the pod would fail on this machine now.
    """
    with machine.state.change():
        part = hns(machine)
        if {"External", "Calico"} <= {n["Name"] for n in part["networks"]}:
            return
        if not hns_runs(machine):
            raise NotPossible("the host networking service does not run (feature Containers)")
        if services(machine).get("containerd", {}).get("state") != "Running":
            raise NotPossible("containerd does not run")
        card = _uplink(machine, adapter)
        own = [a for a in addresses(machine) if a["index"] == card["index"]]
        live = [a for a in own if address_state(a) == "Preferred"]
        if not live:
            raise NotPossible(f"the card {card['name']} has no address")
        _make_switch(machine, card, own)
        management = live[0]["address"]
        common = {"ManagementIP": management, "NetworkAdapterName": card["name"], "Type": "Overlay", "State": 1}
        part["networks"] += [
            {"ID": _id(), "Name": "External", **common, "Subnets": [_subnet("192.168.255.0/30", 9999)]},
            {"ID": _id(), "Name": "Calico", **common, "Subnets": [_subnet(pod_subnet, vni)]},
        ]
        for folder, name in (("C:\\opt\\cni\\bin", "calico.exe"), ("C:\\etc\\cni\\net.d", "10-calico.conflist")):
            machine.files.make_folders(folder)
            machine.files.write(f"{folder}\\{name}", b"hybrid rehearsal: calico\n")
        network = ipaddress.ip_network(pod_subnet)
        part["endpoints"].append(
            {"ID": _id(), "Name": "Calico_ep", "IPAddress": str(network[2]), "VirtualNetworkName": "Calico", "State": 1}
        )


def _id() -> str:
    return str(uuid.uuid4()).upper()


def _subnet(prefix: str, vsid: int) -> dict[str, object]:
    gateway = str(ipaddress.ip_network(prefix)[1])
    return {"AddressPrefix": prefix, "GatewayAddress": gateway, "Policies": [{"Type": "VSID", "VSID": vsid}]}


def _uplink(machine: WindowsMachine, adapter: str) -> dict[str, Any]:
    if adapter:
        found = [c for c in adapters(machine) if c["name"].lower() == adapter.lower()]
        if not found:
            raise NotPossible(f"there is no card {adapter}")
        return found[0]
    routes = [r for r in machine.state.data["routes"] if r["prefix"] == "0.0.0.0/0"]
    if not routes:
        raise NotPossible("no card has a default route")
    best = min(routes, key=lambda r: r["metric"])
    return next(c for c in adapters(machine) if c["index"] == best["index"])


def _make_switch(machine: WindowsMachine, card: dict[str, Any], own: list[dict[str, Any]]) -> None:
    """The virtual switch takes the card: its addresses move to the card of the host's own port.

    That card is a new one to Windows: its network is Public until somebody says otherwise, it registers in DNS, and
    routes that were set on the old card by hand are gone (a guess on the safe side; reports differ).
    """
    virtual = dict(card, index=SWITCH_INDEX, name=f"vEthernet ({card['name']})", physical=False,
                   description="Hyper-V Virtual Ethernet Adapter")  # fmt: skip
    settled = now() + machine.latencies.seconds("windows-card")
    virtual["identified_at"] = settled
    adapters(machine).append(virtual)
    for entry in own:
        entry.update(index=SWITCH_INDEX, settled=settled)
    virtual.update(category="Public", register=True)
    machine.state.data["routes"] = [r for r in machine.state.data["routes"] if r["index"] != card["index"]]
    # The kubelet loses the API for a moment and ends; whether it comes back is its service's business.
    crash(machine, "kubelet", "the API server could not be reached while the virtual switch was made")


def _remove_switch(machine: WindowsMachine) -> None:
    virtual = [c for c in adapters(machine) if c["index"] == SWITCH_INDEX]
    if not virtual:
        return
    name = virtual[0]["name"].removeprefix("vEthernet (").removesuffix(")")
    card = next(c for c in adapters(machine) if c["name"] == name)
    machine.state.data["adapters"] = [c for c in adapters(machine) if c["index"] != SWITCH_INDEX]
    for entry in [*addresses(machine), *machine.state.data["routes"]]:
        if entry["index"] == SWITCH_INDEX:
            entry["index"] = card["index"]
