"""The beginnings that concern files, services, the join and kube-proxy; see `effects_beginnings`."""

from __future__ import annotations

from provision.guests.powershell import kept_digest
from provision.rehearsal.models.windows_registry import SYSTEM_ENVIRONMENT
from provision.steps.windows_join import join_config
from tests.scenarios import effects_spoil as spoil
from tests.scenarios.effects import OWN, Beginning, Call, after, one
from tests.scenarios.effects_guests import KEPT, SAYS
from tests.scenarios.windows_bench import CA_HASH, MASTER, settings

PROBE = Call("probe")
PATH = "C:\\Windows\\system32;C:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\"
KUBELET = "C:\\k\\kube-log-runner.exe --log-file=C:\\var\\log\\kubelet\\kubelet.log C:\\k\\kubelet.exe"
KUBERNETES = ("kubelet.exe", "kubeadm.exe", "kubectl.exe", "kube-proxy.exe", "kube-log-runner.exe")
ARCHIVES = ("containerd-windows.tar.gz", "crictl-windows.tar.gz")
ROUTE = "C:\\Windows\\System32\\route.exe"
NAT = {"ID": "0", "Name": "nat", "Type": "ICS"}


def node_beginnings() -> list[Beginning]:
    """All of them."""
    return [*_files(), *_services(), *_join(), *_kube_proxy(), *_guests()]


def _files() -> list[Beginning]:
    """Deliveries, and what is installed from them."""
    kubelet, archive = f"{spoil.FILES}\\kubelet.exe", f"{spoil.FILES}\\{ARCHIVES[0]}"
    pull = ("deliver-containerd", "deliver-kubernetes")
    return [
        one("deliver-continued", *pull, spoil.part_of("kubelet.exe", lambda data: data[:100])),
        one("deliver-whole-part", *pull, spoil.part_of("kubelet.exe", lambda data: data)),
        one("deliver-too-long", *pull, spoil.part_of("kubelet.exe", lambda data: data + b"x")),
        one("deliver-other-part", *pull, spoil.part_of("kubelet.exe", lambda _: b"y" * 100)),
        one("deliver-corrupt", *pull, spoil.faults("corrupt*2")),
        one("deliver-cut", *pull, spoil.faults("pull-cut*3")),
        one("deliver-cut-for-ever", *pull, spoil.faults("pull-cut*99")),
        one("deliver-gone", *pull, spoil.served("kubelet.exe", None)),
        one("deliver-refused", *pull, lambda bench: setattr(bench.master, "refuses", True)),
        one("deliver-damaged", *pull, spoil.delivered(KUBERNETES), spoil.written(kubelet)),
        one("deliver-no-record", *pull, spoil.delivered(KUBERNETES)),
        Beginning(
            "files-spoilt",
            "stamp",
            (
                after("probe", spoil.recorded("kubectl.exe", "0" * 64)),
                after(
                    "probe",
                    spoil.written(kubelet),
                    spoil.removed(f"{archive}.record"),
                    spoil.written("C:\\k\\kubectl.exe"),
                    spoil.removed(f"{spoil.CONTAINERD}\\ctr.exe"),
                    spoil.written(f"{archive}.part", b"part"),
                ),
                after(
                    "probe",
                    spoil.no_delivered,
                    spoil.removed(f"{spoil.INSTALLED}\\kubernetes.json", "C:\\k\\crictl.yaml"),
                    spoil.removed(f"{spoil.CONTAINERD}\\config.toml", "C:\\ProgramData\\hybrid\\stamp.json"),
                    spoil.written(f"{spoil.INSTALLED}\\notes.txt", b"mine"),
                ),
                Call("stamp"),
                Call("stamp", {"stamp": "{}"}),
            ),
        ),
        # Another minor may not know a flag any more: the programs are there, the next steps see to the service.
        one(
            "kubernetes-kubelet-refuses",
            "stamp",
            "kubernetes",
            spoil.service("kubelet", path=f"{KUBELET} --windows-service --gone=1"),
            spoil.written("C:\\k\\kubelet.exe"),
        ),
        Beginning(
            "kubernetes-spoilt",
            "stamp",
            (
                after("kubernetes", spoil.written("C:\\k\\kubelet.exe")),
                after(
                    "kubernetes", spoil.written("C:\\k\\kubectl.exe"), spoil.written("C:\\k\\kubectl.exe.old-1", b"old")
                ),
                after("kubernetes", spoil.written("C:\\k\\kube-proxy.exe")),
                # Somebody runs it.
                after(
                    "kubernetes",
                    spoil.written("C:\\k\\kubectl.exe"),
                    spoil.service("dnscache", images=["c:\\k\\kubectl.exe"]),
                ),
                after("kubernetes", spoil.stopped("kubelet"), spoil.removed("C:\\k\\kubelet.exe")),
                # The kubelet stands still, its containers do not.
                after("kubernetes", spoil.written("C:\\k\\kube-proxy.exe")),
                after("kubernetes", spoil.registry(SYSTEM_ENVIRONMENT, "Path", PATH + ";", "ExpandString")),
                after("kubernetes", spoil.removed(f"{spoil.INSTALLED}\\kubernetes.json")),
                after("kubernetes", spoil.written("C:\\k\\kubeadm.exe"), spoil.written(f"{spoil.FILES}\\kubeadm.exe")),
                Call("kubernetes", {"digests": {"kubectl.exe": "0" * 64}}),
            ),
        ),
    ]


