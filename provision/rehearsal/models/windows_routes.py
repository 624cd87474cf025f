"""Routes of a modelled Windows."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from provision.rehearsal.models.windows_network import (
    CIM,
    adapters,
    addresses,
    asked,
    new_route,
    only_v4,
    pick,
    required,
)
from provision.rehearsal.models.windows_table import cim_failed, cim_not_found, command, matches
from provision.rehearsal.powershell.box import Bound
from provision.rehearsal.powershell.values import Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine
    from provision.rehearsal.models.windows_process import WindowsProcess


@command("Get-NetRoute")
def get_net_route(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    only_v4(bound)
    machine = process.machine
    with machine.state.reading():
        found = _pick_routes(machine, bound)
        if not found and bound.values.keys() - {"ErrorAction", "AddressFamily"}:
            raise cim_not_found("MSFT_NetRoute")
        names = {card["index"]: card for card in adapters(machine)}
        return [
            Record(
                {
                    "ifIndex": route["index"],
                    "InterfaceIndex": route["index"],
                    "InterfaceAlias": names[route["index"]]["name"],
                    "DestinationPrefix": route["prefix"],
                    "NextHop": route["hop"],
                    "RouteMetric": route["metric"],
                    "InterfaceMetric": names[route["index"]]["metric"],
                },
                type_name=CIM + "MSFT_NetRoute",
            )
            for route in found
        ]


def _pick_routes(machine: WindowsMachine, bound: Bound) -> list[dict[str, Any]]:
    indices = {card["index"] for card in pick(machine, bound)}
    prefixes, hops = bound.texts("DestinationPrefix"), bound.texts("NextHop")
    on_link = [
        new_route(a["index"], str(IPv4Network(f"{a['address']}/{a['prefix']}", strict=False)), "0.0.0.0", 256)  # noqa: S104
        for a in addresses(machine)
    ]
    return [
        route
        for route in [*machine.state.data["routes"], *on_link]
        if route["index"] in indices
        and (not prefixes or any(matches(p, route["prefix"]) for p in prefixes))
        and (not hops or any(matches(h, route["hop"]) for h in hops))
    ]


@command("New-NetRoute")
def new_net_route(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    machine = process.machine
    with machine.state.change() as data:
        card = required(machine, bound, "MSFT_NetIPInterface")[0]
        try:
            prefix = str(IPv4Network(bound.text("DestinationPrefix")))
            hop = str(IPv4Address(bound.text("NextHop", "0.0.0.0")))  # noqa: S104
        except ValueError:
            raise cim_failed("Invalid parameter DestinationPrefix or NextHop", "Windows System Error 87") from None
        if any((r["index"], r["prefix"], r["hop"]) == (card["index"], prefix, hop) for r in data["routes"]):
            raise cim_failed("Instance MSFT_NetRoute already exists", "Windows System Error 87")
        data["routes"].append(new_route(card["index"], prefix, hop, int(bound.text("RouteMetric", "256"))))
    chosen = {"DestinationPrefix": [prefix], "InterfaceIndex": [card["index"]], "NextHop": [hop]}
    return get_net_route(process, Bound(chosen))


@command("Remove-NetRoute")
def remove_net_route(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    asked(bound, "Remove-NetRoute")
    with process.machine.state.change() as data:
        gone = [route for route in _pick_routes(process.machine, bound) if route in data["routes"]]
        if not gone:
            raise cim_not_found("MSFT_NetRoute")
        data["routes"] = [route for route in data["routes"] if route not in gone]
    return []
