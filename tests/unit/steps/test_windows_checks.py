"""What each Windows step's check says of recorded-style facts: all done, one thing wrong, unknown."""

from __future__ import annotations

from typing import Any

import pytest

from provision.facts.windows import SECTIONS
from provision.render.engine import render
from provision.settings.model import Features, Machine, Network, Settings
from provision.steps.base import Missing, Satisfied, Step
from provision.steps.windows_node import windows_steps
from provision.steps.windows_system import registry_values
from tests.unit.steps.windows_facts import ABSENT, DIGESTS, SETTINGS, WORKER, changed, existing, finished, world

STEPS = {step.name.split("@")[0]: step for step in windows_steps(SETTINGS, WORKER)}
KUBE = {
    "carrier": "vEthernet (kube)",
    "index": 21,
    "dhcp": "Disabled",
    "dns_registration": False,
    "profile": "Private",
}


def judged(step: Step, sections: dict[str, dict[str, Any]], settings: Settings = SETTINGS) -> Satisfied | Missing:
    return step.judge(settings, world(sections))


@pytest.mark.parametrize("name", STEPS)
def test_a_finished_machine_satisfies_every_step_with_a_reason(name: str) -> None:
    judgement = judged(STEPS[name], finished())
    assert isinstance(judgement, Satisfied), judgement.reason
    assert judgement.reason


@pytest.mark.parametrize("name", STEPS)
def test_a_section_that_nobody_could_read_is_missing_with_its_reason(name: str) -> None:
    for section in STEPS[name].reads:
        sections = finished() | {section: {"unknown": "no answer within 60 s"}}
        # A satisfied install hides what is delivered: then that section is not looked at.
        if (name.startswith("deliver-"), section) == (True, "delivered"):
            continue
        judgement = judged(STEPS[name], sections)
        assert isinstance(judgement, Missing)
        assert f"{section} is unknown: no answer within 60 s" in judgement.reason


@pytest.mark.parametrize("name", STEPS)
def test_checks_read_only_the_sections_that_they_name(name: str) -> None:
    step = STEPS[name]
    only = {section: facts for section, facts in finished().items() if section in step.reads}
    assert isinstance(judged(step, only), Satisfied)
    known = {section.name for section in SECTIONS}
    assert step.reads <= known
    assert set(step.changes) <= known
    # What a check looks at is printed by the step that changes it, or the check could never become true.
    if step.scripts:
        assert step.reads & set(step.changes)


