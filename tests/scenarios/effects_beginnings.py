"""The beginnings: machines as they come, as runs leave them, and as time, updates and people spoil them."""

from __future__ import annotations

from provision.rehearsal.models.windows_scm import TIME_TRIGGER
from tests.scenarios import effects_spoil as spoil
from tests.scenarios.effects import Beginning, Call, after, one
from tests.scenarios.effects_node import node_beginnings
from tests.scenarios.effects_registries import image_beginnings

PROBE = Call("probe")
KUBERNETES = ("kubelet.exe", "kubeadm.exe", "kubectl.exe", "kube-proxy.exe", "kube-log-runner.exe")
NAT = {"ID": "0", "Name": "nat", "Type": "ICS"}
PREPARED = ("card", "settings", "host-name", "features", "deliver-containerd", "deliver-kubernetes")
INSTALL = ("firewall", "containerd", "kubernetes", "kubelet-service", "egress", "join")


def beginnings() -> list[Beginning]:
    """All of them; ``fresh`` is the first, the others start from machines that it leaves."""
    fresh = Beginning(
        "fresh",
        "box",
        (
            PROBE,
            *(Call(name) for name in PREPARED),
            Call("reboot"),
            *(Call(name) for name in INSTALL),
            after("calico-windows", spoil.calico),
            Call("kube-proxy"),
            Call("stamp"),
            PROBE,
        ),
    )
    again = Beginning(
        "finished",
        "stamp",
        tuple(
            Call(name) for name in (*PREPARED, *INSTALL, "calico-windows", "kube-proxy", "stamp", "probe", "collect")
        ),
    )
    return [fresh, again, *_by_hand(), *_network(), *_system(), *node_beginnings(), *image_beginnings()]


def _by_hand() -> list[Beginning]:
    """Scripts that somebody runs on a machine where nothing else was run."""
    return [
        one("by-hand-stamp", "box", "stamp"),
        one("by-hand-features", "box", "features"),
        one("by-hand-kubernetes", "box", "kubernetes", spoil.delivered(KUBERNETES)),
        one("by-hand-containerd", "reboot", "containerd"),
        one("by-hand-join", "kubelet-service", "join", join_config=""),
        one("by-hand-calico", "reboot", "calico-windows", limit=4),
        one("by-hand-program", "box", "program"),
        one("by-hand-collect", "box", "collect"),
        one("by-hand-kube-proxy", "join", "kube-proxy"),
        one("kubelet-again", "join", "kubelet-again"),
    ]


def _network() -> list[Beginning]:
    """Cards, addresses, profiles, routes."""
    taken_over = {"index": 14, "address": "192.168.56.77", "prefix": 24, "origin": "Manual"}
    lease = {"index": 9, "address": "192.168.56.200", "prefix": 24, "origin": "Dhcp"}
    return [
        one("card-lease", "box", "card", spoil.addresses(lease)),
        one("card-other-mac", "box", "card", mac="00:00:00:00:00:01"),
        one("card-twice", "box", "card", spoil.change(spoil.second_card)),
        one("card-by-name", "card", "card", mac=""),
        one("card-by-address", "card", "card", spoil.change(lambda d: spoil.name_card(d, "Ethernet 2")), mac=""),
        one("card-by-nothing", "box", "card", mac=""),
        one("card-taken", "box", "card", spoil.faults("address-taken")),
        one("card-tentative", "card", "card", spoil.address(settled=spoil.NEVER), limit=2),
        one("card-no-address", "card", "card", spoil.change(lambda d: d["addresses"].pop()), mac="", limit=2),
        one("card-unidentified", "card", "card", spoil.card(identified_at=spoil.NEVER, category="Public"), limit=2),
        one("card-public", "card", "card", spoil.card(category="Public", register=True, dhcp=True)),
        one("card-prefix", "card", "card", spoil.address(prefix=16)),
        Beginning(
            "switch-spoilt",
            "calico-windows",
            (
                after(
                    "calico-windows",
                    spoil.card(category="Public", register=True, dhcp=True),
                    spoil.addresses(taken_over),
                    spoil.change(spoil.no_route),
                ),
                after("calico-windows", spoil.card(category="Public"), own_address=False),
                after("card", spoil.card(category="Public")),
            ),
        ),
        Beginning(
            "cards-in-disorder",
            "calico-windows",
            (
                after("probe", spoil.card(register=True)),
                after("probe", spoil.change(lambda d: d["adapters"].reverse())),
            ),
        ),
        one(
            "calico-elsewhere",
            "calico-windows",
            "calico-windows",
            spoil.hns(lambda p: [n.update(ManagementIP="10.0.2.15") for n in p["networks"]]),
            limit=4,
        ),
        one(
            "calico-address-lost",
            "calico-windows",
            "calico-windows",
            spoil.hns(lambda p: [n.update(ManagementIP="") for n in p["networks"]]),
            spoil.change(lambda d: d["addresses"].pop()),
            limit=4,
        ),
        one("calico-half", "calico-windows", "calico-windows", spoil.hns(lambda p: p["networks"].pop()), limit=4),
        one("calico-no-hns", "calico-windows", "calico-windows", spoil.stopped("hns"), limit=4),
        one("calico-nameless", "calico-windows", "calico-windows", spoil.hns(lambda p: p["networks"].insert(0, NAT))),
        Beginning(
            "egress-spoilt",
            "egress",
            (
                after("egress", spoil.change(lambda d: spoil.set_route(d, metric=1))),
                after("egress", spoil.change(lambda d: spoil.set_route(d, hop="192.168.56.1"))),
                Call("egress", {"gateway": "192.168.56.2", "own_address": False}),
                after("egress", spoil.change(spoil.no_route), own_address=False),
            ),
        ),
    ]


