"""The beginnings: machines as they come, as runs leave them, and as time, updates and people spoil them."""

from __future__ import annotations

from provision.rehearsal.models.windows_registry import SYSTEM_ENVIRONMENT
from provision.steps.windows_join import join_config
from tests.scenarios import effects_spoil as spoil
from tests.scenarios.effects import Beginning, Call, Prepare
from tests.scenarios.windows_bench import CA_HASH, MASTER, settings

PROBE = Call("probe")
PATH = "C:\\Windows\\system32;C:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\"
KUBELET = "C:\\k\\kube-log-runner.exe --log-file=C:\\var\\log\\kubelet\\kubelet.log C:\\k\\kubelet.exe"
KUBERNETES = ("kubelet.exe", "kubeadm.exe", "kubectl.exe", "kube-proxy.exe", "kube-log-runner.exe")
ARCHIVES = ("containerd-windows.tar.gz", "crictl-windows.tar.gz")
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
            Call("calico-windows", before=spoil.calico),
            Call("kube-proxy"),
            Call("stamp"),
            PROBE,
        ),
    )
    again = Beginning(
        "finished",
        "stamp",
        tuple(Call(name) for name in (*PREPARED, *INSTALL, "calico-windows", "kube-proxy", "stamp", "probe", "collect")),
    )
    return [fresh, again, *_by_hand(), *_network(), *_system(), *_files(), *_services(), *_join(), *_others()]


def _one(name: str, start: str, script: str, before: Prepare | None = None, **given: object) -> Beginning:
    """A beginning with one script."""
    return Beginning(name, start, (Call(script, given, before),))


def _by_hand() -> list[Beginning]:
    """Scripts that somebody runs on a machine where nothing else was run."""
    return [
        _one("by-hand-stamp", "box", "stamp"),
        _one("by-hand-features", "box", "features"),
        _one("by-hand-kubernetes", "box", "kubernetes", spoil.delivered(KUBERNETES)),
        _one("by-hand-containerd", "reboot", "containerd"),
        _one("by-hand-join", "kubelet-service", "join", join_config=""),
        _one("by-hand-calico", "reboot", "calico-windows", limit=4),
        _one("by-hand-collect", "box", "collect"),
        _one("by-hand-kube-proxy", "join", "kube-proxy"),
    ]