WRONG: list[tuple[str, str, Any, str]] = [
    ("windows-release", "os/build", 26100, "its build is 26100, Windows Server 2022 has 20348"),
    ("windows-release", "os/ubr", 100, "too old"),
    ("windows-release", "os/ubr", 2582, "KB5040437"),
    ("card", "network/cards/1/name", "Ethernet 2", f"the card {WORKER.mac} is not called kube"),
    ("card", "network/kube", None, "there is no card kube"),
    ("card", "network/kube/addresses", [], "192.168.56.11/24 is absent on kube"),
    ("card", "network/kube/addresses/0/state", "Duplicate", "192.168.56.11/24 is Duplicate"),
    ("card", "network/kube/addresses/0/state", "Tentative", "192.168.56.11/24 is Tentative"),
    ("card", "network/kube/addresses/0/prefix", 16, "192.168.56.11/24 is absent"),
    ("card", "network/kube/dhcp", "Enabled", "asks DHCP"),
    ("card", "network/kube/dns_registration", True, "registers its address in DNS"),
    ("card", "network/kube/profile", "Public", "its network counts as public"),
    ("settings", "settings/ports/udp/start", 49152, "dynamic udp ports begin at 49152"),
    ("settings", "settings/defender_exclusions", [], "Defender watches 7 of our programs"),
    ("settings", "settings/time_service/start", "Manual", "the time service does not start with Windows"),
    ("settings", "settings/time_service/triggered", True, "for want of a domain"),
    ("settings", "settings/time_service/state", "Stopped", "the time service is Stopped"),
    ("settings", "settings/folder_private", False, "our folder is open to every user"),
    ("host-name", "os/pending_name", "win-7q2k1", "it is called win-7q2k1"),
    ("features", "features/states/Containers", "disabled", "Containers is disabled"),
    ("features", "features/states", {}, "Containers is absent"),
    ("reboot", "os/pending_reboot", ["host name winw1"], "host name winw1"),
    ("reboot", "features/states/Containers", "disabled", "Containers is disabled"),
    ("firewall", "firewall/rules/hybrid-kubelet", ABSENT, "hybrid-kubelet is absent"),
    ("firewall", "firewall/rules/hybrid-vxlan/enabled", False, "hybrid-vxlan is not an enabled rule"),
    ("firewall", "firewall/rules/hybrid-vxlan/action", "Block", "hybrid-vxlan is not an enabled rule"),
    ("firewall", "firewall/rules/hybrid-vxlan/ports", ["6081"], "hybrid-vxlan is for UDP 6081"),
    ("firewall", "firewall/rules/hybrid-kubelet/remote", ["Any"], "is for Any, not for 192.168.56.0/24"),
    ("registries", "registries/files", {"a/hosts.toml": "00"}, "a/hosts.toml is not wanted any more"),
    ("registries", "registries/authorities", {"x": True}, "the authority x is not wanted any more"),
    ("containerd", "installed/components/containerd", ABSENT, "it is not installed"),
    ("containerd", "installed/components/containerd/intact", False, "its files were changed"),
    ("containerd", "installed/components/containerd/digests", {}, "another version is installed"),
    ("containerd", "containerd/config", "", "there is no config.toml"),
    ("containerd", "containerd/config", "f" * 64, "config.toml is another one"),
    ("containerd", "containerd/crictl_config", "", "crictl is not configured"),
    ("containerd", "containerd/command", "containerd.exe --run-service", "keeps no log"),
    ("containerd", "containerd/environment", ["HTTP_PROXY=http://p"], "its service knows a proxy"),
    ("containerd", "containerd/on_path", False, "it is not on PATH"),
    ("kubernetes", "kubelet/on_path", False, "C:\\k is not on PATH"),
    ("containerd", "containerd/service", "Stopped", "its service is Stopped"),
    ("containerd", "containerd/start", "Manual", "does not start with Windows"),
    ("containerd", "containerd/version", "v2.2.7", "it answers v2.2.7, not v2.3.4"),
    ("containerd", "containerd/version", "", "it answers nothing"),
    ("kubernetes", "installed/components/kubernetes/digests/kubelet.exe", "0" * 64, "(kubelet.exe)"),
    ("kubelet-service", "kubelet/service", "absent", "there is no service kubelet"),
    ("kubelet-service", "kubelet/command", "C:\\k\\kubelet.exe", "its command line lacks C:\\k\\kube-log-runner.exe"),
    ("kubelet-service", "kubelet/start", "Disabled", "it does not start with Windows"),
    ("egress", "network/default_routes", [], "kube has no gateway, not 192.168.56.10"),
    ("egress", "network/default_routes/1/gateway", "192.168.56.1", "has 192.168.56.1, not 192.168.56.10"),
    ("egress", "network/default_routes/1/metric", 20, "would take the host's own traffic"),
    ("join", "kubelet/joined", False, "it has not joined the cluster"),
    ("join", "kubelet/server", "https://10.1.1.1:6443", "it belongs to the cluster at https://10.1.1.1:6443"),
    ("join", "kubelet/authority", "b" * 64, "its control plane was made again"),
    ("join", "kubelet/service", "Stopped", "the kubelet is Stopped"),
    ("join", "kubelet/flags", 'KUBELET_KUBEADM_ARGS="--a=1 --node-ip=192.168.56.11"', "its command line lacks --a=1"),
    ("calico-windows", "hns/networks", [], "there is no network External; there is no network Calico"),
    ("calico-windows", "hns/networks/2/management_ip", "10.0.2.15", "network Calico is on 10.0.2.15"),
    ("calico-windows", "network/kube/addresses", [], "192.168.56.11/24 is absent on vEthernet (kube)"),
    ("calico-windows", "network/kube/addresses/0/state", "Tentative", "192.168.56.11/24 is Tentative"),
    ("calico-windows", "network/kube/dhcp", "Enabled", "asks DHCP"),
    ("calico-windows", "network/kube/dns_registration", True, "registers its address in DNS"),
    ("calico-windows", "network/kube/profile", "Public", "its network counts as public"),
    ("calico-windows", "network/default_routes", [], "has no gateway"),
    ("stamp", "stamp/text", None, "it carries no stamp yet"),
    ("stamp", "stamp/text", "{}", "it carries the stamp of other settings"),
]


@pytest.mark.parametrize(("step", "path", "value", "reason"), WRONG, ids=lambda v: str(v)[:40])
def test_one_wrong_thing_is_missing_with_a_reason_for_people(step: str, path: str, value: Any, reason: str) -> None:
    sections = changed(path, value)
    if step in ("card", "egress"):
        before_the_switch(sections)
    judgement = judged(STEPS[step], sections)
    assert isinstance(judgement, Missing)
    assert reason in judgement.reason


def before_the_switch(sections: dict[str, Any]) -> None:
    """The facts as they are until a container network has put a virtual switch on the card."""
    if sections["network"]["kube"] is not None:
        sections["network"]["kube"]["carrier"] = "kube"


@pytest.mark.parametrize("step", ["card", "egress"])
def test_once_there_is_a_switch_the_card_belongs_to_the_step_after_the_join(step: str) -> None:
    sections = changed("network/kube/profile", "Public")
    sections["network"]["default_routes"] = []
    assert isinstance(judged(STEPS[step], sections), Satisfied)
    assert isinstance(judged(STEPS["calico-windows"], sections), Missing)


def test_every_step_has_a_way_to_be_wrong() -> None:
    assert {row[0] for row in WRONG} | {"deliver-containerd", "deliver-kubernetes"} == set(STEPS)


