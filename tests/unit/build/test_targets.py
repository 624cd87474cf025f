"""Targets by name and group."""

from __future__ import annotations

import pytest

from provision.build.targets import BY_NAME, DEFAULTS, GROUPS, TARGETS, chosen
from provision.errors import ArtifactError


def test_names_are_unique_and_say_their_system() -> None:
    assert len(BY_NAME) == len(TARGETS)
    for target in TARGETS:
        assert target.name.endswith(".exe") == (target.os == "windows"), target.name
        assert target.memory_mib > 0


def test_groups_and_defaults_name_targets() -> None:
    for names in [*GROUPS.values(), *DEFAULTS.values()]:
        assert set(names) <= set(BY_NAME)
    for project, names in DEFAULTS.items():
        assert {BY_NAME[name].project for name in names} == {project}


def test_every_program_of_the_control_plane_and_of_both_nodes_can_be_built() -> None:
    linux = {
        "kubeadm",
        "kubelet",
        "kubectl",
        "kube-proxy",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    }
    assert set(GROUPS["linux"]) == linux
    windows = {"kubelet.exe", "kube-proxy.exe", "kubeadm.exe", "kubectl.exe", "kube-log-runner.exe"}
    assert set(GROUPS["windows"]) == windows
    assert set(GROUPS["all"]) == linux | windows | {"e2e.test", "ginkgo"}


def test_words_become_targets_once_each_in_the_table_s_order() -> None:
    names = [target.name for target in chosen(["ginkgo", "windows", "kubelet.exe"])]
    assert names == [*GROUPS["windows"], "ginkgo"]


def test_the_architecture_is_a_parameter() -> None:
    assert {target.arch for target in chosen(["windows"])} == {"amd64"}
    assert {target.arch for target in chosen(["linux"], "arm64")} == {"arm64"}


@pytest.mark.parametrize(("word", "guess"), [("kublet.exe", "kubelet.exe"), ("window", "windows")])
def test_a_name_that_nothing_has_gets_a_suggestion(word: str, guess: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        chosen([word])
    assert guess in caught.value.remedy
    assert "kube-proxy.exe" in caught.value.details
