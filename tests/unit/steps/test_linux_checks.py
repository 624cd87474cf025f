"""What the checks of Linux machines and of the cluster say: all done, one thing wrong, unknown."""

from __future__ import annotations

from typing import Any

import pytest

from provision.facts import cluster, linux
from provision.settings.complete import complete
from provision.settings.model import Kubernetes, Network, Settings
from provision.steps.base import Missing, Satisfied, Step
from provision.steps.cni_calico import calico_steps, installation, kube_proxy_windows
from provision.steps.control_plane import control_plane_steps, init_config, kubelet_config
from provision.steps.delivery import depot_steps
from provision.steps.linux_node import linux_steps
from provision.steps.proxy import proxy_environment
from provision.steps.ready import ready_steps, smoke_pods
from tests.unit.steps.linux_facts import CONTROL_PLANE, GONE, SETTINGS, WORKER, changed, finished, world

ALL = (
    *linux_steps(SETTINGS, CONTROL_PLANE),
    *linux_steps(SETTINGS, WORKER),
    *control_plane_steps(SETTINGS),
    *calico_steps(SETTINGS),
    *depot_steps(SETTINGS),
    *ready_steps(SETTINGS),
)
STEPS = {step.name: step for step in ALL}
KNOWN = {section.name for section in (*linux.SECTIONS, *cluster.SECTIONS)}


@pytest.mark.parametrize("name", STEPS)
def test_a_finished_cluster_satisfies_every_step_with_a_reason(name: str) -> None:
    judgement = STEPS[name].judge(SETTINGS, world(finished()))
    assert isinstance(judgement, Satisfied), judgement.reason
    assert judgement.reason


def _owners(step: Step, section: str) -> list[str]:
    if section.startswith("cluster."):
        return ["cluster"]
    return ["winw1"] if step.name == "depot" else [str(step.machine)]


@pytest.mark.parametrize("name", STEPS)
def test_an_unknown_section_never_satisfies(name: str) -> None:
    step = STEPS[name]
    for section in step.reads:
        for owner in _owners(step, section):
            facts = finished()
            facts[owner][section] = {"unknown": "it took longer than 10 s"}
            judgement = step.judge(SETTINGS, world(facts))
            assert isinstance(judgement, Missing), f"{section} of {owner}"
            assert f"{section} is unknown: it took longer than 10 s" in judgement.reason


@pytest.mark.parametrize("name", STEPS)
def test_a_step_reads_what_it_names_and_prints_what_it_changes(name: str) -> None:
    step = STEPS[name]
    facts = finished()
    for owner, sections in facts.items():
        kept = {key: value for key, value in sections.items() if key in step.reads}
        facts[owner] = kept
    assert isinstance(step.judge(SETTINGS, world(facts)), Satisfied)
    assert step.reads <= KNOWN
    assert set(step.changes) <= KNOWN
    assert step.reads & set(step.changes)