def _system() -> list[Beginning]:
    """Registry, ports, Defender, clock, names, features, firewall."""
    updates = "HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows\\WindowsUpdate\\AU"
    hns = "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\hns\\State"
    servicing = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending"
    update = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update\\RebootRequired"
    return [
        Beginning(
            "settings-spoilt",
            "stamp",
            (
                after(
                    "settings",
                    spoil.registry(updates, "AUOptions", 4),
                    spoil.registry(updates, "Mine", 7),
                    spoil.registry(hns, "EnableCompartmentNamespace", None),
                    spoil.change(lambda d: d["ports"].update(udp=[49152, 16384])),
                    spoil.change(lambda d: d["defender"]["ExclusionProcess"].pop(0)),
                    spoil.change(lambda d: d["access"].clear()),
                    spoil.stopped("w32time"),
                    spoil.service("w32time", mode="Disabled"),
                ),
                after("settings", spoil.stopped("w32time")),
                after("settings", spoil.key_made(TIME_TRIGGER)),
                after("settings", spoil.stopped("windefend"), spoil.key_removed(updates)),
                after("settings", spoil.change(lambda d: d["services"].pop("windefend"))),
                PROBE,
            ),
        ),
        Beginning(
            "host-name-spoilt",
            "stamp",
            (
                after("host-name", spoil.registry(spoil.NAMES, "ComputerName", "OTHER", "String")),
                Call("host-name", {"name": "much-too-long-a-name"}),
                Call("host-name", {"name": "winw2"}),
                PROBE,
            ),
        ),
        Beginning(
            "features-spoilt",
            "host-name",
            (
                Call("features", {"features": ["Containers", "Nonsense"]}),
                Call("features"),
                after("features", spoil.removed("C:\\ProgramData\\hybrid\\reboot-wanted.json")),
                Call("features", {"features": ["Containers", "Hyper-V", "Hyper-V-PowerShell"]}),
                PROBE,
                Call("reboot"),
                PROBE,
                after("settings", spoil.registry(hns, "EnableCompartmentNamespace", 0)),
                PROBE,
            ),
        ),
        Beginning(
            "restarts-due",
            "stamp",
            (
                after("probe", spoil.key_made(servicing)),
                after("probe", spoil.key_removed(servicing), spoil.key_made(update)),
            ),
        ),
        Beginning(
            "firewall-spoilt",
            "stamp",
            (
                after(
                    "firewall",
                    spoil.change(lambda d: spoil.set_rule(d, "hybrid-vxlan", ports=["1"], remote=["Any"])),
                    spoil.change(lambda d: spoil.set_rule(d, "hybrid-kubelet", enabled=False, action="Block")),
                    spoil.change(lambda d: spoil.no_rule(d, "hybrid-nodeports-tcp")),
                ),
                after(
                    "probe",
                    spoil.change(
                        lambda d: spoil.set_rule(
                            d, "hybrid-vxlan", remote=["10.0.0.0/8", "LocalSubnet"], ports=["1", "2"]
                        )
                    ),
                ),
            ),
        ),
    ]