def _network() -> list[Beginning]:
    """Cards, addresses, profiles, routes."""
    taken_over = {"index": 14, "address": "192.168.56.77", "prefix": 24, "origin": "Manual"}
    lease = {"index": 9, "address": "192.168.56.200", "prefix": 24, "origin": "Dhcp"}
    ours = {"mac": ""}
    return [
        _one("card-lease", "box", "card", spoil.addresses(lease)),
        _one("card-other-mac", "box", "card", mac="00:00:00:00:00:01"),
        _one("card-twice", "box", "card", spoil.change(spoil.second_card)),
        _one("card-by-name", "card", "card", **ours),
        _one("card-by-address", "card", "card", spoil.change(lambda d: spoil.name_card(d, "Ethernet 2")), **ours),
        _one("card-by-nothing", "box", "card", **ours),
        _one("card-taken", "box", "card", spoil.faults("address-taken")),
        _one("card-tentative", "card", "card", spoil.address(settled=spoil.NEVER), limit=2),
        _one("card-no-address", "card", "card", spoil.change(lambda d: d["addresses"].pop()), mac="", limit=2),
        _one("card-unidentified", "card", "card", spoil.card(identified_at=spoil.NEVER, category="Public"), limit=2),
        _one("card-public", "card", "card", spoil.card(category="Public", register=True, dhcp=True)),
        _one("card-prefix", "card", "card", spoil.address(prefix=16)),
        Beginning(
            "switch-spoilt",
            "calico-windows",
            (
                Call("calico-windows", before=spoil.together(
                    spoil.card(category="Public", register=True, dhcp=True),
                    spoil.addresses(taken_over),
                    spoil.change(spoil.no_route),
                )),
                Call("calico-windows", {"own_address": False, "gateway": ""}, spoil.card(category="Public")),
                Call("card", before=spoil.card(category="Public")),
            ),
        ),  # fmt: skip
        _one("calico-elsewhere", "calico-windows", "calico-windows",
             spoil.hns(lambda p: [n.update(ManagementIP="10.0.2.15") for n in p["networks"]]), limit=4),
        _one("calico-half", "calico-windows", "calico-windows", spoil.hns(lambda p: p["networks"].pop()), limit=4),
        _one("calico-no-hns", "calico-windows", "calico-windows", spoil.stopped("hns"), limit=4),
        _one("calico-nameless", "calico-windows", "calico-windows",
             spoil.hns(lambda p: p["networks"].insert(0, {"ID": "0", "Name": "nat", "Type": "ICS"}))),
        Beginning(
            "egress-spoilt",
            "egress",
            (
                Call("egress", before=spoil.change(lambda d: spoil.set_route(d, metric=1))),
                Call("egress", before=spoil.change(lambda d: spoil.set_route(d, hop="192.168.56.1"))),
                Call("egress", {"gateway": "192.168.56.2", "own_address": False}),
                Call("egress", {"own_address": False}, spoil.change(spoil.no_route)),
            ),
        ),
    ]  # fmt: skip


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
                Call("settings", before=spoil.together(
                    spoil.registry(updates, "AUOptions", 4),
                    spoil.registry(updates, "Mine", 7),
                    spoil.registry(hns, "EnableCompartmentNamespace", None),
                    spoil.change(lambda d: d["ports"].update(udp=[49152, 16384])),
                    spoil.change(lambda d: d["defender"]["ExclusionProcess"].pop(0)),
                    spoil.change(lambda d: d["access"].clear()),
                    spoil.stopped("w32time"), spoil.service("w32time", mode="Disabled"),
                )),
                Call("settings", before=spoil.stopped("w32time")),
                Call("settings", before=spoil.together(spoil.stopped("windefend"), spoil.key_removed(updates))),
                Call("settings", before=spoil.change(lambda d: d["services"].pop("windefend"))),
                PROBE,
            ),
        ),
        Beginning(
            "host-name-spoilt",
            "stamp",
            (
                Call("host-name", before=spoil.registry(spoil.NAMES, "ComputerName", "OTHER", "String")),
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
                Call("features", before=spoil.change(lambda d: d["files"].pop("c:\\programdata\\hybrid\\reboot-wanted.json"))),
                Call("features", {"features": ["Containers", "Hyper-V", "Hyper-V-PowerShell"]}),
                PROBE,
                Call("reboot"),
                PROBE,
                Call("settings", before=spoil.registry(hns, "EnableCompartmentNamespace", 0)),
                PROBE,
            ),
        ),
        Beginning(
            "restarts-due",
            "stamp",
            (
                Call("probe", before=spoil.change_registry(lambda r: r.create(servicing))),
                Call("probe", before=spoil.change_registry(lambda r: (r.remove(servicing), r.create(update)))),
            ),
        ),
        Beginning(
            "firewall-spoilt",
            "stamp",
            (
                Call("firewall", before=spoil.together(
                    spoil.change(lambda d: spoil.set_rule(d, "hybrid-vxlan", ports=["1"], remote=["Any"])),
                    spoil.change(lambda d: spoil.set_rule(d, "hybrid-kubelet", enabled=False, action="Block")),
                    spoil.change(lambda d: spoil.no_rule(d, "hybrid-nodeports-tcp")),
                )),
                Call("probe", before=spoil.change(lambda d: spoil.set_rule(d, "hybrid-vxlan", remote=["10.0.0.0/8", "LocalSubnet"], ports=["1", "2"]))),
            ),
        ),
    ]  # fmt: skip


def _files() -> list[Beginning]:
    """Deliveries, and what is installed from them."""
    kubelet, archive = f"{spoil.FILES}\\kubelet.exe", f"{spoil.FILES}\\{ARCHIVES[0]}"
    deliver: list[tuple[str, Prepare]] = [
        ("continued", spoil.part_of("kubelet.exe", lambda data: data[:100])),
        ("whole-part", spoil.part_of("kubelet.exe", lambda data: data)),
        ("too-long", spoil.part_of("kubelet.exe", lambda data: data + b"x")),
        ("other-part", spoil.part_of("kubelet.exe", lambda data: b"y" * 100)),
        ("corrupt", spoil.faults("corrupt*2")),
        ("gone", spoil.served("kubelet.exe", None)),
        ("refused", lambda bench: setattr(bench.master, "refuses", True)),
        ("damaged", spoil.together(spoil.delivered(KUBERNETES), spoil.written(kubelet))),
        ("no-record", spoil.delivered(KUBERNETES)),
    ]
    return [
        *(_one(f"deliver-{name}", "deliver-containerd", "deliver-kubernetes", before) for name, before in deliver),
        Beginning(
            "files-spoilt",
            "stamp",
            (
                Call("probe", before=spoil.together(
                    spoil.written(kubelet), spoil.removed(f"{archive}.record"), spoil.written("C:\\k\\kubectl.exe"),
                    spoil.removed(f"{spoil.CONTAINERD}\\ctr.exe"), spoil.written(f"{archive}.part", b"part"),
                )),
                Call("probe", before=spoil.together(
                    spoil.no_delivered, spoil.removed(f"{spoil.INSTALLED}\\kubernetes.json", "C:\\k\\crictl.yaml"),
                    spoil.removed(f"{spoil.CONTAINERD}\\config.toml", "C:\\ProgramData\\hybrid\\stamp.json"),
                    spoil.written(f"{spoil.INSTALLED}\\notes.txt", b"mine"),
                )),
                Call("stamp"),
                Call("stamp", {"stamp": "{}"}),
            ),
        ),
        Beginning(
            "kubernetes-spoilt",
            "stamp",
            (
                Call("kubernetes", before=spoil.written("C:\\k\\kubelet.exe")),
                Call("kubernetes", before=spoil.together(spoil.written("C:\\k\\kubectl.exe"), spoil.written("C:\\k\\kubectl.exe.old", b"old"))),
                Call("kubernetes", before=spoil.together(spoil.stopped("kubelet"), spoil.removed("C:\\k\\kubelet.exe"))),
                Call("kubernetes", before=spoil.registry(SYSTEM_ENVIRONMENT, "Path", PATH + ";", "ExpandString")),
                Call("kubernetes", before=spoil.removed(f"{spoil.INSTALLED}\\kubernetes.json")),
                Call("kubernetes", before=spoil.together(spoil.written("C:\\k\\kubeadm.exe"), spoil.written(f"{spoil.FILES}\\kubeadm.exe"))),
                Call("kubernetes", {"digests": {"kubectl.exe": "0" * 64}}),
            ),
        ),
    ]  # fmt: skip


