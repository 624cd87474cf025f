"""Broken settings files: each gives exactly the complaints that it should, with line, key and remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from provision.settings.problems import BadSettings, dotted
from tests.unit.settings.conftest import Loader


@dataclass(frozen=True)
class Said:
    """One complaint: its line (None outside of the file), key, and what it and its remedy match."""

    line: int | None
    key: str
    what: str
    remedy: str


def case(name: str, text: str | bytes, *said: Said) -> object:
    return pytest.param(text, said, id=name)


CP = "  - {name: cp1, os: linux, role: control-plane}\n"
MACHINES = "machines:\n" + CP

CASES = [
    # The form of the file.
    case("tab", "kubernetes:\n\tversion: 1.36\n", Said(2, "", r"'\\t'", "spaces")),
    case("not yaml", "cluster: {name: a\ncni: calico\n", Said(2, "", "expected|mapping", "missing")),
    case("bad indentation", "cluster:\n  name: a\n cni: calico\n", Said(3, "", "block", "indentation")),
    case("two documents", "cni: calico\n---\ncni: antrea\n", Said(2, "", "single document", "delete the line")),
    case("no table", "- cni\n", Said(1, "", "not a table", "key: value")),
    case("control character", "cni: cal\x07ico\n", Said(1, "", r"U\+0007", "delete")),
    case("not utf-8", b"cluster:\n  name: \xff\n", Said(2, "", "not UTF-8", "UTF-8")),
    case("alias without anchor", "cni: *which\n", Said(1, "", "undefined alias", "anchor")),
    case(
        "duplicate key",
        "cni: calico\ncluster:\n  name: a\ncni: antrea\n",
        Said(4, "cni", "twice, first in line 1", "keep one"),
    ),
    case(
        "duplicate key below",
        "kubernetes:\n  verbosity: 2\n  verbosity: 3\n",
        Said(3, "kubernetes.verbosity", "twice", "keep one"),
    ),
    case("part is a value", "network: 10.0.0.0/8\n", Said(1, "network", "a table is wanted", "pods, services")),
    case("part is a list", "network:\n  - pods\n", Said(2, "network", "a list where", "pods, services")),
    case("value is a table", "cni: {name: calico}\n", Said(1, "cni", "one value is wanted", "the pod network")),
    case("machines are no list", "machines: {cp1: linux}\n", Said(1, "machines", "not a list", "dash")),
    # Keys.
    case(
        "misspelt key", "kubernets:\n  version: 1.36\n", Said(1, "kubernets", "no such key", "did you mean kubernetes")
    ),
    case(
        "misspelt key below",
        "kubernetes:\n  verson: 1.36\n",
        Said(2, "kubernetes.verson", "no such key", r"kubernetes\.version"),
    ),
    case("key at the wrong place", "pods: 10.1.0.0/16\n", Said(1, "pods", "no such key", r"network\.pods")),
    case("hopeless key", "zzzzqq: 1\n", Said(1, "zzzzqq", "no such key", "known here: cluster, provider")),
    case(
        "old key in today's form",
        "cluster:\n  name: a\npod_cidr: 10.1.0.0/16\n",
        Said(3, "pod_cidr", "no such key", r"older spelling: network\.pods"),
    ),
    case(
        "misspelt machine key",
        MACHINES + "  - name: w\n    os: windows\n    memroy: 4096\n",
        Said(5, "machines.w.memroy", "no such key", r"machines\.\w+\.memory"),
    ),
    # Single values.
    case("choice", "cni: cilium\n", Said(1, "cni", "'cilium' is not known", "calico, antrea, flannel")),
    case("choice nearly", "provider: virtualbx\n", Said(1, "provider", "not known", "did you mean virtualbox")),
    case("version", "kubernetes:\n  version: latest\n", Said(2, "kubernetes.version", "not a version", "1.36.4")),
    case("sha", "kubernetes:\n  sha: master\n", Said(2, "kubernetes.sha", "not a commit", "go to ref")),
    case(
        "whole number",
        MACHINES + "  - {name: w, os: linux, cpus: two}\n",
        Said(3, "machines.w.cpus", "whole number", "processors"),
    ),
    case("limit", "kubernetes:\n  verbosity: 11\n", Said(2, "kubernetes.verbosity", "out of range", "at most 10")),
    case("boolean", "features:\n  prepull: maybe\n", Said(2, "features.prepull", "'maybe'", "true, false")),
    case("timeout", "timeouts:\n  boot: 0\n", Said(2, "timeouts.boot", "out of range", "more than 0")),
    case("timeout with unit", "timeouts:\n  boot: 5m\n", Said(2, "timeouts.boot", "not a number", "seconds")),
    case(
        "memory with unit",
        MACHINES + "  - {name: w, os: linux, memory: 4Gi}\n",
        Said(3, "machines.w.memory", "unit", "MiB: write 4096"),
    ),
    case(
        "memory in bytes",
        MACHINES + "  - {name: w, os: linux, memory: 4294967296}\n",
        Said(3, "machines.w.memory", "more than", "MiB"),
    ),
    case(
        "memory tiny",
        MACHINES + "  - {name: w, os: linux, memory: 512}\n",
        Said(3, "machines.w.memory", "out of range", "at least 1024"),
    ),
    case(
        "cidr host bits", "network:\n  pods: 10.244.1.5/16\n", Said(2, "network.pods", "bits set", r"10\.244\.0\.0/16")
    ),
    case("cidr nonsense", "network:\n  pods: all\n", Said(2, "network.pods", "not a network", "address/prefix")),
    case("cidr v6", "network:\n  pods: fd00::/64\n", Said(2, "network.pods", "not IPv4", "IPv4")),
    case(
        "address with prefix",
        MACHINES + "  - {name: w, os: linux, address: 192.168.56.20/24}\n",
        Said(3, "machines.w.address", "not an IPv4 address", "without a prefix"),
    ),
    case(
        "mac",
        MACHINES + "  - {name: w, os: linux, mac: 00:50:56:00:10}\n",
        Said(3, "machines.w.mac", "not a MAC", "six pairs"),
    ),
    case(
        "mac multicast",
        MACHINES + "  - {name: w, os: linux, mac: 01:50:56:00:10:20}\n",
        Said(3, "machines.w.mac", "multicast", "even"),
    ),
    case("cluster name", "cluster:\n  name: My_Cluster\n", Said(2, "cluster.name", "cannot name", "my-cluster")),
    case("egress", "network:\n  egress: nat\n", Said(2, "network.egress", "no way out", "control-plane, none")),
    case("proxy", "network:\n  proxy: proxy:3128\n", Said(2, "network.proxy", "scheme", "http://")),
    case("missing os", MACHINES + "  - name: w\n", Said(3, "machines.w.os", "is missing", "linux or windows")),
    case("missing name", MACHINES + "  - os: linux\n", Said(3, "machines.2.name", "is missing", "host name")),
    case(
        "password in the file",
        MACHINES + "  - {name: win-w1, os: windows, password: hunter22}\n",
        Said(3, "machines.win-w1.password", "does not belong", "HYBRID_PASSWORD_WIN_W1"),
    ),
    # Versions against each other.
    case(
        "kubernetes too old",
        "kubernetes:\n  version: 1.26\n",
        Said(2, "kubernetes.version", r"too old.*1\.33", '"1.34"'),
    ),
    case(
        "kubernetes too new",
        "kubernetes:\n  version: 1.44\n",
        Said(2, "kubernetes.version", r"newer than all", '"1.36"'),
    ),
    case(
        "calico too new for the release",
        "kubernetes:\n  version: 1.33\n",
        Said(2, "calico.version", r"1\.34 to 1\.36, not 1\.33", r"calico\.version: 3\.31\.7"),
    ),
    case(
        "release too new for calico",
        "kubernetes:\n  version: 1.37\n",
        Said(2, "calico.version", r"not 1\.37", r'kubernetes\.version: "1\.36"'),
    ),
    case(
        "a patch of a release too new for calico",
        "kubernetes:\n  version: 1.44.1\n",
        Said(2, "calico.version", r"not 1\.44", r'kubernetes\.version: "1\.36"'),
    ),
    case("no CI build", "kubernetes:\n  version: ci/newest\n", Said(2, "kubernetes.version", "no CI", "ci/latest")),
    case(
        "CI and release",
        "kubernetes:\n  version: ci/latest\n  control_plane: release\n",
        Said(3, "kubernetes.control_plane", "is a CI build", "delete control_plane"),
    ),
    case(
        "a release from source that is a commit",
        "kubernetes:\n  sha: abcdef1\n  from_source: true\n",
        Said(3, "kubernetes.from_source", "sha is none", "delete"),
    ),
    case("calico unknown", "calico:\n  version: 3.25\n", Said(2, "calico.version", "too old", r"3\.32\.1")),
    case(
        "containerd too old",
        "containerd:\n  linux: 1.7.34\n",
        Said(2, "containerd.linux", r"does not support Kubernetes 1\.36", r"2\.3\.4"),
    ),
    case(
        "containerd patch too old",
        "kubernetes:\n  version: 1.35\ncontainerd:\n  windows: 2.1.4\n",
        Said(4, "containerd.windows", r"needs 2\.1\.5", r"2\.1\.9"),
    ),
    case(
        "containerd unknown, both",
        "containerd:\n  linux: 1.6.15\n  windows: 1.6.15\n",
        Said(2, "containerd.linux", "too old", r"containerd\.linux and containerd\.windows: 2\.3\.4"),
    ),
    case(
        "sha and ref",
        "kubernetes:\n  sha: abcdef1\n  ref: master\n",
        Said(3, "kubernetes.ref", "same time", "keep one"),
    ),
    case(
        "sha and version",
        "kubernetes:\n  version: 1.35\n  sha: abcdef1\n",
        Said(3, "kubernetes.sha", "sha and version", "control_plane: release"),
    ),
    case("hcsshim twice", "hcsshim:\n  sha: abcdef1\n  ref: main\n", Said(3, "hcsshim.ref", "same time", "keep one")),
    case(
        "kubelet newer than the control plane",
        "kubernetes:\n  version: 1.35\n  ref: v1.36.0\n  control_plane: release\n",
        Said(3, "kubernetes.ref", r"newer than the control plane", r"1\.36"),
    ),
    case(
        "kubelet four minors older",
        "kubernetes:\n  compatibility: 1.32\n  binaries: {kubelet.exe: ./kubelet.exe}\n",
        Said(2, "kubernetes.compatibility", "more than 3 minors older", r"1\.33 to 1\.36"),
    ),
    case(
        "compatibility of nothing",
        "kubernetes:\n  compatibility: 1.36\n",
        Said(2, "kubernetes.compatibility", "says nothing", "delete"),
    ),
    case(
        "unknown binary",
        "kubernetes:\n  binaries:\n    kublet.exe: ./k.exe\n",
        Said(3, "kubernetes.binaries.kublet.exe", "no machine", "did you mean kubelet.exe"),
    ),
    case(
        "unknown component",
        "kubernetes:\n  extra_args:\n    kubelt: {v: 4}\n",
        Said(3, "kubernetes.extra_args.kubelt", "no such component", "kubelet"),
    ),
    case(
        "flag with dashes",
        "kubernetes:\n  extra_args:\n    kubelet:\n      --v: 4\n",
        Said(4, "kubernetes.extra_args.kubelet.--v", "dashes", "write v"),
    ),
    case(
        "removed kubelet flag",
        "kubernetes:\n  extra_args:\n    kubelet:\n      pod-infra-container-image: x\n",
        Said(4, "kubernetes.extra_args.kubelet.pod-infra-container-image", "removed", "delete"),
    ),
    case(
        "cni does not support this Windows",
        MACHINES + "  - {name: w, os: windows, windows_version: 2025}\n",
        Said(3, "machines.w.windows_version", "does not support Windows Server 2025", '"2022"'),
    ),
    # Networks.
    case(
        "pods in services",
        "network:\n  pods: 10.96.0.0/16\n",
        Said(2, "network.pods", r"overlaps network\.services", r"10\.1\.0\.0/16"),
    ),
    case(
        "services over machines",
        "network:\n  services: 192.168.56.0/20\n",
        Said(2, "network.services", r"overlaps|bits", r"apart|192\.168\.48\.0/20"),
    ),
    case(
        "pod network too small",
        "network:\n  pods: 10.244.0.0/25\n",
        Said(2, "network.pods", "no room for 2 nodes", "/16"),
    ),
    case(
        "services too large",
        "network:\n  services: 10.0.0.0/9\n",
        Said(2, "network.services", "larger than /12", "12 to 28"),
    ),
    case(
        "outside of VirtualBox's range",
        "provider: virtualbox\nnetwork:\n  machines: 10.20.30.0/24\n",
        Said(3, "network.machines", r"192\.168\.56\.0/21", r"192\.168\.56\.0/24"),
    ),
    case(
        "gateway elsewhere",
        "network:\n  egress: 10.9.9.9\n",
        Said(2, "network.egress", "not on the machines' network", "control-plane"),
    ),
    case(
        "gateway is a machine",
        "network:\n  egress: 192.168.56.11\n",
        Said(2, "network.egress", "one of the machines", "control-plane"),
    ),
    case(
        "address outside",
        MACHINES + "  - {name: w, os: linux, address: 192.168.60.20}\n",
        Said(3, "machines.w.address", "outside of network.machines", r"192\.168\.56\.10"),
    ),
    case(
        "address twice",
        MACHINES
        + "  - {name: a, os: linux, address: 192.168.56.30}\n  - {name: b, os: linux, address: 192.168.56.30}\n",
        Said(4, "machines.b.address", "a's address", "its own"),
    ),
    case(
        "network address",
        MACHINES + "  - {name: w, os: linux, address: 192.168.56.0}\n",
        Said(3, "machines.w.address", "network itself", "such as"),
    ),
    case(
        "broadcast address",
        MACHINES + "  - {name: w, os: linux, address: 192.168.56.255}\n",
        Said(3, "machines.w.address", "broadcast", "such as"),
    ),
    case(
        "this computer's address",
        MACHINES + "  - {name: w, os: linux, address: 192.168.56.1}\n",
        Said(3, "machines.w.address", "this computer's own", "such as"),
    ),
    case(
        "no address left",
        "network:\n  machines: 192.168.56.0/29\n",
        Said(2, "machines.cp1.address", "no address left", "larger"),
        Said(2, "machines.winw1.address", "no address left", "larger"),
    ),
    case(
        "mac twice",
        MACHINES
        + "  - {name: a, os: linux, mac: 02:00:00:00:00:01}\n  - {name: b, os: linux, mac: 02-00-00-00-00-01}\n",
        Said(4, "machines.b.mac", "a's MAC", "its own"),
    ),
    case(
        "mac that VMware refuses",
        "provider: vmware_desktop\n" + MACHINES + "  - {name: a, os: linux, mac: 02:00:00:00:00:01}\n",
        Said(4, "machines.a.mac", "VMware", "00:50:56"),
    ),
    # Machines.
    case(
        "no control plane",
        "machines:\n  - {name: w, os: linux}\n",
        Said(1, "machines", "no machine has the control plane", "role: control-plane"),
    ),
    case(
        "two control planes",
        MACHINES + "  - {name: cp2, os: linux, role: control-plane}\n",
        Said(3, "machines.cp2.role", "cp1 has the control plane", "worker"),
    ),
    case(
        "control plane on Windows",
        "machines:\n  - {name: w, os: windows, role: control-plane}\n",
        Said(2, "machines.w.role", "no control plane on Windows", "worker"),
    ),
    case(
        "Windows name too long",
        MACHINES + "  - {name: windows-worker-01, os: windows}\n",
        Said(3, "machines.windows-worker-01.name", "17 characters", "windows-worker$|windows-worker-?0?"),
    ),
    case(
        "name with capitals",
        MACHINES + "  - {name: WinW1, os: windows}\n",
        Said(3, "machines.WinW1.name", "no host name", "name: winw1"),
    ),
    case(
        "name with underscore",
        MACHINES + "  - {name: win_1, os: windows}\n",
        Said(3, "machines.win_1.name", "no host name", "win-1"),
    ),
    case(
        "name of digits",
        MACHINES + "  - {name: 2022, os: windows}\n",
        Said(3, "machines.2022.name", "all digits", "node2022"),
    ),
    case(
        "name twice",
        MACHINES + "  - {name: cp1, os: linux}\n",
        Said(3, "machines.cp1.name", "two machines cp1", "its own"),
    ),
    case(
        "WinRM on Linux",
        MACHINES + "  - {name: w, os: linux, transport: winrm}\n",
        Said(3, "machines.w.transport", "does not speak WinRM", "ssh"),
    ),
    case(
        "small control plane",
        "machines:\n  - {name: cp1, os: linux, role: control-plane, memory: 1024, cpus: 1}\n",
        Said(2, "machines.cp1.memory", "kubeadm refuses less than 1700", "2048"),
        Said(2, "machines.cp1.cpus", "less than 2 processors", "cpus: 2"),
    ),
    case(
        "small Windows",
        MACHINES + "  - {name: w, os: windows, memory: 1536}\n",
        Said(3, "machines.w.memory", "too little for Windows", "4096"),
    ),
    case(
        "no box of Windows 2019",
        "provider: libvirt\n" + MACHINES + "  - {name: w, os: windows, windows_version: 2019}\n",
        Said(4, "machines.w.box", "no maintained box of Windows Server 2019", "box_url"),
    ),
    case(
        "version of a box file",
        MACHINES + "  - {name: w, os: windows, box: ./w.box, box_version: 1.0}\n",
        Said(3, "machines.w.box_version", "no versions", "delete"),
    ),
    case(
        "existing without host",
        "provider: existing\n" + MACHINES,
        Said(3, "machines.cp1.host", "needs the host of cp1", "add host"),
        Said(3, "machines.cp1.user", "needs the user", "add user"),
    ),
    case(
        "host with Vagrant",
        "provider: libvirt\nmachines:\n  - {name: cp1, os: linux, role: control-plane, host: h}\n",
        Said(3, "machines.cp1.host", "provider existing only", "delete it"),
    ),
    case(
        "key with WinRM",
        MACHINES + "  - {name: w, os: windows, transport: winrm, key: ./id}\n",
        Said(3, "machines.w.key", "password, not a key", "ssh"),
    ),
    case(
        "options of no provider",
        "provider_options:\n  virtualbx: {gui: true}\n",
        Said(2, "provider_options.virtualbx", "no provider of this name", "did you mean virtualbox"),
    ),
    case(
        "option that libvirt does not have",
        "provider_options:\n  libvirt:\n    memroy: 1\n",
        Said(3, "provider_options.libvirt.memroy", "libvirt has no such option", "did you mean memory"),
    ),
    case(
        "option of the inactive provider, far from all",
        "provider: libvirt\nprovider_options:\n  hyperv: {zzzzzz: 1}\n",
        Said(3, "provider_options.hyperv.zzzzzz", "no such option", "vm, ssh, winrm$"),
    ),
    case(
        "switch of VMware",
        "provider_options:\n  vmware_desktop: {switch: x}\n",
        Said(2, "provider_options.vmware_desktop.switch", "no such option", "."),
    ),
    case(
        "Hyper-V has no second card to give options to",
        "provider_options:\n  hyperv: {network: {mac: x}}\n",
        Said(2, "provider_options.hyperv.network", "no such option", "."),
    ),
    case(
        "options that are no table",
        "provider_options:\n  libvirt: {network: x}\n",
        Said(2, "provider_options.libvirt.network", "no table", "keys below"),
    ),
    case(
        "options of no machine",
        "provider_options:\n  libvirt: {machines: {cp2: {}}}\n",
        Said(2, "provider_options.libvirt.machines.cp2", "no machine cp2", "did you mean cp1"),
    ),
    case(
        "options of a machine",
        "provider_options:\n  libvirt: {machines: {cp1: {memroy: 1}, winw1: 3}}\n",
        Said(2, "provider_options.libvirt.machines.cp1.memroy", "no such option", "memory"),
        Said(2, "provider_options.libvirt.machines.winw1", "no table", "below the machine"),
    ),
    case(
        "options of machines that are no table",
        "provider_options:\n  libvirt: {machines: 3}\n",
        Said(2, "provider_options.libvirt.machines", "no table", "machine names"),
    ),
    case(
        "mirror of a host",
        "mirrors: {dl.k8s.io: /srv}\n",
        Said(1, "mirrors.dl.k8s.io", "nothing would be asked there", "https://dl.k8s.io$"),
    ),
    case(
        "mirror that cannot be asked",
        "mirrors:\n  https://dl.k8s.io: s3://bucket\n",
        Said(2, "mirrors.https://dl.k8s.io", "s3:// cannot be asked", "folder"),
    ),
    # One complaint for one mistake.
    case(
        "a system that there is not",
        MACHINES + "  - {name: w, os: Windows}\n",
        Said(3, "machines.w.os", "'Windows' is not known", "did you mean windows"),
    ),
    case(
        "a machine that is a name",
        "machines:\n  - cp1\n",
        Said(2, "machines.1", "the single value 'cp1'", r"behind the dash: name, os, role, (?!.*password)"),
    ),
    case("an empty machine", "machines:\n  -\n", Said(2, "machines.1", "is empty", "write its keys.*name, os")),
    case(
        "misspelt role",
        "machines:\n  - {name: cp1, os: linux, rol: control-plane}\n",
        Said(2, "machines.cp1.rol", "no such key", r"machines\.\w+\.role"),
    ),
    case(
        "flags without a component",
        "kubernetes:\n  extra_args: {v: 4}\n",
        Said(2, "kubernetes.extra_args.v", "a table is wanted", "component -> flag"),
    ),
    case("containerd's word", "containerd:\n  linux: latest\n", Said(2, "containerd.linux", "no|not", r"2\.3\.4")),
    case("pods without a prefix", "network:\n  pods: 10.244.0.0\n", Said(2, "network.pods", "no prefix", "/16")),
    case(
        "proxy of another kind",
        "network:\n  proxy: socks5://joe:hunter22@p:1080\n",
        Said(2, "network.proxy", "socks5:// is no HTTP proxy", "http://"),
    ),
    # Several at once.
    case(
        "what is wrong with one machine hides nothing of the others",
        "machines:\n  - {name: A, os: linux}\n  - {name: b, os: windows, memory: 10}\n",
        Said(1, "machines", "no machine has the control plane", "role"),
        Said(2, "machines.A.name", "no host name", "name: a"),
        Said(3, "machines.b.memory", "out of range", "at least 1024"),
    ),
    case(
        "all in one report",
        "cni: cilium\nkubernetes:\n  version: 1.20\nnetwork:\n  egress: nat\nfoo: 1\n",
        Said(1, "cni", "not known", "calico"),
        Said(3, "kubernetes.version", "too old", '"1.34"'),
        Said(5, "network.egress", "no way out", "none"),
        Said(6, "foo", "no such key", "known here"),
    ),
]


def test_there_are_forty_or_more() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize(("text", "said"), CASES)
def test_complaints(loading: Loader, text: str | bytes, said: tuple[Said, ...]) -> None:
    with pytest.raises(BadSettings) as caught:
        loading(text)
    found = caught.value.problems
    assert len(found) == len(said), str(caught.value)
    for problem, wanted in zip(found, said, strict=True):
        assert problem.origin.line == wanted.line, str(problem)
        assert problem.origin.source == "variables.yaml"
        assert dotted(problem.path) == wanted.key, str(problem)
        assert re.search(wanted.what, problem.what), str(problem)
        assert re.search(wanted.remedy, problem.remedy), str(problem)
        assert str(problem) in caught.value.details
    assert caught.value.exit_code == 2
    assert "hunter22" not in str(caught.value)


OVERRIDES = [
    (["kubernetes.version"], {}, "--set kubernetes.version", "", "key=value", "kubernetes.version=1.35"),
    (["kubernetes.vers=1.35"], {}, "--set kubernetes.vers", "kubernetes.vers", "no such key", "kubernetes.version"),
    (["machines.winw.memory=1"], {}, "--set machines.winw.memory", "machines.winw.memory", "no machine winw", "winw1"),
    (["cni.x=1"], {}, "--set cni.x", "cni.x", "nothing below", "set cni"),
    (["cni=x"], {}, "--set cni", "cni", "'x' is not known", "calico"),
    (["images.archives.0=x"], {}, "--set images.archives.0", "images.archives.0", "single items", "as a whole"),
    (["mirrors={a: 1"], {}, "--set mirrors", "mirrors", "expected", "quote"),
    (["network.pods=10.96.0.0/16"], {}, "--set network.pods", "network.pods", "overlaps", "apart"),
    ([], {"HYBRID_CNI": "x"}, "environment HYBRID_CNI", "cni", "'x' is not known", "calico"),
    (
        [],
        {"HYBRID_KUBERNETES_VERSION": "1.35"},
        "environment HYBRID_KUBERNETES_VERSION",
        "kubernetes_version",
        "no such key",
        "kubernetes",
    ),
    (
        [],
        {"HYBRID_PASSWORD_NOBODY": "secret-text"},
        "environment HYBRID_PASSWORD_NOBODY",
        "",
        "does not exist",
        "cp1, winw1",
    ),
]


@pytest.mark.parametrize(("overrides", "environment", "place", "key", "what", "remedy"), OVERRIDES)
def test_complaints_of_overrides(
    loading: Loader, overrides: list[str], environment: dict[str, str], place: str, key: str, what: str, remedy: str
) -> None:
    with pytest.raises(BadSettings) as caught:
        loading("cluster: {name: a}\n", overrides=overrides, environment=environment)
    (problem,) = caught.value.problems
    assert str(problem.origin) == place
    assert dotted(problem.path) == key
    assert re.search(what, problem.what), str(problem)
    assert re.search(remedy, problem.remedy), str(problem)
    assert "secret-text" not in str(caught.value)