BROKEN: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("card@cp1", ("cp1", "network", "cards", "kube"), GONE, "no card has 192.168.56.10/24"),
    ("card@cp1", ("cp1", "network", "cards", "kube", "up"), False, "it is down"),
    ("card@cp1", ("cp1", "network", "cards", "kube", "mac"), "00:50:56:3f:ff:ff", "is on kube (00:50:56:3f:ff:ff)"),
    ("card@cp1", ("cp1", "network", "kept"), "", "would not come back after a boot"),
    ("host-name@cp1", ("cp1", "os", "hostname"), "ubuntu", "it is ubuntu"),
    ("kernel@cp1", ("cp1", "os", "cgroup"), 1, "cgroup v1, on which kubelet 1.36.4 does not start"),
    ("kernel@cp1", ("cp1", "kernel", "overlay"), False, "lacking: overlay"),
    ("kernel@cp1", ("cp1", "kernel", "bridge_filter"), False, "lacking: br_netfilter"),
    ("kernel@cp1", ("cp1", "kernel", "ip_forward"), False, "ip_forward"),
    ("kernel@cp1", ("cp1", "kernel", "bridge_iptables"), False, "bridge-nf-call-iptables"),
    ("kernel@cp1", ("cp1", "kernel", "swap"), True, "lacking: no swap"),
    ("kernel@cp1", ("cp1", "kernel", "modules_kept"), False, "modules after a boot"),
    ("kernel@cp1", ("cp1", "kernel", "sysctls_kept"), False, "sysctls after a boot"),
    ("kernel@cp1", ("cp1", "kernel", "swap_kept_off"), False, "no swap after a boot"),
    ("programs@cp1", ("cp1", "programs", "missing"), ["losetup"], "missing: losetup"),
    ("programs@cp1", ("cp1", "programs", "missing"), ["nft", "socat"], "missing: nft"),
    ("programs@cp1", ("cp1", "programs", "missing"), ["python3"], "missing: python3"),
    ("registries@cp1", ("cp1", "registries", "files"), {"a/hosts.toml": "00"}, "a/hosts.toml is not wanted any more"),
    ("registries@cp1", ("cp1", "registries", "authorities"), {"x": True}, "authority x is not wanted any more"),
    ("deliver@cp1", ("cp1", "delivered", "files", "runc"), GONE, "lacking: runc"),
    ("deliver@cp1", ("cp1", "delivered", "files", "kubelet", "sha256"), "00", "lacking: kubelet"),
    ("containerd@cp1", ("cp1", "installed", "components", "containerd"), GONE, "it is not installed"),
    ("containerd@cp1", ("cp1", "installed", "components", "containerd", "digests", "runc"), "00", "installed (runc)"),
    ("containerd@cp1", ("cp1", "containerd", "config_digest"), "00", "another configuration"),
    ("containerd@cp1", ("cp1", "containerd", "version"), "", "does not answer"),
    ("containerd@cp1", ("cp1", "containerd", "environment"), ["HTTP_PROXY=http://p:1"], "knows a proxy"),
    ("containerd@cp1", ("cp1", "containerd", "cri"), False, "Kubernetes plug-in"),
    ("containerd@cp1", ("cp1", "services", "units", "containerd", "active"), "failed", "service does not run"),
    ("containerd@cp1", ("cp1", "services", "units", "containerd", "enabled"), "disabled", "service does not run"),
    ("containerd@cp1", ("cp1", "services", "units", "containerd"), GONE, "it has no service"),
    ("cni-plugins@cp1", ("cp1", "installed", "components", "cni-plugins"), GONE, "not installed"),
    ("kubernetes@cp1", ("cp1", "installed", "components", "kubernetes", "digests", "kubelet"), "00", "(kubelet)"),
    ("kubernetes@cp1", ("cp1", "services", "units", "kubelet", "enabled"), "", "not a service"),
    ("control-plane", ("cp1", "kubeadm", "initialised"), False, "has not come to its end"),
    ("control-plane", ("cp1", "kubeadm", "manifests"), ["etcd"], "manifests are gone: kube-apiserver"),
    ("control-plane", ("cp1", "services", "units", "kubelet", "active"), "inactive", "kubelet does not run"),
    ("control-plane", ("cluster", "cluster.nodes", "nodes"), [], "it has no node"),
    ("egress", ("cp1", "egress", "masquerade"), False, "lacking: masquerading"),
    ("egress", ("cp1", "egress", "forwarding"), False, "lacking: forwarding"),
    ("egress", ("cp1", "egress", "kept"), False, "lacking: a boot unit"),
    ("join@linw1", ("linw1", "kubeadm", "joined"), False, "kubeadm join"),
    ("join@linw1", ("linw1", "services", "units", "kubelet", "active"), "failed", "kubelet does not run"),
    ("stamp@cp1", ("cp1", "stamp", "text"), "", "no stamp yet"),
    ("stamp@linw1", ("linw1", "stamp", "text"), "{}", "other settings"),
    ("calico", ("cluster", "cluster.calico", "crds"), False, "definitions"),
    ("calico", ("cluster", "cluster.calico", "endpoint"), ":", "API's address"),
    ("calico", ("cluster", "cluster.calico", "installation"), "", "no installation"),
    ("calico", ("cluster", "cluster.calico", "installation"), "0000", "another installation"),
    ("calico", ("cluster", "cluster.workloads", "workloads", "tigera-operator/tigera-operator"), GONE, "operator"),
    ("strict-affinity", ("cluster", "cluster.calico", "strict_affinity"), False, "borrow"),
    (
        "kube-proxy-windows",
        ("cluster", "cluster.workloads", "workloads", "kube-system/kube-proxy-windows"),
        GONE,
        "not",
    ),
    (
        "kube-proxy-windows",
        ("cluster", "cluster.workloads", "workloads", "kube-system/kube-proxy-windows", "digest"),
        "",
        "another one",
    ),
    ("calico-ready", ("cluster", "cluster.calico", "status", "calico"), GONE, "said nothing yet"),
    (
        "calico-ready",
        ("cluster", "cluster.calico", "status", "calico"),
        {"available": False, "message": "calico-node is not ready"},
        "calico-node is not ready",
    ),
    (
        "calico-ready",
        ("cluster", "cluster.workloads", "workloads", "calico-system/calico-node", "image"),
        "quay.io/calico/node:v3.31.7",
        "it is v3.31.7, not v3.32.1",
    ),
    ("depot", ("winw1", "delivered", "files", "kubelet.exe"), GONE, "files are lacking on winw1"),
    ("smoke-pods", ("cluster", "cluster.workloads", "workloads", "hybrid-check/windows"), GONE, "hybrid-check/windows"),
    ("smoke-pods", ("cluster", "cluster.workloads", "workloads", "hybrid-check/linux", "digest"), "", "another one"),
    ("nodes-ready", ("cluster", "cluster.nodes", "nodes", 1), GONE, "winw1 is no node"),
    ("nodes-ready", ("cluster", "cluster.nodes", "nodes", 1, "ready"), False, "winw1 is not Ready: kubelet is posting"),
    ("nodes-ready", ("cluster", "cluster.nodes", "nodes", 1, "taints"), [], "winw1 lacks the taint"),
    ("nodes-ready", ("cluster", "cluster.nodes", "nodes", 1, "role"), "", "winw1 does not show its role"),
    ("tokens-gone", ("cluster", "cluster.tokens", "ours"), ["abcdef"], "1 of our join tokens still exist"),
    (
        "cluster-ready",
        ("cluster", "cluster.workloads", "workloads", "kube-system/coredns", "ready"),
        0,
        "coredns: 0 of 2",
    ),
    ("cluster-ready", ("cluster", "cluster.workloads", "workloads", "kube-system/coredns"), GONE, "not in the cluster"),
    (
        "cluster-ready",
        ("cluster", "cluster.workloads", "workloads", "calico-system/calico-node-windows"),
        {"wanted": 0, "ready": 0, "digest": "", "image": ""},
        "calico-node-windows: 0 of 1",
    ),
    ("cluster-ready", ("cluster", "cluster.checks", "pods", "windows-x2x4z", "ready"), False, "smoke pod on winw1"),
    ("cluster-ready", ("cluster", "cluster.checks", "pods", "windows-x2x4z", "node"), "winw9", "smoke pod on winw1"),
]