def _services() -> list[Beginning]:
    """containerd and the kubelet as services."""
    containerd, log = f"{spoil.CONTAINERD}\\containerd.exe", "--log-file=C:\\var\\log\\containerd\\containerd.log"
    proxy = ("HTTP_PROXY=http://proxy.example:3128", "NO_PROXY=192.168.56.0/24")
    other = f'"{containerd}" --run-service'
    return [
        Beginning(
            "containerd-spoilt",
            "stamp",
            (
                Call("containerd", before=spoil.written(containerd)),
                Call("containerd", before=spoil.together(spoil.stopped("containerd"), spoil.removed("C:\\k\\crictl.exe"))),
                Call("containerd", before=spoil.together(spoil.written(f"{spoil.CONTAINERD}\\config.toml"), spoil.written("C:\\k\\crictl.yaml"))),
                Call("containerd", before=spoil.service("containerd", path=other)),
                Call("containerd", {"environment": proxy}),
                PROBE,
                Call("containerd", before=spoil.registry(SYSTEM_ENVIRONMENT, "Path", PATH, "ExpandString")),
                Call("containerd", before=spoil.stopped("containerd")),
                Call("containerd", before=spoil.service("containerd", path=other, held=True)),
            ),
        ),
        _one("containerd-refused", "stamp", "containerd", digests=dict.fromkeys(ARCHIVES, "0" * 64)),
        _one("containerd-no-crictl", "reboot", "containerd", spoil.written(f"{spoil.FILES}\\{ARCHIVES[1]}")),
        _one("containerd-bad-config", "stamp", "containerd", config="version = 4\n", limit=3),
        _one("containerd-dies", "reboot", "containerd", spoil.faults("service-dies"), limit=3),
        Beginning(
            "kubelet-service-spoilt",
            "stamp",
            (
                Call("kubelet-service", before=spoil.service("kubelet", path=f"{KUBELET} --windows-service", failure=[], failureflag=False)),
                Call("kubelet-service", before=spoil.together(spoil.service("kubelet", path=f"{KUBELET} --v=9"), spoil.stopped("kubelet"))),
                PROBE,
            ),
        ),
    ]  # fmt: skip


def _join() -> list[Beginning]:
    """Joins that were broken off, are refused, or were long ago."""
    made = settings()
    endpoint, token = f"{MASTER}:6443", "wrong0.0123456789abcdef"
    wrong = join_config(made, made.machine("winw1"), endpoint=endpoint, token=token, ca_hash=CA_HASH)
    left = ("C:\\etc\\kubernetes\\bootstrap-kubelet.conf", "C:\\etc\\kubernetes\\pki\\ca.crt",
            "C:\\var\\lib\\kubelet\\config.yaml", "C:\\var\\lib\\kubelet\\kubeadm-flags.env")  # fmt: skip
    return [
        _one("join-broken-off", "egress", "join", spoil.together(*(spoil.written(path, b"left") for path in left))),
        _one("join-running", "egress", "join", spoil.service("kubelet", state="Running")),
        _one("join-no-kubelet", "egress", "join", spoil.removed("C:\\k\\kubelet.exe")),
        _one("join-wrong-token", "egress", "join", join_config=wrong),
        Beginning(
            "join-spoilt",
            "stamp",
            (
                Call("join", {"join_config": ""}, spoil.stopped("kubelet")),
                Call("join", {"join_config": ""}, spoil.more_flags),
                PROBE,
            ),
        ),
    ]


def _others() -> list[Beginning]:
    """kube-proxy on networks of other kinds, after an earlier one; what is collected."""
    return [
        Beginning(
            "kube-proxy-spoilt",
            "stamp",
            (
                Call("kube-proxy", before=spoil.hns(spoil.old_policies)),
                Call("kube-proxy", {"feature_gates": "Nonsense=true"}),
                Call("kube-proxy", before=spoil.hns(lambda p: p["endpoints"].clear())),
                Call("kube-proxy", before=spoil.hns(lambda p: [n.update(Type="L2Bridge") for n in p["networks"]])),
                Call("collect", before=spoil.stopped("hns")),
            ),
        ),
    ]
