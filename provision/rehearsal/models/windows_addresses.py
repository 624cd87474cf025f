"""IP addresses of a modelled Windows: tentative, then preferred or duplicate."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface
from typing import TYPE_CHECKING, Any

from provision.rehearsal.files import now
from provision.rehearsal.models.windows_network import (
    CIM,
    adapters,
    address_state,
    addresses,
    asked,
    new_address,
    new_route,
    only_v4,
    pick,
    required,
)
from provision.rehearsal.models.windows_table import cim_failed, cim_not_found, command, matches
from provision.rehearsal.powershell.box import Bound
from provision.rehearsal.powershell.values import EnumValue, Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine
    from provision.rehearsal.models.windows_process import WindowsProcess

_STATES = {"Invalid": 0, "Tentative": 1, "Duplicate": 2, "Deprecated": 3, "Preferred": 4}


@command("Get-NetIPAddress")
def get_net_ip_address(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    only_v4(bound)
    machine = process.machine
    with machine.state.change() as data:
        found = _pick_addresses(machine, bound)
        # Seen once, a lease that was given back is gone.
        data["addresses"] = [entry for entry in addresses(machine) if not entry.get("leaves")]
        if not found and any(name in bound for name in ("InterfaceIndex", "InterfaceAlias", "IPAddress")):
            raise cim_not_found("MSFT_NetIPAddress")
        names = {card["index"]: card["name"] for card in adapters(machine)}
        return [
            Record(
                {
                    "IPAddress": entry["address"],
                    "InterfaceIndex": entry["index"],
                    "ifIndex": entry["index"],
                    "InterfaceAlias": names[entry["index"]],
                    "AddressFamily": EnumValue("AddressFamily", "IPv4", 2),
                    "PrefixLength": entry["prefix"],
                    "PrefixOrigin": EnumValue("PrefixOrigin", entry["origin"]),
                    "AddressState": EnumValue("AddressState", address_state(entry), _STATES[address_state(entry)]),
                },
                type_name=CIM + "MSFT_NetIPAddress",
            )
            for entry in found
        ]


def _pick_addresses(machine: WindowsMachine, bound: Bound) -> list[dict[str, Any]]:
    indices = {card["index"] for card in pick(machine, bound)}
    wanted = bound.texts("IPAddress")
    prefixes = bound.texts("PrefixLength")
    states = bound.texts("AddressState")
    return [
        entry
        for entry in addresses(machine)
        if entry["index"] in indices
        and (not wanted or any(matches(p, entry["address"]) for p in wanted))
        and (not prefixes or str(entry["prefix"]) in prefixes)
        and (not states or address_state(entry) in states)
    ]


@command("New-NetIPAddress")
def new_net_ip_address(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    machine = process.machine
    only_v4(bound)
    others = {a for other in machine.neighbours.all() if other is not machine for a in other.addresses()}
    with machine.state.change() as data:
        card = required(machine, bound, "MSFT_NetIPInterface")[0]
        try:
            address = IPv4Address(bound.text("IPAddress"))
            prefix = int(bound.text("PrefixLength", "32"))
            IPv4Interface(f"{address}/{prefix}")
        except ValueError:
            raise cim_failed("Invalid parameter IPAddress or PrefixLength", "Windows System Error 87") from None
        if any(entry["address"] == str(address) for entry in addresses(machine)):
            raise cim_failed("Instance MSFT_NetIPAddress already exists", "Windows System Error 5010")
        taken = machine.faults.strikes("address-taken") or str(address) in others
        wait = machine.latencies.seconds("windows-card")
        entry = new_address(card["index"], str(address), prefix, "Manual", now() + wait) | {"taken": taken}
        # A card with an address of its own gives up the link-local one; with DHCP on, the lease stays.
        data["addresses"] = [
            a for a in addresses(machine) if not (a["index"] == card["index"] and a["address"].startswith("169.254."))
        ] + [entry]
        card["identified_at"] = now() + wait
        if "DefaultGateway" in bound:
            data["routes"].append(new_route(card["index"], "0.0.0.0/0", bound.text("DefaultGateway"), 256))
    return get_net_ip_address(process, Bound({"IPAddress": [str(address)]}))


@command("Remove-NetIPAddress")
def remove_net_ip_address(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    asked(bound, "Remove-NetIPAddress")
    with process.machine.state.change() as data:
        gone = _pick_addresses(process.machine, bound)
        if not gone:
            raise cim_not_found("MSFT_NetIPAddress")
        data["addresses"] = [entry for entry in addresses(process.machine) if entry not in gone]
    return []