@pytest.mark.parametrize(("name", "path", "value", "reason"), BROKEN)
def test_one_thing_wrong_is_missing_and_says_what(name: str, path: tuple[Any, ...], value: Any, reason: str) -> None:
    where, section, *rest = path
    judgement = STEPS[name].judge(SETTINGS, world(changed(where, section, *rest, to=value)))
    assert isinstance(judgement, Missing)
    assert reason in judgement.reason


def test_every_step_has_a_broken_case() -> None:
    tested = {name for name, *_ in BROKEN} | {name.replace("@cp1", "@linw1") for name, *_ in BROKEN}
    assert set(STEPS) <= tested


def test_an_unresolved_artifact_is_not_delivered_and_not_installed() -> None:
    facts = finished()
    known = world(facts)
    bare = type(known)(machines=known.machines, cluster=known.cluster)
    assert isinstance(STEPS["deliver@cp1"].judge(SETTINGS, bare), Missing)
    assert isinstance(STEPS["kubernetes@cp1"].judge(SETTINGS, bare), Missing)


def test_a_foreign_card_without_mac_only_has_to_have_the_address() -> None:
    machine = CONTROL_PLANE.model_copy(update={"mac": None})
    card = next(step for step in linux_steps(SETTINGS, machine) if step.name == "card@cp1")
    facts = changed("cp1", "network", "cards", to={"ens3": {"mac": "x", "up": True, "addresses": ["192.168.56.10/24"]}})
    assert isinstance(card.judge(SETTINGS, world(facts)), Satisfied)


