"""Cards, addresses, DHCP, DNS clients, routes and network profiles of a modelled Windows."""

from __future__ import annotations

from collections.abc import Iterable
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
_CATEGORIES = {"Public": 0, "Private": 1, "DomainAuthenticated": 2}
CIM = "Microsoft.Management.Infrastructure.CimInstance#ROOT/StandardCimv2/"


def first_adapters(machine: WindowsMachine) -> None:
    """The cards of a box with a NAT card and a private one that nobody has configured."""
    mac = str(machine.spec.get("mac") or "52:54:00:00:00:09").upper().replace(":", "-")
    machine.state.data["adapters"] = [
        _card(NAT_INDEX, "Ethernet", "52-54-00-12-34-56", "Intel(R) PRO/1000 MT Desktop Adapter"),
        _card(KUBE_INDEX, "Ethernet 2", mac, "Intel(R) PRO/1000 MT Desktop Adapter #2"),
    ]
    machine.state.data["addresses"] = [
        new_address(NAT_INDEX, NAT_ADDRESS, 24, "Dhcp"),
        new_address(KUBE_INDEX, f"169.254.{len(machine.name)}.7", 16, "WellKnown"),
    ]
    machine.state.data["routes"] = [new_route(NAT_INDEX, "0.0.0.0/0", NAT_GATEWAY, 0)]


def _card(index: int, name: str, mac: str, description: str, physical: bool = True) -> dict[str, Any]:
    return {
        "index": index, "name": name, "mac": mac, "description": description, "physical": physical, "up": True,
        "dhcp": True, "metric": 25, "register": True, "category": "Public", "identified_at": 0.0, "dns": [],
        "forwarding": False, "mtu": 1500,
    }  # fmt: skip


def new_address(index: int, address: str, prefix: int, origin: str, settled: float = 0.0) -> dict[str, Any]:
    return {"index": index, "address": address, "prefix": prefix, "origin": origin, "settled": settled, "taken": False}


def new_route(index: int, prefix: str, hop: str, metric: int) -> dict[str, Any]:
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


def pick(machine: WindowsMachine, bound: Bound) -> list[dict[str, Any]]:
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


def required(machine: WindowsMachine, bound: Bound, kind: str) -> list[dict[str, Any]]:
    cards = pick(machine, bound)
    if not cards:
        chosen = next((n for n in ("InterfaceIndex", "InterfaceAlias", "Name") if n in bound), "")
        raise cim_not_found(kind, chosen, bound.text(chosen).strip("[]'"))
    return cards


def only_v4(bound: Bound) -> None:
    if any(text not in ("IPv4", "2") for text in bound.texts("AddressFamily")):
        raise cim_failed("rehearsal: the modelled network has IPv4 only", "NotModelled", "NotImplemented")


@command("Get-NetAdapter")
def get_net_adapter(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        cards = pick(process.machine, bound)
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
                type_name=CIM + "MSFT_NetAdapter",
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
            cards = required(process.machine, bound, "MSFT_NetAdapter")
        new = bound.text("NewName")
        if any(c["name"].lower() == new.lower() and c is not cards[0] for c in adapters(process.machine)):
            raise cim_failed("{Object Exists} An attempt was made to create an object and the object name already"
                             " existed.", "Windows System Error 52")  # fmt: skip
        cards[0]["name"] = new
    return []


@command("Get-NetIPInterface")
def get_net_ip_interface(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    only_v4(bound)
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
                type_name=CIM + "MSFT_NetIPInterface",
            )
            for card in required(process.machine, bound, "MSFT_NetIPInterface")
        ]


@command("Set-NetIPInterface")
def set_net_ip_interface(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for card in required(process.machine, bound, "MSFT_NetIPInterface"):
            if "Dhcp" in bound:
                card["dhcp"] = bound.text("Dhcp") == "Enabled"
                if not card["dhcp"]:
                    # The lease goes, in the DHCP client's own time: somebody may still see it, and find it gone when
                    # he turns to it (OpenNebula/addon-context-windows#5). What was set by hand stays.
                    for entry in addresses(process.machine):
                        if (entry["index"], entry["origin"]) == (card["index"], "Dhcp"):
                            entry["leaves"] = True
            if "InterfaceMetric" in bound:
                card["metric"] = int(bound.text("InterfaceMetric"))
            if "Forwarding" in bound:
                card["forwarding"] = bound.text("Forwarding") == "Enabled"
            if "NlMtuBytes" in bound:
                card["mtu"] = int(bound.text("NlMtuBytes"))
    return []


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
                type_name=CIM + "MSFT_DNSClient",
            )
            for card in required(process.machine, bound, "MSFT_DNSClient")
        ]


@command("Set-DnsClient")
def set_dns_client(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for card in required(process.machine, bound, "MSFT_DNSClient"):
            if "RegisterThisConnectionsAddress" in bound:
                card["register"] = bound.on("RegisterThisConnectionsAddress")
    return []


@command("Get-NetConnectionProfile")
def get_net_connection_profile(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        known = [card for card in pick(process.machine, bound) if card["up"] and now() >= card["identified_at"]]
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
                type_name=CIM + "MSFT_NetConnectionProfile",
            )
            for card in known
        ]


@command("Set-NetConnectionProfile")
def set_net_connection_profile(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for card in required(process.machine, bound, "MSFT_NetConnectionProfile"):
            if now() < card["identified_at"]:
                raise cim_failed(
                    "Unable to set the NetworkCategory, possible due to the network still identifying.",
                    "Windows System Error 1168",
                )
            if "NetworkCategory" in bound:
                card["category"] = bound.text("NetworkCategory")
    return []


def asked(bound: Bound, name: str) -> None:
    """A command that asks for confirmation fails where nobody can answer."""
    if bound.get("Confirm") is not False:
        raise CommandError(
            f"Windows PowerShell is in NonInteractive mode. Read and Prompt functionality is not available. ({name})",
            "InvalidOperation",
            terminating=True,
            category="InvalidOperation",
            exception="System.Management.Automation.PSInvalidOperationException",
        )
