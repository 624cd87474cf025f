"""The probe's functions really run by bash, on machines made of recorded answers of the programs that they ask."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provision.facts import cluster, linux
from provision.facts.base import MachineFacts, parse_facts
from provision.render.engine import render

SYSTEMCTL = """Id=containerd.service
ActiveState=active
UnitFileState=enabled

Id=kubelet.service
ActiveState=inactive
UnitFileState=
"""
CTR_VERSION = """Client:
  Version:  v2.3.4
  Revision: 0123456789abcdef
  Go version: go1.26.4

Server:
  Version:  v2.3.4
  Revision: 0123456789abcdef
  UUID: 5f0e6f1c-0000-0000-0000-000000000000
"""
CTR_PLUGINS = """TYPE                                      ID                       PLATFORMS         STATUS
io.containerd.content.v1                  content                  -                 ok
io.containerd.snapshotter.v1              btrfs                    linux/amd64       skip
io.containerd.cri.v1                      runtime                  linux/amd64       ok
io.containerd.grpc.v1                     cri                      -                 {cri}
"""
LINKS = """lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>
eth0             UP             08:00:27:11:22:33 <BROADCAST,MULTICAST,UP,LOWER_UP>
kube             UP             00:50:56:01:02:03 <BROADCAST,MULTICAST,UP,LOWER_UP>
eth2             DOWN           08:00:27:11:22:44 <BROADCAST,MULTICAST>
cali0a1b2c3@if3  UP             ee:ee:ee:ee:ee:ee <BROADCAST,MULTICAST,UP,LOWER_UP>
vxlan.calico     UNKNOWN        66:00:00:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP>
"""
ADDRESSES = """lo               UNKNOWN        127.0.0.1/8
eth0             UP             10.0.2.15/24
kube             UP             192.168.56.10/24 192.168.56.99/24
vxlan.calico     UNKNOWN        10.244.120.64/32
"""
NODES = (
    "cp1|linux|Ubuntu 24.04.3 LTS|v1.36.4|containerd://2.3.4|True|192.168.56.10|||kubelet is posting ready status\n"
    "winw1|windows|Windows Server 2022 Standard|v1.36.4|containerd://2.3.4|False|192.168.56.11|os node.kubernetes.io/"
    'not-ready|worker|container runtime network not ready: "cni" | config uninitialized\n'
)
WORKLOADS = (
    "DaemonSet|kube-system|kube-proxy-windows|1|0|||0123456789abcdef\n"
    "Deployment|kube-system|coredns|||2|2|\n"
    "Deployment|tigera-operator|tigera-operator|||1||\n"
)
CHECKS = """linux-7c9f|linux|Running|True|cp1|0123456789abcdef|
windows-x2x4z|windows|Pending|False|winw1||ContainerCreating
"""
CERTIFICATES = """[check-expiration] Reading configuration from the "kubeadm-config" ConfigMap...

CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
admin.conf                 Nov 21, 2027 08:00 UTC   364d            ca                      no
apiserver                  Nov 20, 2026 08:00 UTC   <invalid>       ca                      no

CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
ca                      Nov 18, 2036 08:00 UTC   9y              no
"""


class Computer:
    """A folder that stands for a machine: its files, and stubs of the programs that the probe asks."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.bin = folder / "bin"
        self.bin.mkdir()

    def says(self, program: str, *cases: tuple[str, str], code: int = 0) -> None:
        """``program`` answers with the text of the first case whose words are in its arguments."""
        lines = ["#!/bin/bash", 'case " $* " in']
        for number, (words, answer) in enumerate(cases):
            (self.root / f"{program}-{number}").write_text(answer)
            lines.append(f"*{words!r}*) cat {self.root}/{program}-{number}; exit {code} ;;")
        lines += ["esac", "exit 1"]
        path = self.bin / program
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o755)

    def script(self, program: str, text: str) -> None:
        path = self.bin / program
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def file(self, path: str, text: str = "") -> Path:
        made = self.root / path.lstrip("/")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(text)
        return made

    def link(self, path: str) -> None:
        made = self.root / path.lstrip("/")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.symlink_to("/dev/null")

    def probe(self, *sections: str, limit: int | None = None) -> MachineFacts:
        text = render("facts/linux/probe.sh", sections=list(sections))
        for place in ("/etc/", "/var/lib/hybrid", "/run/"):
            text = text.replace(place, f"{self.root}{place}")
        text = text.replace("PATH=/usr/local/sbin", f"PATH={self.bin}:/usr/local/sbin")
        if limit is not None:
            for section in sections:
                text = text.replace(f"facts_{section} 10", f"facts_{section} {limit}")
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return MachineFacts("running", parse_facts(done.stdout))

    def raw(self, section: str) -> dict[str, Any]:
        return dict(self.probe(section).sections[section])


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


