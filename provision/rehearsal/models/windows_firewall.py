"""Firewall rules with their port and address filters, and the profiles, of a modelled Windows."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from provision.rehearsal.models.windows_process import WindowsProcess
from provision.rehearsal.models.windows_table import cim_failed, cim_not_found, command, matches
from provision.rehearsal.powershell.box import Bound
from provision.rehearsal.powershell.values import EnumValue, Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

_ACTIONS = {"NotConfigured": 0, "Allow": 2, "Block": 4}
_PROFILES = {"Any": 0, "Domain": 1, "Private": 2, "Public": 4}
_TYPE = "Microsoft.Management.Infrastructure.CimInstance#root/standardcimv2/MSFT_NetFirewallRule"


def rules(machine: WindowsMachine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = machine.state.data.setdefault("firewall", [])
    return found


def _record(rule: dict[str, Any]) -> Record:
    profile = rule["profile"]
    number = sum(_PROFILES[part.strip()] for part in profile.split(","))
    return Record(
        {
            "Name": rule["name"],
            "InstanceID": rule["name"],
            "DisplayName": rule["display"],
            "Description": rule["description"],
            "Group": rule["group"],
            "DisplayGroup": rule["group"],
            "Enabled": EnumValue("Enabled", "True" if rule["enabled"] else "False", 1 if rule["enabled"] else 2),
            "Profile": EnumValue("Profile", profile, number),
            "Direction": EnumValue("Direction", rule["direction"], 1 if rule["direction"] == "Inbound" else 2),
            "Action": EnumValue("Action", rule["action"], _ACTIONS[rule["action"]]),
        },
        type_name=_TYPE,
    )


def _given(bound: Bound) -> list[str] | None:
    """The rule names that InputObject or AssociatedNetFirewallRule carry; None without them."""
    for name in ("InputObject", "AssociatedNetFirewallRule"):
        value = bound.get(name)
        if value is not None:
            return [
                str(r.get("Name")) for r in (value if isinstance(value, list) else [value]) if isinstance(r, Record)
            ]
    return None


def _pick(machine: WindowsMachine, bound: Bound) -> list[dict[str, Any]]:
    given = _given(bound)
    if given is not None:
        return [rule for rule in rules(machine) if rule["name"] in given]
    for parameter, key, property_ in (
        ("Name", "name", "InstanceID"), ("DisplayName", "display", "DisplayName"), ("Group", "group", "RuleGroup"),
        ("DisplayGroup", "group", "DisplayGroup"),
    ):  # fmt: skip
        if parameter in bound:
            patterns = bound.texts(parameter)
            found = [rule for rule in rules(machine) if any(matches(p, rule[key] or "") for p in patterns)]
            if not found:
                raise cim_not_found("MSFT_NetFirewallRule", property_, ",".join(patterns))
            return found
    return list(rules(machine))


@command("Get-NetFirewallRule")
def get_net_firewall_rule(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        return [_record(rule) for rule in _pick(process.machine, bound)]


@command("New-NetFirewallRule")
def new_net_firewall_rule(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        name = bound.text("Name") or "{" + str(uuid.uuid4()).upper() + "}"
        if any(rule["name"].lower() == name.lower() for rule in rules(process.machine)):
            raise cim_failed(
                "Cannot create a file when that file already exists.", "Windows System Error 183", "ResourceExists"
            )
        rule = {
            "name": name, "display": bound.text("DisplayName"), "description": bound.text("Description"),
            "group": bound.text("Group"), "enabled": True, "profile": "Any", "direction": "Inbound", "action": "Allow",
            "protocol": "Any", "ports": ["Any"], "remote": ["Any"], "local": ["Any"], "interfaces": ["Any"],
        }  # fmt: skip
        _apply(rule, bound)
        rules(process.machine).append(rule)
        return [_record(rule)]


@command("Set-NetFirewallRule")
def set_net_firewall_rule(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        found = _pick(process.machine, bound)
        for rule in found:
            _apply(rule, bound)
            if "NewDisplayName" in bound:
                rule["display"] = bound.text("NewDisplayName")
        return [_record(rule) for rule in found] if bound.on("PassThru") else []


@command("Enable-NetFirewallRule")
def enable_net_firewall_rule(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for rule in _pick(process.machine, bound):
            rule["enabled"] = True
    return []


@command("Remove-NetFirewallRule")
def remove_net_firewall_rule(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        names = [rule["name"] for rule in _pick(process.machine, bound)]
        process.machine.state.data["firewall"] = [r for r in rules(process.machine) if r["name"] not in names]
    return []


def _apply(rule: dict[str, Any], bound: Bound) -> None:
    protocols = {"tcp": "TCP", "6": "TCP", "udp": "UDP", "17": "UDP", "any": "Any", "icmpv4": "ICMPv4", "1": "ICMPv4"}
    if "Protocol" in bound:
        wanted = bound.text("Protocol").lower()
        if wanted not in protocols:
            raise cim_failed("The protocol is invalid.", "Windows System Error 87", "InvalidArgument")
        rule["protocol"] = protocols[wanted]
    if "LocalPort" in bound:
        ports = [part.strip() for text in bound.texts("LocalPort") for part in text.split(",")]
        if not all(_port(text) for text in ports):
            raise cim_failed("The port is invalid. Port may only be specified for a port range, a number or a keyword.",
                             "Windows System Error 87", "InvalidArgument")  # fmt: skip
        if rule["protocol"] not in ("TCP", "UDP"):
            raise cim_failed("The port is only valid with the protocols TCP and UDP.", "Windows System Error 87",
                             "InvalidArgument")  # fmt: skip
        rule["ports"] = ports
    if "Enabled" in bound:
        rule["enabled"] = bound.text("Enabled") == "True"
    for parameter, key in (("Direction", "direction"), ("Action", "action"), ("Description", "description")):
        if parameter in bound:
            rule[key] = bound.text(parameter)
    if "Profile" in bound:
        rule["profile"] = ", ".join(bound.texts("Profile"))
    for parameter, key in (("RemoteAddress", "remote"), ("LocalAddress", "local")):
        if parameter in bound:
            rule[key] = [_address(text) for text in bound.texts(parameter)]
    if "InterfaceAlias" in bound:
        rule["interfaces"] = bound.texts("InterfaceAlias")


def _port(text: str) -> bool:
    first, dash, last = text.partition("-")
    if dash:
        return first.isdigit() and last.isdigit() and int(first) <= int(last) <= 65535
    return text.lower() in ("any", "rpc", "rpcepmap", "iphttpsin") or (text.isdigit() and int(text) <= 65535)


def _address(text: str) -> str:
    if text in ("Any", "LocalSubnet", "DefaultGateway", "DNS", "DHCP"):
        return text
    try:
        for part in text.split("-"):
            ip_network(part, strict=False)
    except ValueError:
        raise cim_failed("The address is invalid.", "Windows System Error 87", "InvalidArgument") from None
    if "/" not in text:
        return text
    network = ip_network(text, strict=False)
    # The firewall gives an IPv4 network back with its mask.
    return f"{network.network_address}/{network.netmask}"


def _one_or_list(values: list[str]) -> object:
    return values[0] if len(values) == 1 else list(values)


@command("Get-NetFirewallPortFilter")
def get_net_firewall_port_filter(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        return [
            Record(
                {
                    "InstanceID": rule["name"],
                    "Protocol": rule["protocol"],
                    "LocalPort": _one_or_list(rule["ports"]),
                    "RemotePort": "Any",
                    "IcmpType": "Any",
                },
                type_name=_TYPE.replace("Rule", "PortFilter"),
            )
            for rule in _pick(process.machine, bound)
        ]


@command("Get-NetFirewallAddressFilter")
def get_net_firewall_address_filter(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        return [
            Record(
                {
                    "InstanceID": rule["name"],
                    "LocalAddress": _one_or_list(rule["local"]),
                    "RemoteAddress": _one_or_list(rule["remote"]),
                },
                type_name=_TYPE.replace("Rule", "AddressFilter"),
            )
            for rule in _pick(process.machine, bound)
        ]


@command("Get-NetFirewallProfile")
def get_net_firewall_profile(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading() as data:
        off = data.get("firewall_off", [])
        return [
            Record(
                {"Name": name, "Profile": name, "Enabled": EnumValue("GpoBoolean", *on)},
                type_name="MSFT_NetFirewallProfile",
            )
            for name in ("Domain", "Private", "Public")
            for on in [("False", 0) if name in off else ("True", 1)]
            if "Name" not in bound or name in bound.texts("Name")
        ]


@command("Set-NetFirewallProfile")
def set_net_firewall_profile(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change() as data:
        names = bound.texts("Name") or bound.texts("Profile") or ["Domain", "Private", "Public"]
        off = set(data.get("firewall_off", []))
        if "Enabled" in bound:
            off = off - set(names) if bound.text("Enabled") == "True" else off | set(names)
        data["firewall_off"] = sorted(off)
    return []