def _services() -> list[Beginning]:
    """containerd and the kubelet as services."""
    containerd = f"{spoil.CONTAINERD}\\containerd.exe"
    proxy = ("HTTP_PROXY=http://proxy.example:3128", "NO_PROXY=192.168.56.0/24")
    other = f'"{containerd}" --run-service'
    return [
        Beginning(
            "containerd-spoilt",
            "stamp",
            (
                after("containerd", spoil.written(containerd)),
                after("containerd", spoil.stopped("containerd"), spoil.removed("C:\\k\\crictl.exe")),
                after(
                    "containerd", spoil.written(f"{spoil.CONTAINERD}\\config.toml"), spoil.written("C:\\k\\crictl.yaml")
                ),
                after("containerd", spoil.service("containerd", path=other)),
                Call("containerd", {"environment": proxy}),
                PROBE,
                after("containerd", spoil.registry(SYSTEM_ENVIRONMENT, "Path", PATH, "ExpandString")),
                after("containerd", spoil.stopped("containerd")),
                after("containerd", spoil.service("containerd", path=other, held=True)),
            ),
        ),
        # Pods run: their shim is in use, and goes on under another name; ctr.exe is in nobody's way.
        one(
            "containerd-built",
            "stamp",
            "containerd",
            spoil.service("dnscache", images=[f"{spoil.CONTAINERD}\\containerd-shim-runhcs-v1.exe".lower()]),
            *(spoil.written(f"{spoil.FILES}\\{name}", data) for name, data in OWN.items()),
            own=list(OWN),
        ),
        one("containerd-refused", "stamp", "containerd", digests=dict.fromkeys(ARCHIVES, "0" * 64)),
        one("containerd-no-crictl", "reboot", "containerd", spoil.written(f"{spoil.FILES}\\{ARCHIVES[1]}")),
        one("containerd-bad-config", "stamp", "containerd", config="version = 4\n", limit=3),
        one("containerd-dies", "reboot", "containerd", spoil.faults("service-dies"), limit=3),
        Beginning(
            "kubelet-service-spoilt",
            "stamp",
            (
                after(
                    "kubelet-service",
                    spoil.service("kubelet", path=f"{KUBELET} --windows-service", failure=[], failureflag=False),
                ),
                after("kubelet-service", spoil.service("kubelet", path=f"{KUBELET} --v=9"), spoil.stopped("kubelet")),
                PROBE,
            ),
        ),
    ]