def test_every_registry_value_counts() -> None:
    sections = finished()
    for name in list(sections["settings"]["registry"]):
        registry = sections["settings"]["registry"] | {name: None}
        judgement = judged(STEPS["settings"], sections | {"settings": sections["settings"] | {"registry": registry}})
        assert isinstance(judgement, Missing)
        assert name.rsplit("\\", 1)[1] in judgement.reason


def test_without_defender_no_exclusions_are_asked_for() -> None:
    assert isinstance(judged(STEPS["settings"], changed("settings/defender_exclusions", None)), Satisfied)


def test_a_name_or_feature_that_waits_for_the_restart_is_done_and_the_restart_is_not() -> None:
    sections = changed("os/active_name", "win-7q2k1")
    judgement = judged(STEPS["host-name"], sections)
    assert isinstance(judgement, Satisfied)
    assert "from the next restart on" in judgement.reason
    pending = changed("features/states/Containers", "pending")
    assert isinstance(judged(STEPS["features"], pending), Satisfied)
    assert isinstance(judged(STEPS["reboot"], pending), Missing)


def test_nothing_is_delivered_for_a_component_that_is_installed() -> None:
    sections = finished() | {"delivered": {"files": {}}}
    assert isinstance(judged(STEPS["deliver-kubernetes"], sections), Satisfied)
    del sections["installed"]["components"]["kubernetes"]
    judgement = judged(STEPS["deliver-kubernetes"], sections)
    assert isinstance(judgement, Missing)
    assert judgement.reason.startswith("not there: kubelet.exe, kubeadm.exe")


def test_a_file_with_another_digest_is_delivered_again() -> None:
    sections = changed("installed/components/containerd", ABSENT)
    sections["delivered"]["files"]["crictl-windows.tar.gz"]["sha256"] = "0" * 64
    judgement = judged(STEPS["deliver-containerd"], sections)
    assert judgement == Missing("not there: crictl-windows.tar.gz")


@pytest.mark.parametrize("name", ["deliver-containerd", "deliver-kubernetes", "containerd", "kubernetes"])
def test_what_is_not_resolved_yet_is_missing(name: str) -> None:
    less = {n: d for n, d in DIGESTS.items() if n not in ("crictl-windows.tar.gz", "kubelet.exe")}
    judgement = STEPS[name].judge(SETTINGS, world(finished(), less))
    assert isinstance(judgement, Missing)
    assert "not resolved yet" in judgement.reason


def test_only_flags_that_kubeadm_added_may_follow_in_the_kubelets_command_line() -> None:
    sections = changed("kubelet/command", finished()["kubelet"]["command"] + " --later=1")
    judgement = judged(STEPS["kubelet-service"], sections)
    assert judgement == Missing("its command line has --later=1")
    sections["kubelet"]["flags"] = 'KUBELET_KUBEADM_ARGS="--later=1"'
    assert isinstance(judged(STEPS["kubelet-service"], sections), Satisfied)


def test_hyperv_isolation_asks_for_its_features() -> None:
    settings = SETTINGS.model_copy(update={"features": Features(hyperv_isolation=True)})
    steps = {step.name.split("@")[0]: step for step in windows_steps(settings, WORKER)}
    judgement = judged(steps["features"], finished(), settings)
    assert judgement == Missing("Hyper-V is disabled; Hyper-V-PowerShell is disabled")
    assert isinstance(judged(steps["reboot"], finished(), settings), Missing)


def test_without_egress_there_is_no_route_and_no_step_for_it() -> None:
    settings = SETTINGS.model_copy(update={"network": Network(egress="none")})
    steps = {step.name.split("@")[0]: step for step in windows_steps(settings, WORKER)}
    assert "egress" not in steps
    assert all("egress" not in need for step in steps.values() for need in step.needs)
    sections = changed("network/default_routes", [])
    assert isinstance(judged(steps["calico-windows"], sections, settings), Satisfied)


def test_an_existing_machines_card_is_named_and_proved_and_otherwise_left_alone() -> None:
    settings, worker = existing()
    steps = {step.name.split("@")[0]: step for step in windows_steps(settings, worker)}
    sections = finished(settings)
    kube = sections["network"]["kube"] | {"dhcp": "Enabled", "dns_registration": True}
    kube["addresses"][0]["prefix"] = 16
    kube["addresses"] = [*kube["addresses"], {"address": "192.168.56.200", "prefix": 24, "state": "Preferred"}]
    sections["network"] |= {"kube": kube, "default_routes": [{"index": 21, "gateway": "192.168.56.1", "metric": 25}]}
    assert isinstance(judged(steps["card"], sections, settings), Satisfied)
    assert isinstance(judged(steps["egress"], sections, settings), Satisfied)


def test_every_windows_version_has_values_that_the_probe_reads() -> None:
    probe = render("facts/windows/probe.ps1", sections=["settings"])
    for version in ("2019", "2022", "2025"):
        machine: Machine = WORKER.model_copy(update={"windows_version": version})
        for row in registry_values(machine):
            assert f"'{row['name']}'" in probe
            assert str(row["key"]) in probe
