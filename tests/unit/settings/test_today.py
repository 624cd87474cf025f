"""Settings written back in today's form."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from provision.errors import SettingsError
from provision.settings.load import TEMPLATE, load
from provision.settings.model import Settings
from provision.settings.today import today, write_today
from tests.unit.settings.conftest import Loader
from tests.unit.settings.test_older import FORMS, NEWEST


def test_defaults_are_the_shipped_file() -> None:
    assert today(Settings()) == TEMPLATE.read_text(encoding="utf-8")


CHANGED = [
    ["cluster.name=mine"],
    ["kubernetes.version=1.35", "calico.version=3.31.7"],
    ["kubernetes.sha=1234567", "network.proxy=http://proxy:3128", "features.prepull=true", "timeouts.boot=12.5"],
    ["kubernetes.kubelet_config={maxPods: 20, x: {y: [1, 'true', '1.30']}}", "rehearsal.faults=[drop]"],
    ["provider_options={libvirt: {vm: {" + ", ".join(f"some_option_{i}: {i}" for i in range(12)) + "}}}"],
    ["kubernetes.feature_gates={" + ", ".join(f"SomeGateWithALongName{i}: true" for i in range(8)) + "}"],
    ["machines.winw1.memory=8192", "network.machines=192.168.57.0/24"],
    [
        "machines=[{name: a, os: linux, role: control-plane},"
        " {name: b, os: windows, windows_version: 2022, box_version: 1.10}]"
    ],
    [
        "mirrors.https://dl.k8s.io=/srv/dl",
        "images.archives=[a.tar, /b.tar]",
        "kubernetes.binaries.kubelet.exe=k/kubelet.exe",
    ],
]


@pytest.mark.parametrize("overrides", CHANGED, ids=lambda overrides: overrides[0].partition("=")[0])
def test_what_is_written_is_read_back(loading: Loader, tmp_path: Path, overrides: list[str]) -> None:
    loaded = loading("", overrides=overrides)
    write_today(loaded, tmp_path / "variables.yaml")
    assert loading().settings == loaded.settings
    written = (tmp_path / "variables.yaml").read_text()
    comments = [line for line in TEMPLATE.read_text().splitlines() if line.lstrip().startswith("#")]
    assert [line for line in written.splitlines() if line.lstrip().startswith("#")] == comments
    assert not any(line != line.rstrip() for line in written.splitlines())


def test_the_old_file_is_kept_beside_it(loading: Loader, tmp_path: Path) -> None:
    loaded = loading(NEWEST)
    kept = write_today(loaded, tmp_path / "variables.yaml")
    assert kept == tmp_path / "variables.yaml.bak"
    assert kept.read_text() == NEWEST
    again = loading()
    assert not again.older
    assert again.settings == loaded.settings


def test_a_second_writing_keeps_the_first_ones_copy(loading: Loader, tmp_path: Path) -> None:
    """It may be the only place where somebody's own comments stand."""
    file = tmp_path / "variables.yaml"
    write_today(loading(NEWEST), file)
    assert write_today(loading(), file) is None
    assert write_today(loading(overrides=["cni=flannel"]), file) == tmp_path / "variables.yaml.bak1"
    assert (tmp_path / "variables.yaml.bak").read_text() == NEWEST


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_every_older_form_can_be_written(form: Path, tmp_path: Path) -> None:
    loaded = load(form, environment={}, workspace=tmp_path, judged=False)
    target = tmp_path / "new.yaml"
    assert write_today(loaded, target) is None
    assert load(target, environment={}, workspace=tmp_path, judged=False).settings == loaded.settings


def test_no_password_is_written(loading: Loader, tmp_path: Path) -> None:
    write_today(loading("", environment={"HYBRID_PASSWORD_WINW1": "correct horse"}), tmp_path / "variables.yaml")
    text = (tmp_path / "variables.yaml").read_text()
    assert "horse" not in text and "password" not in yaml.safe_load(text)["machines"][1]


def test_a_folder_that_is_none(loading: Loader, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        write_today(loading(), tmp_path / "file" / "variables.yaml")


def test_files_below_the_folder_are_written_relative(loading: Loader, tmp_path: Path) -> None:
    text = "mirrors: {https://dl.k8s.io: dl}\nkubernetes: {binaries: {kubelet.exe: out/kubelet.exe}}\n"
    written = today(loading(text).written, folder=tmp_path)
    assert "./dl" in written and "./out/kubelet.exe" in written
    assert str(tmp_path) not in written