def _join() -> list[Beginning]:
    """Joins that were broken off, are refused, or were long ago."""
    made = settings()
    endpoint, token = f"{MASTER}:6443", "wrong0.0123456789abcdef"
    wrong = join_config(made, made.machine("winw1"), endpoint=endpoint, token=token, ca_hash=CA_HASH)
    left = (
        "C:\\etc\\kubernetes\\bootstrap-kubelet.conf",
        "C:\\etc\\kubernetes\\pki\\ca.crt",
        "C:\\var\\lib\\kubelet\\config.yaml",
        "C:\\var\\lib\\kubelet\\kubeadm-flags.env",
    )
    return [
        one("join-broken-off", "egress", "join", *(spoil.written(path, b"left") for path in left)),
        one("join-running", "egress", "join", spoil.service("kubelet", state="Running")),
        one("join-no-kubelet", "egress", "join", spoil.removed("C:\\k\\kubelet.exe")),
        one("join-left-behind", "stamp", "join", lambda bench: bench.master.api.nodes.clear(), leave=True),
        one("join-wrong-token", "egress", "join", join_config=wrong),
        Beginning(
            "join-spoilt",
            "stamp",
            (
                after("join", spoil.stopped("kubelet"), join_config=""),
                after("join", spoil.more_flags, join_config=""),
                PROBE,
            ),
        ),
    ]


def _kube_proxy() -> list[Beginning]:
    """kube-proxy on networks of other kinds, after an earlier one; what is collected."""
    return [
        Beginning(
            "kube-proxy-spoilt",
            "stamp",
            (
                after("kube-proxy", spoil.hns(spoil.old_policies)),
                Call("kube-proxy", {"feature_gates": "Nonsense=true"}),
                after("kube-proxy", spoil.hns(lambda p: p["endpoints"].clear())),
                after("kube-proxy", spoil.hns(lambda p: [n.update(Type="L2Bridge") for n in p["networks"]])),
                after("collect", spoil.stopped("hns"), spoil.removed(ROUTE)),
            ),
        ),
        one("kube-proxy-other-network", "join", "kube-proxy", spoil.hns(lambda p: p["networks"].append(NAT))),
        one(
            "kube-proxy-nameless-endpoint",
            "stamp",
            "kube-proxy",
            spoil.hns(lambda p: p["endpoints"].insert(0, {"ID": "9", "IPAddress": "10.244.0.5"})),
        ),
        one(
            "kube-proxy-other-endpoint",
            "stamp",
            "kube-proxy",
            spoil.hns(lambda p: p["endpoints"][0].update(Name="mine")),
        ),
    ]


def _guests() -> list[Beginning]:
    """The guests' own scripts: how everything else gets onto the machine."""
    locked = {KEPT.lower(): {"own": False, "grants": {}, "locked": True}}
    kept = f"{KEPT}\\{kept_digest(SAYS)}.ps1"
    system32 = "C:\\Windows\\System32"
    servicing = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending"
    update = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update\\RebootRequired"
    return [
        Beginning(
            "guests",
            "box",
            (
                Call("guest-says"),
                Call("guest-says"),
                Call("guest-boot"),
                Call("guest-cut"),
                after("guest-says", spoil.removed(f"{system32}\\icacls.exe")),
                Call("guest-works"),
                Call("guest-says"),
                after("guest-says", spoil.written(kept)),
                Call("guest-says"),
                after("guest-boot", spoil.key_made(servicing)),
                after("guest-boot", spoil.key_made(update)),
                after("guest-stopped", spoil.removed(f"{system32}\\cmd.exe")),
            ),
        ),
        one("guests-denied", "box", "guest-says", spoil.change(lambda d: d.setdefault("access", {}).update(locked))),
    ]
