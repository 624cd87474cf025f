"""The network of a Windows machine: the private card, the firewall, the way out for pods."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from provision.facts.base import World
from provision.facts.windows import Firewall, Network
from provision.settings.model import Machine, Settings
from provision.steps.base import Judgement, Missing, Satisfied, ScriptCall, Step
from provision.steps.verdict import verdict

# Seconds until an address must be in use; duplicate address detection takes about 3 s.
ADDRESS_LIMIT = 60
# Added to the card's own metric; Windows gives a card of 1 Gbit/s 25 (Microsoft, "Automatic metric for IPv4").
EGRESS_METRIC = 500


# Name, title, protocol, ports. UDP 4789 is the only VXLAN port that Windows knows.
FIREWALL_RULES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("hybrid-kubelet", "hybrid: kubelet", "TCP", ("10250",)),
    ("hybrid-vxlan", "hybrid: VXLAN", "UDP", ("4789",)),
    ("hybrid-nodeports-tcp", "hybrid: node ports (TCP)", "TCP", ("30000-32767",)),
    ("hybrid-nodeports-udp", "hybrid: node ports (UDP)", "UDP", ("30000-32767",)),
)


def card_faults(settings: Settings, machine: Machine, network: Network) -> list[str]:
    """What is wrong with the card that carries the node's address, for people."""
    kube = network.kube
    if kube is None:
        return ["there is no card kube"]
    prefix = settings.network.machines.prefixlen
    states = {(a.address, a.prefix): a.state for a in kube.addresses if not a.address.startswith("169.254.")}
    # Of a machine that is not ours, the prefix is not ours either.
    ours = [key for key in states if key[0] == str(machine.address) and (key[1] == prefix or not machine.mac)]
    state = states.pop(ours[0]) if ours else "absent"
    wrong = []
    if state != "Preferred":
        wrong.append(f"{machine.address}/{prefix} is {state} on {kube.carrier}")
    if machine.mac:
        wrong += [f"{kube.carrier} has {address}/{length} too" for address, length in states]
        if kube.dhcp != "Disabled":
            wrong.append(f"{kube.carrier} asks DHCP for an address")
        if kube.dns_registration:
            wrong.append(f"{kube.carrier} registers its address in DNS")
    if kube.profile == "Public":
        wrong.append("its network counts as public")
    return wrong


def card_step(settings: Settings, machine: Machine) -> Step:
    """The private card is found by its MAC address, called ``kube``, and has the node's address."""
    prefix = settings.network.machines.prefixlen

    def check(now: Settings, world: World) -> Judgement:
        network = world.machine(machine.name).get(Network)
        if machine.mac and not any(c.name == "kube" and c.mac == machine.mac.lower() for c in network.cards):
            return Missing(f"the card {machine.mac} is not called kube")
        if network.kube is None:
            return Missing("there is no card kube")
        if network.kube.switched:
            return Satisfied(f"it is called kube; {network.kube.carrier} is looked after once the node has joined")
        return verdict(card_faults(now, machine, network), f"{machine.address}/{prefix} is in use on kube")

    return Step(
        name=f"card@{machine.name}",
        title=f"the private card is called kube and has {machine.address}",
        lane="system",
        machine=machine.name,
        needs=(f"windows-release@{machine.name}",),
        reads=frozenset({"network"}),
        changes=("network",),
        check=check,
        scripts=(
            ScriptCall(
                template="windows/10-card.ps1",
                parameters={
                    "mac": machine.mac or "",
                    "address": str(machine.address),
                    "prefix": prefix,
                    "limit": ADDRESS_LIMIT,
                },
            ),
        ),
        timeout=settings.timeouts.step,
    )