def _with(**update: Any) -> Settings:
    return complete(SETTINGS.model_copy(update=update))


def test_without_windows_machines_nothing_of_windows_is_planned() -> None:
    settings = _with(machines=(CONTROL_PLANE,))
    names = {step.name for step in (*control_plane_steps(settings), *calico_steps(settings), *ready_steps(settings))}
    assert "egress" not in names
    assert "kube-proxy-windows" not in names
    assert "windowsDataplane: Disabled" in installation(settings).text
    assert "windowsNodes" not in installation(settings).text
    assert "curl.exe" not in smoke_pods(settings).text
    cluster_ready = next(step for step in ready_steps(settings) if step.name == "cluster-ready")
    assert isinstance(cluster_ready.judge(settings, world(finished())), Satisfied)


def test_egress_is_only_ours_when_the_settings_say_so() -> None:
    settings = _with(network=Network(egress="none"))
    assert "egress" not in {step.name for step in control_plane_steps(settings)}
    programs = next(step for step in linux_steps(settings, settings.control_plane) if step.name == "programs@cp1")
    assert isinstance(programs.judge(settings, world(changed("cp1", "programs", "missing", to=["nft"]))), Satisfied)


def test_containerd_has_to_know_the_proxy() -> None:
    settings = _with(network=Network(proxy="http://proxy.example:3128"))
    step = next(step for step in linux_steps(settings, CONTROL_PLANE) if step.name == "containerd@cp1")
    judgement = step.judge(settings, world(finished()))
    assert judgement == Missing("its service does not know the proxy")
    known = list(proxy_environment(settings))
    facts = changed("cp1", "containerd", "environment", to=known)
    assert isinstance(step.judge(settings, world(facts)), Satisfied)


def test_kube_proxy_on_windows_gets_gates_only_where_the_release_needs_them() -> None:
    assert "$FeatureGates = ''" in kube_proxy_windows(SETTINGS).text
    older = _with(kubernetes=Kubernetes(version="1.33.13"))
    assert "$FeatureGates = 'WinDSR=true,WinOverlay=true'" in kube_proxy_windows(older).text


def test_a_changed_setting_changes_the_digest_of_the_manifest() -> None:
    other = _with(network=Network(pods="10.200.0.0/16"))
    assert installation(other).digest != installation(SETTINGS).digest
    assert installation(SETTINGS).digest in installation(SETTINGS).text


def test_users_kubelet_configuration_comes_last_and_is_merged() -> None:
    own = {"maxPods": 20, "featureGates": {"B": True}, "logging": {"format": "json"}}
    settings = _with(kubernetes=Kubernetes(version="1.34.11", feature_gates={"A": False}, kubelet_config=own))
    made = kubelet_config(settings)
    assert made["maxPods"] == 20
    assert made["featureGates"] == {"NodeLogQuery": True, "A": False, "B": True}
    assert made["logging"] == {"verbosity": 2, "format": "json"}
    assert made["cgroupDriver"] == "systemd"


def test_extra_arguments_reach_their_component() -> None:
    extra = {
        "apiserver": {"profiling": "false"},
        "etcd": {"quota-backend-bytes": "1"},
        "kubelet": {"node-labels": "a=b"},
    }
    kubernetes = Kubernetes(
        version="1.36.4", extra_args=extra, runtime_config={"api/all": True}, feature_gates={"A": True}
    )
    text = init_config(_with(kubernetes=kubernetes))
    for name in ("profiling", "quota-backend-bytes", "node-labels", "runtime-config"):
        assert text.count(f'name: "{name}"') == 1
    assert text.count('name: "feature-gates"') == 3


@pytest.mark.parametrize(
    "kubernetes", [{"version": "1.34.7"}, {"kubelet_config": {"failCgroupV1": False}}], ids=["older", "asked-for"]
)
def test_cgroup_v1_is_taken_where_the_kubelet_takes_it(kubernetes: dict[str, Any]) -> None:
    settings = SETTINGS.model_copy(update={"kubernetes": SETTINGS.kubernetes.model_copy(update=kubernetes)})
    step = next(step for step in linux_steps(settings, settings.control_plane) if step.name == "kernel@cp1")
    assert isinstance(step.judge(settings, world(changed("cp1", "os", "cgroup", to=1))), Satisfied)
