"""The 45 forms of sig-windows-dev-tools' settings files."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from provision.settings.load import load
from provision.settings.older import KEYS, translate
from provision.settings.problems import BadSettings, dotted
from tests.unit.settings.conftest import Loader

FOLDER = Path(__file__).parents[2] / "data" / "older-variables"
FORMS = sorted(FOLDER.glob("*.yaml"))


def test_all_forms_are_here() -> None:
    assert len(FORMS) == 45


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_it_loads_and_every_key_is_named(form: Path, tmp_path: Path) -> None:
    loaded = load(form, environment={}, workspace=tmp_path, judged=False)
    assert loaded.older
    (notice,) = loaded.notices
    lines = [line.strip() for line in notice.splitlines()]
    for key in yaml.safe_load(form.read_text()):
        assert any(line.startswith((f"{key} -> ", f"{key}: ")) for line in lines), key
    assert loaded.settings.control_plane.os == "linux"
    assert len(loaded.settings.windows) == 1


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_what_is_too_old_gets_one_complaint_each(form: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(form.read_text())
    release = [
        key for key in values if key.startswith(("kubernetes_version", "k8s_linux_kubelet", "kubernetes_compat"))
    ]
    try:
        load(form, environment={}, workspace=tmp_path)
        complaints = []
    except BadSettings as error:
        complaints = list(error.problems)
    keys = [dotted(problem.path) for problem in complaints]
    wanted = ["kubernetes.version"] if release else []
    wanted += ["containerd.linux"] if "containerd_version" in values else []
    wanted += ["calico.version"] if "calico_version" in values else []
    assert sorted(keys) == sorted(wanted)
    for problem in complaints:
        assert problem.origin.source.endswith(form.name)
        assert problem.origin.line is not None
        assert "write " in problem.remedy


NEWEST = """\
kubernetes_version: "1.36"
build_from_source: "false"
pod_cidr: "100.244.0.0/16"
containerd_version: "2.3.4"
calico_version: "3.32"
k8s_linux_kubelet_nodeip: "10.20.30.10"
windows_node_ip: "10.20.30.11"
windows_ram: 6048
linux_ram: 4096
linux_cpus: 2
windows_cpus: 4
cni: "calico"
"""


def test_values_arrive(loading: Loader) -> None:
    loaded = loading(NEWEST)
    settings = loaded.settings
    assert settings.kubernetes.version == "1.36.4"
    assert settings.kubernetes.from_source is False
    assert settings.network.pods == IPv4Network("100.244.0.0/16")
    assert settings.network.machines == IPv4Network("10.20.30.0/24")
    assert settings.calico.version == "3.32.1"
    plane, worker = settings.machines
    assert (plane.address, plane.memory, plane.cpus) == (IPv4Address("10.20.30.10"), 4096, 2)
    assert (worker.address, worker.memory, worker.cpus) == (IPv4Address("10.20.30.11"), 6048, 4)
    assert str(loaded.origins["machines.winw1.memory"]) == "variables.yaml:8 (windows_ram)"
    assert len(loaded.notices) == 2  # the form, and the range that VirtualBox would not allow


@pytest.mark.parametrize(("text", "source"), [('"true"', True), ("true", True), ('"false"', False), ("false", False)])
def test_booleans_came_as_texts(loading: Loader, text: str, source: bool) -> None:
    assert loading(f'kubernetes_version: "1.36"\nbuild_from_source: {text}\n').settings.kubernetes.from_source is source


def test_own_binaries_arrive_when_they_were_used(loading: Loader, tmp_path: Path) -> None:
    text = 'overwrite_windows_bins: "true"\nkubelet_path: ./sync/windows/bin/kubelet.exe\nkubernetes_version: "1.36"\n'
    binaries = loading(text).settings.kubernetes.binaries
    assert {name: path.name for name, path in binaries.items()} == {"kubelet.exe": "kubelet.exe"}
    assert loading(text.replace("true", "false")).settings.kubernetes.binaries == {}


def test_a_commit_arrives_when_it_was_built(loading: Loader) -> None:
    text = 'kubernetes_sha: "286709307da5adb62e78d989b7ed846355d5c88e"\noverwrite_windows_bins: "true"\n'
    assert loading(text).settings.kubernetes.sha == "286709307da5adb62e78d989b7ed846355d5c88e"
    assert loading(text.replace("true", "false")).settings.kubernetes.sha is None


def test_old_boxes_arrive_with_a_warning(loading: Loader) -> None:
    text = (
        'kubernetes_version: "1.36"\nvagrant_windows_box: "sig-windows-dev-tools/windows-2019"\n'
        "vagrant_windows_box_version: 1.0\n"
    )
    loaded = loading(text)
    machine = loaded.settings.machine("winw1")
    assert (machine.box, machine.box_version, machine.windows_version) == (
        "sig-windows-dev-tools/windows-2019",
        "1.0",
        "2019",
    )
    assert any("last built in 2023" in notice for notice in loaded.notices)


def test_problems_of_an_old_file_have_old_and_new_key(loading: Loader) -> None:
    with pytest.raises(BadSettings) as caught:
        loading("kubernetes_version: 1.36\nlinux_cpus: many\nkubelet_pth: x\nlinux_cpus: 2\n")
    lines = caught.value.details.splitlines()
    assert lines[0] == "variables.yaml:2 (linux_cpus): machines.cp1.cpus: 'many' is not a whole number"
    assert "did you mean kubelet_path?" in lines[3]
    assert "linux_cpus is there twice, first in line 2" in lines[4]


@pytest.mark.parametrize("text", ["cni: calico\n", "", "- a\n", "cluster: {name: a}\npod_cidr: x\n", "a: [\n"])
def test_other_files_are_not_of_the_old_form(text: str) -> None:
    assert translate(text, "x") is None


def test_every_key_of_the_history_is_known() -> None:
    used = {key for form in FORMS for key in yaml.safe_load(form.read_text())}
    assert used <= set(KEYS)


def test_remedies_in_todays_spelling_come_with_todays_form(loading: Loader) -> None:
    with pytest.raises(BadSettings) as caught:
        loading('kubernetes_version: "1.26"\n')
    assert caught.value.remedy.startswith("bring the file into today's form with `invoke settings --write`, mend them")
    with pytest.raises(BadSettings) as unreadable:  # that would not be written
        loading('kubernetes_version: "1.26"\nlinux_ram: lots\n')
    assert "--write" not in unreadable.value.remedy
    with pytest.raises(BadSettings) as todays:
        loading('kubernetes: {version: "1.26"}\n')
    assert "--write" not in todays.value.remedy


@pytest.mark.parametrize("switch", ["build_from_source", "kubernetes_build_from_source", "overwrite_windows_bins"])
@pytest.mark.parametrize("key", ["kubernetes_sha", "kubernetes_version"])
def test_a_commit_that_was_built_is_built_whatever_named_and_switched_it(
    loading: Loader, switch: str, key: str
) -> None:
    sha = "286709307da5adb62e78d989b7ed846355d5c88e"
    loaded = loading(f'{switch}: "True"\n{key}: "{sha}"\n')
    assert loaded.settings.kubernetes.sha == sha
    assert not loaded.settings.kubernetes.from_source
    (notice,) = loaded.notices
    assert f"{key} -> kubernetes.sha" in notice


def test_a_release_that_was_built_stays_the_release(loading: Loader) -> None:
    sha = "286709307da5adb62e78d989b7ed846355d5c88e"
    loaded = loading(f'build_from_source: "true"\nkubernetes_version: "1.36"\nkubernetes_sha: "{sha}"\n')
    assert (loaded.settings.kubernetes.sha, loaded.settings.kubernetes.from_source) == (None, True)