def firewall_step(settings: Settings, machine: Machine) -> Step:
    """The firewall stays on; what the nodes need is let in, from the nodes' network only."""
    network = str(settings.network.machines)

    def check(_: Settings, world: World) -> Judgement:
        rules = world.machine(machine.name).get(Firewall).rules
        wrong = []
        for name, _title, protocol, ports in FIREWALL_RULES:
            rule = rules.get(name)
            if rule is None:
                wrong.append(f"{name} is absent")
            elif not rule.enabled or (rule.direction, rule.action, rule.profile) != ("Inbound", "Allow", "Any"):
                wrong.append(f"{name} is not an enabled rule that lets in")
            elif rule.protocol != protocol or set(rule.ports) != set(ports):
                wrong.append(f"{name} is for {rule.protocol} {','.join(rule.ports)}")
            elif rule.networks() != {network}:
                wrong.append(f"{name} is for {', '.join(sorted(rule.networks()))}, not for {network}")
        return verdict(wrong, f"kubelet, VXLAN and node ports are open to {network}")

    return Step(
        name=f"firewall@{machine.name}",
        title=f"the firewall lets in what nodes need from {network}",
        lane="system",
        machine=machine.name,
        needs=(f"reboot@{machine.name}",),
        reads=frozenset({"firewall"}),
        changes=("firewall",),
        check=check,
        scripts=(
            ScriptCall(
                template="windows/55-firewall.ps1",
                parameters={
                    "rules": [
                        {"name": name, "title": title, "protocol": protocol, "ports": ports}
                        for name, title, protocol, ports in FIREWALL_RULES
                    ],
                    "remote": [network],
                },
            ),
        ),
        timeout=settings.timeouts.step,
    )


def gateway(settings: Settings) -> IPv4Address | None:
    """The gateway for pods' outgoing traffic; None when there shall be none."""
    egress = settings.network.egress
    if egress == "none":
        return None
    return settings.control_plane.address if egress == "control-plane" else IPv4Address(egress)


def route_parameters(settings: Settings, machine: Machine) -> Mapping[str, object]:
    """What 75-egress.ps1 and 90-calico.ps1 need for the default route of the node's card."""
    way = gateway(settings)
    return {
        "gateway": str(way) if way else "",
        "metric": EGRESS_METRIC,
        # A card without a MAC in the settings belongs to somebody else: its routes are not ours to remove.
        "own_address": machine.mac is not None,
    }


def route_faults(settings: Settings, machine: Machine, network: Network) -> list[str]:
    """What is wrong with the default route of the node's card; nothing when there shall be none."""
    way = gateway(settings)
    if way is None:
        return []
    if network.kube is None:
        return ["there is no card kube"]
    ours = [route for route in network.default_routes if route.index == network.kube.index]
    others = [route for route in network.default_routes if route.index != network.kube.index]
    if machine.mac is None and ours:
        return []
    if [route.gateway for route in ours] != [str(way)]:
        seen = ", ".join(route.gateway for route in ours) or "no gateway"
        return [f"{network.kube.carrier} has {seen}, not {way}"]
    if others and min(route.metric for route in others) >= ours[0].metric:
        return [f"the default route by {way} would take the host's own traffic"]
    return []


def egress_step(settings: Settings, machine: Machine) -> Step:
    """The node's card has a default gateway, behind the one that Windows itself uses."""
    way = gateway(settings)

    def check(now: Settings, world: World) -> Judgement:
        network = world.machine(machine.name).get(Network)
        if network.kube is not None and network.kube.switched:
            return Satisfied(f"{network.kube.carrier} is looked after once the node has joined")
        return verdict(route_faults(now, machine, network), f"pods go out by {way}")

    return Step(
        name=f"egress@{machine.name}",
        title=f"pods have a way out by {way}",
        lane="system",
        machine=machine.name,
        needs=(f"reboot@{machine.name}",),
        reads=frozenset({"network"}),
        changes=("network",),
        check=check,
        scripts=(ScriptCall(template="windows/75-egress.ps1", parameters=route_parameters(settings, machine)),),
        timeout=settings.timeouts.step,
    )