def test_network_cards_without_those_of_pods(computer: Computer) -> None:
    computer.says(
        "ip",
        ("-brief link show", LINKS),
        ("-brief -4 address show", ADDRESSES),
        ("-4 route show default", "default via 10.0.2.2 dev eth0 proto dhcp src 10.0.2.15 metric 100\n"),
    )
    computer.file("/etc/hybrid/network", "00:50:56:01:02:03 192.168.56.10/24\n")
    seen = computer.probe("network").get(linux.Network)
    assert set(seen.cards) == {"eth0", "kube", "eth2"}
    assert seen.cards["kube"].addresses == ("192.168.56.10/24", "192.168.56.99/24")
    assert (seen.cards["kube"].mac, seen.cards["kube"].up) == ("00:50:56:01:02:03", True)
    assert (seen.cards["eth2"].up, seen.cards["eth2"].addresses) == (False, ())
    assert seen.default_card == "eth0"
    assert seen.kept == "", "the unit is not enabled"

    computer.link("/etc/systemd/system/multi-user.target.wants/hybrid-network.service")
    assert computer.probe("network").get(linux.Network).kept == "00:50:56:01:02:03 192.168.56.10/24"


def test_services_and_containerd(computer: Computer) -> None:
    computer.says("systemctl", ("show", SYSTEMCTL))
    computer.says("ctr", ("version", CTR_VERSION), ("plugins ls", CTR_PLUGINS.format(cri="ok")))
    config = computer.file("/etc/containerd/config.toml", "version = 3\n")
    computer.file(
        "/etc/systemd/system/containerd.service.d/10-proxy.conf",
        '[Service]\nEnvironment="HTTP_PROXY=http://a%%20b@p:1"\nEnvironment="NO_PROXY=localhost,10.0.0.0/8"\n',
    )
    seen = computer.probe("services", "containerd")
    units = seen.get(linux.Services).units
    assert (units["containerd"].active, units["containerd"].enabled) == ("active", "enabled")
    assert (units["kubelet"].active, units["kubelet"].enabled) == ("inactive", "")
    runtime = seen.get(linux.Containerd)
    assert (runtime.version, runtime.cri) == ("2.3.4", True)
    assert runtime.environment == ("HTTP_PROXY=http://a%20b@p:1", "NO_PROXY=localhost,10.0.0.0/8")
    assert runtime.config_digest == hashlib.sha256(config.read_bytes()).hexdigest()


def test_a_containerd_whose_kubernetes_side_failed(computer: Computer) -> None:
    computer.says("ctr", ("version", CTR_VERSION), ("plugins ls", CTR_PLUGINS.format(cri="error")))
    assert not computer.probe("containerd").get(linux.Containerd).cri


def test_a_containerd_that_does_not_answer(computer: Computer) -> None:
    computer.script("ctr", "echo 'ctr: failed to dial' >&2; exit 1")
    seen = computer.probe("containerd").get(linux.Containerd)
    assert (seen.version, seen.cri, seen.config_digest) == ("", False, "")


def test_a_section_that_hangs_is_unknown_and_holds_up_no_other(computer: Computer) -> None:
    computer.script("ctr", "exec sleep 30")
    computer.says("systemctl", ("show", SYSTEMCTL))
    seen = computer.probe("containerd", "services", limit=3).sections
    assert seen["containerd"] == {"unknown": "it took longer than 3 s"}
    assert "units" in seen["services"]


