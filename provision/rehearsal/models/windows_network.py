"""Cards, addresses, DHCP, DNS clients, routes and network profiles of a modelled Windows."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Any

from provision.rehearsal.files import now
from provision.rehearsal.models.windows_table import cim_failed, cim_not_found, command, matches
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.values import EnumValue, Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine
    from provision.rehearsal.models.windows_process import WindowsProcess

NAT_INDEX, KUBE_INDEX = 4, 9
NAT_ADDRESS, NAT_GATEWAY = "10.0.2.15", "10.0.2.2"
_STATES = {"Invalid": 0, "Tentative": 1, "Duplicate": 2, "Deprecated": 3, "Preferred": 4}
_CATEGORIES = {"Public": 0, "Private": 1, "DomainAuthenticated": 2}
_CIM = "Microsoft.Management.Infrastructure.CimInstance#ROOT/StandardCimv2/"


def first_adapters(machine: WindowsMachine) -> None:
    """The cards of a box with a NAT card and a private one that nobody has configured."""
    mac = str(machine.spec.get("mac") or "52:54:00:00:00:09").upper().replace(":", "-")
    machine.state.data["adapters"] = [
        _card(NAT_INDEX, "Ethernet", "52-54-00-12-34-56", "Intel(R) PRO/1000 MT Desktop Adapter"),
        _card(KUBE_INDEX, "Ethernet 2", mac, "Intel(R) PRO/1000 MT Desktop Adapter #2"),
    ]
    machine.state.data["addresses"] = [
        _address(NAT_INDEX, NAT_ADDRESS, 24, "Dhcp"),
        _address(KUBE_INDEX, f"169.254.{len(machine.name)}.7", 16, "WellKnown"),
    ]
    machine.state.data["routes"] = [_route(NAT_INDEX, "0.0.0.0/0", NAT_GATEWAY, 0)]


def _card(index: int, name: str, mac: str, description: str, physical: bool = True) -> dict[str, Any]:
    return {
        "index": index, "name": name, "mac": mac, "description": description, "physical": physical, "up": True,
        "dhcp": True, "metric": 25, "register": True, "category": "Public", "identified_at": 0.0, "dns": [],
        "forwarding": False, "mtu": 1500,
    }  # fmt: skip


def _address(index: int, address: str, prefix: int, origin: str, settled: float = 0.0) -> dict[str, Any]:
    return {"index": index, "address": address, "prefix": prefix, "origin": origin, "settled": settled, "taken": False}


def _route(index: int, prefix: str, hop: str, metric: int) -> dict[str, Any]:
    return {"index": index, "prefix": prefix, "hop": hop, "metric": metric}


def adapters(machine: WindowsMachine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = machine.state.data["adapters"]
    return found


def addresses(machine: WindowsMachine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = machine.state.data["addresses"]
    return found


def address_state(entry: dict[str, Any]) -> str:
    """Tentative until duplicate detection is over, then Preferred or Duplicate."""
    if now() < entry["settled"]:
        return "Tentative"
    return "Duplicate" if entry["taken"] else "Preferred"


def live_addresses(machine: WindowsMachine) -> list[str]:
    """The addresses that answer, of cards that are up and not enslaved to a virtual switch."""
    up = {card["index"] for card in adapters(machine) if card["up"]}
    return [a["address"] for a in addresses(machine) if a["index"] in up and address_state(a) == "Preferred"]


def card_of_address(machine: WindowsMachine, address: str) -> str | None:
    """The name of the card that has a live address."""
    for entry in addresses(machine):
        if entry["address"] == address and address_state(entry) == "Preferred":
            return next(str(c["name"]) for c in adapters(machine) if c["index"] == entry["index"])
    return None


def settle_network(machine: WindowsMachine) -> None:
    """After a boot everything is preferred and identified."""
    for entry in addresses(machine):
        entry["settled"] = 0.0
    for card in adapters(machine):
        card["identified_at"] = 0.0


def _pick(machine: WindowsMachine, bound: Bound) -> list[dict[str, Any]]:
    """The cards that InterfaceIndex, InterfaceAlias or Name choose; all without any of them."""
    cards = adapters(machine)
    for name in ("InterfaceIndex", "ifIndex"):
        if name in bound:
            indices = {int(text) for text in bound.texts(name)}
            return [card for card in cards if card["index"] in indices]
    for name in ("InterfaceAlias", "Name"):
        if name in bound:
            return [card for card in cards if any(matches(p, card["name"]) for p in bound.texts(name))]
    return list(cards)


def _required(machine: WindowsMachine, bound: Bound, kind: str) -> list[dict[str, Any]]:
    cards = _pick(machine, bound)
    if not cards:
        chosen = next((n for n in ("InterfaceIndex", "InterfaceAlias", "Name") if n in bound), "")
        raise cim_not_found(kind, chosen, bound.text(chosen).strip("[]'"))
    return cards


def _only_v4(bound: Bound) -> None:
    if any(text not in ("IPv4", "2") for text in bound.texts("AddressFamily")):
        raise cim_failed("rehearsal: the modelled network has IPv4 only", "NotModelled", "NotImplemented")


@command("Get-NetAdapter")
def get_net_adapter(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        cards = _pick(process.machine, bound)
        if bound.on("Physical"):
            cards = [card for card in cards if card["physical"]]
        exact = [p for p in bound.texts("Name") if not any(c in p for c in "*?[")]
        if not cards and (exact or "InterfaceIndex" in bound):
            chosen = "InterfaceIndex" if "InterfaceIndex" in bound else "Name"
            raise cim_not_found("MSFT_NetAdapter", chosen, ",".join(bound.texts(chosen)))
        return [
            Record(
                {
                    "Name": card["name"],
                    "InterfaceAlias": card["name"],
                    "InterfaceDescription": card["description"],
                    "ifIndex": card["index"],
                    "InterfaceIndex": card["index"],
                    "Status": "Up" if card["up"] else "Disconnected",
                    "MacAddress": card["mac"],
                    "LinkSpeed": "1 Gbps",
                    "HardwareInterface": card["physical"],
                    "Virtual": not card["physical"],
                    "MtuSize": card["mtu"],
                },
                type_name=_CIM + "MSFT_NetAdapter",
            )
            for card in cards
        ]


@command("Rename-NetAdapter")
def rename_net_adapter(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        given = bound.get("InputObject")
        if given is not None:
            names = [
                str(r.get("Name")) for r in (given if isinstance(given, list) else [given]) if isinstance(r, Record)
            ]
            cards = [card for card in adapters(process.machine) if card["name"] in names]
        else:
            cards = _required(process.machine, bound, "MSFT_NetAdapter")
        new = bound.text("NewName")
        if any(c["name"].lower() == new.lower() and c is not cards[0] for c in adapters(process.machine)):
            raise cim_failed("{Object Exists} An attempt was made to create an object and the object name already"
                             " existed.", "Windows System Error 52")  # fmt: skip
        cards[0]["name"] = new
    return []


@command("Get-NetIPInterface")
def get_net_ip_interface(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    _only_v4(bound)
    with process.machine.state.reading():
        return [
            Record(
                {
                    "ifIndex": card["index"],
                    "InterfaceIndex": card["index"],
                    "InterfaceAlias": card["name"],
                    "AddressFamily": EnumValue("AddressFamily", "IPv4", 2),
                    "Dhcp": EnumValue("Dhcp", "Enabled" if card["dhcp"] else "Disabled", int(card["dhcp"])),
                    "InterfaceMetric": card["metric"],
                    "NlMtu": card["mtu"],
                    "Forwarding": EnumValue("Forwarding", "Enabled" if card["forwarding"] else "Disabled"),
                    "ConnectionState": EnumValue("ConnectionState", "Connected", 1),
                },
                type_name=_CIM + "MSFT_NetIPInterface",
            )
            for card in _required(process.machine, bound, "MSFT_NetIPInterface")
        ]


@command("Set-NetIPInterface")
def set_net_ip_interface(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for card in _required(process.machine, bound, "MSFT_NetIPInterface"):
            if "Dhcp" in bound:
                card["dhcp"] = bound.text("Dhcp") == "Enabled"
                if not card["dhcp"]:
                    # The lease goes; what was set by hand and the link-local address stay.
                    keep = [
                        a for a in addresses(process.machine) if (a["index"], a["origin"]) != (card["index"], "Dhcp")
                    ]
                    process.machine.state.data["addresses"] = keep
            if "InterfaceMetric" in bound:
                card["metric"] = int(bound.text("InterfaceMetric"))
            if "Forwarding" in bound:
                card["forwarding"] = bound.text("Forwarding") == "Enabled"
            if "NlMtuBytes" in bound:
                card["mtu"] = int(bound.text("NlMtuBytes"))
    return []


@command("Get-NetIPAddress")
def get_net_ip_address(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    _only_v4(bound)
    machine = process.machine
    with machine.state.reading():
        found = _pick_addresses(machine, bound)
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
                type_name=_CIM + "MSFT_NetIPAddress",
            )
            for entry in found
        ]


def _pick_addresses(machine: WindowsMachine, bound: Bound) -> list[dict[str, Any]]:
    indices = {card["index"] for card in _pick(machine, bound)}
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
    _only_v4(bound)
    with machine.state.change() as data:
        card = _required(machine, bound, "MSFT_NetIPInterface")[0]
        try:
            address = IPv4Address(bound.text("IPAddress"))
            prefix = int(bound.text("PrefixLength", "32"))
            IPv4Interface(f"{address}/{prefix}")
        except ValueError:
            raise cim_failed("Invalid parameter IPAddress or PrefixLength", "Windows System Error 87") from None
        if any(entry["address"] == str(address) for entry in addresses(machine)):
            raise cim_failed("Instance MSFT_NetIPAddress already exists", "Windows System Error 5010")
        taken = machine.faults.strikes("address-taken") or any(
            str(address) in other.addresses() for other in machine.neighbours.all() if other is not machine
        )
        wait = machine.latencies.seconds("windows-card")
        entry = _address(card["index"], str(address), prefix, "Manual", now() + wait) | {"taken": taken}
        # A card with an address of its own gives up the link-local one; with DHCP on, the lease stays.
        data["addresses"] = [
            a for a in addresses(machine) if not (a["index"] == card["index"] and a["address"].startswith("169.254."))
        ] + [entry]
        card["identified_at"] = now() + wait
        if "DefaultGateway" in bound:
            data["routes"].append(_route(card["index"], "0.0.0.0/0", bound.text("DefaultGateway"), 256))
    return get_net_ip_address(process, Bound({"IPAddress": [str(address)]}))


@command("Remove-NetIPAddress")
def remove_net_ip_address(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    _asked(bound, "Remove-NetIPAddress")
    with process.machine.state.change() as data:
        gone = _pick_addresses(process.machine, bound)
        if not gone:
            raise cim_not_found("MSFT_NetIPAddress")
        data["addresses"] = [entry for entry in addresses(process.machine) if entry not in gone]
    return []


def _asked(bound: Bound, name: str) -> None:
    """A command that asks for confirmation fails where nobody can answer."""
    if bound.get("Confirm") is not False:
        raise CommandError(
            f"Windows PowerShell is in NonInteractive mode. Read and Prompt functionality is not available. ({name})",
            "InvalidOperation",
            terminating=True,
            category="InvalidOperation",
            exception="System.Management.Automation.PSInvalidOperationException",
        )


@command("Get-DnsClient")
def get_dns_client(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        return [
            Record(
                {
                    "InterfaceIndex": card["index"],
                    "InterfaceAlias": card["name"],
                    "RegisterThisConnectionsAddress": card["register"],
                    "ConnectionSpecificSuffix": "",
                },
                type_name=_CIM + "MSFT_DNSClient",
            )
            for card in _required(process.machine, bound, "MSFT_DNSClient")
        ]


@command("Set-DnsClient")
def set_dns_client(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for card in _required(process.machine, bound, "MSFT_DNSClient"):
            if "RegisterThisConnectionsAddress" in bound:
                card["register"] = bound.on("RegisterThisConnectionsAddress")
    return []


@command("Get-NetConnectionProfile")
def get_net_connection_profile(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        known = [card for card in _pick(process.machine, bound) if card["up"] and now() >= card["identified_at"]]
        if not known and ("InterfaceIndex" in bound or "InterfaceAlias" in bound):
            chosen = "InterfaceIndex" if "InterfaceIndex" in bound else "InterfaceAlias"
            raise cim_not_found("MSFT_NetConnectionProfile", chosen, ",".join(bound.texts(chosen)))
        return [
            Record(
                {
                    "Name": "Network" if card["dhcp"] else "Unidentified network",
                    "InterfaceAlias": card["name"],
                    "InterfaceIndex": card["index"],
                    "NetworkCategory": EnumValue("NetworkCategory", card["category"], _CATEGORIES[card["category"]]),
                    "IPv4Connectivity": EnumValue("IPv4Connectivity", "LocalNetwork", 3),
                },
                type_name=_CIM + "MSFT_NetConnectionProfile",
            )
            for card in known
        ]


@command("Set-NetConnectionProfile")
def set_net_connection_profile(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for card in _required(process.machine, bound, "MSFT_NetConnectionProfile"):
            if now() < card["identified_at"]:
                raise cim_failed(
                    "Unable to set the NetworkCategory, possible due to the network still identifying.",
                    "Windows System Error 1168",
                )
            if "NetworkCategory" in bound:
                card["category"] = bound.text("NetworkCategory")
    return []


@command("Get-NetRoute")
def get_net_route(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    _only_v4(bound)
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
                type_name=_CIM + "MSFT_NetRoute",
            )
            for route in found
        ]


def _pick_routes(machine: WindowsMachine, bound: Bound) -> list[dict[str, Any]]:
    indices = {card["index"] for card in _pick(machine, bound)}
    prefixes, hops = bound.texts("DestinationPrefix"), bound.texts("NextHop")
    on_link = [
        _route(a["index"], str(IPv4Network(f"{a['address']}/{a['prefix']}", strict=False)), "0.0.0.0", 256)  # noqa: S104
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
        card = _required(machine, bound, "MSFT_NetIPInterface")[0]
        try:
            prefix = str(IPv4Network(bound.text("DestinationPrefix")))
            hop = str(IPv4Address(bound.text("NextHop", "0.0.0.0")))  # noqa: S104
        except ValueError:
            raise cim_failed("Invalid parameter DestinationPrefix or NextHop", "Windows System Error 87") from None
        if any((r["index"], r["prefix"], r["hop"]) == (card["index"], prefix, hop) for r in data["routes"]):
            raise cim_failed("Instance MSFT_NetRoute already exists", "Windows System Error 87")
        data["routes"].append(_route(card["index"], prefix, hop, int(bound.text("RouteMetric", "256"))))
    chosen = {"DestinationPrefix": [prefix], "InterfaceIndex": [card["index"]], "NextHop": [hop]}
    return get_net_route(process, Bound(chosen))


@command("Remove-NetRoute")
def remove_net_route(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    _asked(bound, "Remove-NetRoute")
    with process.machine.state.change() as data:
        gone = [route for route in _pick_routes(process.machine, bound) if route in data["routes"]]
        if not gone:
            raise cim_not_found("MSFT_NetRoute")
        data["routes"] = [route for route in data["routes"] if route not in gone]
    return []