def test_a_program_that_fails_makes_its_section_unknown(computer: Computer) -> None:
    computer.script("systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    assert computer.raw("services") == {"unknown": "the probe of this section failed"}


def test_delivered_files_are_hashed_only_when_their_record_is_stale(computer: Computer) -> None:
    runc = computer.file("/var/lib/hybrid/files/runc", "runc")
    kubelet = computer.file("/var/lib/hybrid/files/kubelet", "kubelet")
    computer.file("/var/lib/hybrid/files/crictl.part", "half")
    recorded, right = "ab" * 32, hashlib.sha256(b"kubelet").hexdigest()
    computer.file("/var/lib/hybrid/delivered/runc", f"{recorded} 4 {int(runc.stat().st_mtime)}\n")
    computer.file("/var/lib/hybrid/delivered/kubelet", f"{recorded} 4 {int(kubelet.stat().st_mtime)}\n")
    files = computer.probe("delivered").get(linux.Delivered).files
    assert set(files) == {"runc", "kubelet"}
    assert (files["runc"].sha256, files["runc"].size) == (recorded, 4)
    assert (files["kubelet"].sha256, files["kubelet"].size) == (right, 7)


def test_nothing_delivered_or_installed_yet(computer: Computer) -> None:
    seen = computer.probe("delivered", "installed", "stamp")
    assert seen.get(linux.Delivered).files == {}
    assert seen.get(linux.Installed).components == {}
    assert not seen.get(linux.Stamp).text


@pytest.mark.parametrize("harm", ["", "changed", "gone"])
def test_installed_components_and_their_files(computer: Computer, harm: str) -> None:
    files = [computer.file(f"/opt/cni/bin/{name}", name) for name in ("bridge", "a file")]
    lines = [f"file {path.stat().st_size} {int(path.stat().st_mtime)} {path}" for path in files]
    computer.file(
        "/var/lib/hybrid/installed/cni-plugins", "digest cni-plugins-linux.tgz 00ff\n" + "\n".join(lines) + "\n"
    )
    if harm == "changed":
        files[1].write_text("longer than before")
    if harm == "gone":
        files[0].unlink()
    found = computer.probe("installed").get(linux.Installed).components["cni-plugins"]
    assert found.digests == {"cni-plugins-linux.tgz": "00ff"}
    assert found.intact is (not harm)
    assert bool(found.detail) is bool(harm)


def test_kubeadm_counts_only_when_it_ended_well(computer: Computer) -> None:
    computer.file("/etc/kubernetes/admin.conf")
    for name in ("etcd", "kube-apiserver"):
        computer.file(f"/etc/kubernetes/manifests/{name}.yaml")
    seen = computer.probe("kubeadm").get(linux.Kubeadm)
    assert (seen.initialised, seen.joined, seen.manifests) == (False, False, ("etcd", "kube-apiserver"))
    computer.file("/var/lib/hybrid/kubeadm/initialised")
    computer.file("/var/lib/hybrid/kubeadm/joined")
    seen = computer.probe("kubeadm").get(linux.Kubeadm)
    assert (seen.initialised, seen.joined) == (True, False)
    computer.file("/etc/kubernetes/kubelet.conf")
    assert computer.probe("kubeadm").get(linux.Kubeadm).joined


def test_a_stamp_with_every_awkward_character(computer: Computer) -> None:
    text = '{"a": "it\'s \\"quoted\\" \\\\ $HOME `x` & \u00e9"}'
    computer.file("/var/lib/hybrid/stamp.json", text + "\n")
    seen = computer.probe("stamp").get(linux.Stamp)
    assert seen.text == text


def test_egress(computer: Computer) -> None:
    computer.says("nft", ("list table ip hybrid_egress", "table ip hybrid_egress {\n  ip saddr x masquerade\n}\n"))
    computer.link("/etc/systemd/system/multi-user.target.wants/hybrid-egress.service")
    seen = computer.probe("egress").get(linux.Egress)
    assert (seen.masquerade, seen.kept) == (True, True)
    computer.script("nft", "echo 'No such file or directory' >&2; exit 1")
    assert not computer.probe("egress").get(linux.Egress).masquerade


def test_without_a_cluster_its_facts_are_unknown(computer: Computer) -> None:
    for section in cluster.SECTIONS:
        assert computer.raw(section.name) == {"unknown": "there is no cluster yet"}


def test_an_api_that_does_not_answer_is_unknown_with_its_words(computer: Computer) -> None:
    computer.file("/etc/kubernetes/admin.conf")
    computer.script("kubectl", "echo 'The connection to the server 192.168.56.10:6443 was refused' >&2; exit 1")
    assert computer.raw("cluster.nodes") == {"unknown": "The connection to the server 192.168.56.10:6443 was refused"}


def test_what_the_api_says(computer: Computer) -> None:
    computer.file("/etc/kubernetes/admin.conf")
    crds = "\n".join(f"customresourcedefinition.apiextensions.k8s.io/{name}" for name in ("a", "b", "c"))
    computer.says(
        "kubectl",
        ("get nodes", NODES),
        ("get daemonsets,deployments", WORKLOADS),
        ("get secrets", "bootstrap-token-abcdef\nbootstrap-token-ghijkl\n"),
        ("get pods --namespace hybrid-check", CHECKS),
        ("get customresourcedefinitions", crds),
        ("get installations", "0123456789abcdef"),
        ("get ipamconfigs", "true"),
        ("get tigerastatuses", "apiserver|True|\ncalico|False|calico-node is not ready\nippools||\n"),
        ("get configmap", "192.168.56.10:6443"),
    )
    computer.says("kubeadm", ("certs check-expiration", CERTIFICATES))
    seen = computer.probe(*(section.name for section in cluster.SECTIONS))

    nodes = seen.get(cluster.Nodes)
    windows = nodes.find("winw1")
    assert windows is not None
    assert (windows.os, windows.ready, windows.internal_ip, windows.role) == (
        "windows",
        False,
        "192.168.56.11",
        "worker",
    )
    assert windows.taints == ("os", "node.kubernetes.io/not-ready")
    assert windows.reason == 'container runtime network not ready: "cni" | config uninitialized'
    first = nodes.nodes[0]
    assert (first.name, first.ready, first.taints, first.role) == ("cp1", True, (), "")
    assert (first.os_image, first.kubelet_version) == ("Ubuntu 24.04.3 LTS", "v1.36.4")

    calico = seen.get(cluster.Calico)
    assert (calico.crds, calico.strict_affinity, calico.installation) == (True, True, "0123456789abcdef")
    assert calico.endpoint == "192.168.56.10:6443"
    assert calico.status["apiserver"].available
    assert (calico.status["calico"].available, calico.status["calico"].message) == (False, "calico-node is not ready")
    assert "ippools" not in calico.status

    workloads = seen.get(cluster.Workloads).workloads
    assert (workloads["kube-system/kube-proxy-windows"].wanted, workloads["kube-system/kube-proxy-windows"].ready) == (
        1,
        0,
    )
    assert workloads["kube-system/kube-proxy-windows"].digest == "0123456789abcdef"
    assert (workloads["kube-system/coredns"].wanted, workloads["kube-system/coredns"].ready) == (2, 2)
    assert (
        workloads["tigera-operator/tigera-operator"].wanted,
        workloads["tigera-operator/tigera-operator"].ready,
    ) == (1, 0)

    assert seen.get(cluster.Tokens).ours == ("abcdef", "ghijkl")
    pods = seen.get(cluster.Checks).pods
    assert (pods["linux-7c9f"].ready, pods["linux-7c9f"].node) == (True, "cp1")
    assert (pods["windows-x2x4z"].ready, pods["windows-x2x4z"].reason) == (False, "ContainerCreating")
    days = {row.name: row.days for row in seen.get(cluster.Certificates).certificates}
    assert days == {"admin.conf": 364, "apiserver": 0, "ca": 9 * 365}


def test_a_cluster_without_calico_and_without_pods(computer: Computer) -> None:
    computer.file("/etc/kubernetes/admin.conf")
    computer.script("kubectl", "exit 0")
    seen = computer.probe("cluster.calico", "cluster.checks", "cluster.tokens", "cluster.workloads")
    assert not seen.get(cluster.Calico).crds
    assert seen.get(cluster.Checks).pods == {}
    assert seen.get(cluster.Tokens).ours == ()
    assert seen.get(cluster.Workloads).workloads == {}
