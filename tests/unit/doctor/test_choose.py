"""Which provider `auto` takes, from what is known of a computer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provision.doctor import host
from provision.doctor.choose import choose, decide, require
from provision.doctor.host import CATALOGUE, Host, memory_mib, processor_offers, system_of
from provision.doctor.judge import findings, works
from provision.errors import HostError
from provision.host.workspace import Workspace
from provision.machines.vagrantfile import box_of
from provision.settings.model import Machine, Settings

SETTINGS = Settings()


def _boxes(provider: str) -> frozenset[tuple[str, str]]:
    with_provider = SETTINGS.model_copy(update={"provider": provider})
    return frozenset((box_of(with_provider, machine)[0], provider) for machine in SETTINGS.machines)


BARE = Host(system="linux", memory=32_000, memory_free=20_000, cpus=8, disk_free=200_000)
LIBVIRT = replace(
    BARE,
    tools={"vagrant": "/bin/vagrant", "qemu-system-x86_64": "/bin/q"},
    vagrant="2.4.9",
    plugins=frozenset({"vagrant-libvirt"}),
    winrm_gem=True,
    virtualisation="works",
    kvm="works",
    libvirt=True,
    boxes=_boxes("libvirt"),
)
VIRTUALBOX = replace(
    LIBVIRT,
    tools={"vagrant": "/bin/vagrant", "VBoxManage": "/bin/v"},
    plugins=frozenset(),
    libvirt=False,
    boxes=_boxes("virtualbox"),
)


def test_the_first_that_works_is_taken() -> None:
    assert decide(LIBVIRT, SETTINGS).provider == "libvirt"
    assert decide(VIRTUALBOX, SETTINGS).provider == "virtualbox"
    assert decide(replace(VIRTUALBOX, system="macos"), SETTINGS).provider == "virtualbox"


def test_nothing_here_is_a_rehearsal_that_says_what_was_looked_for() -> None:
    choice = decide(BARE, SETTINGS)
    assert choice.provider == "rehearsal"
    said = "\n".join(choice.notices)
    assert "REHEARSAL" in said
    for provider in ("libvirt", "virtualbox", "vmware_desktop"):
        assert f"  {provider}: " in said
    assert "install" in said and "--set provider=" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tools": {"qemu-system-x86_64": "/q"}, "vagrant": ""}, "Vagrant is not installed"),
        ({"vagrant": "", "vagrant_error": "LoadError"}, "Vagrant does not answer: LoadError"),
        ({"kvm": "/dev/kvm is there, but a guest stopped with exit reason 17"}, "KVM cannot run machines here"),
        ({"plugins": frozenset()}, "plugin for libvirt is missing"),
        ({"libvirt": False}, "libvirtd does not run"),
        ({"tools": {"vagrant": "/v"}}, "QEMU is not installed"),
        ({"winrm_gem": False}, "lacks the winrm gem"),
        ({"boxes": frozenset()}, "is not imported"),
        ({"memory": 8000}, "8000 MiB in all"),
        ({"cpus": 1}, "asks for 2 processors"),
        ({"disk_free": 9000}, "9000 MiB of disk are free"),
    ],
)
def test_each_thing_that_stands_in_the_way(change: Any, words: str) -> None:
    host = replace(LIBVIRT, **change)
    found = findings(host, SETTINGS, "libvirt")
    assert not works(found)
    assert any(words in finding.what and finding.remedy for finding in found)
    assert decide(host, SETTINGS).provider == "rehearsal"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"memory_free": 4000}, "4000 MiB are free right now"), ({"disk_free": 30_000}, "may grow to 40000 MiB")],
)
def test_a_warning_does_not_stand_in_the_way(change: Any, words: str) -> None:
    choice = decide(replace(LIBVIRT, **change), SETTINGS)
    assert choice.provider == "libvirt"
    assert any(words in notice for notice in choice.notices)


def test_a_box_whose_url_answers_need_not_be_imported() -> None:
    names = {name for name, _ in _boxes("libvirt")}
    host = replace(LIBVIRT, boxes=frozenset(), answering=frozenset(f"{CATALOGUE}/{name}" for name in names))
    assert decide(host, SETTINGS).provider == "libvirt"


def test_qemu_without_kvm_is_taken_when_asked_for() -> None:
    settings = SETTINGS.model_copy(update={"provider_options": {"libvirt": {"driver": "qemu"}}})
    assert decide(replace(LIBVIRT, kvm="no", virtualisation="no"), settings).provider == "libvirt"


def test_a_cluster_without_windows_needs_no_winrm_gem() -> None:
    settings = Settings(machines=(Machine(name="cp1", os="linux", role="control-plane"),))
    assert works(findings(replace(LIBVIRT, winrm_gem=False), settings, "libvirt"))


def _never(*_: object) -> Host:
    raise AssertionError("nothing is to be looked at")


def test_a_named_provider_never_falls_back(tmp_path: Path) -> None:
    named = SETTINGS.model_copy(update={"provider": "virtualbox"})
    assert choose(named, Workspace(tmp_path, "x"), _never).provider == "virtualbox"
    with pytest.raises(HostError) as caught:
        require(named, tmp_path, lambda *_: BARE)
    assert "Vagrant is not installed" in caught.value.details
    assert "VirtualBox is not installed" in caught.value.details


@pytest.mark.parametrize("made_by", ["virtualbox", "libvirt", "rehearsal"])
def test_a_workspace_with_a_cluster_stays_with_its_provider(tmp_path: Path, made_by: str) -> None:
    workspace = Workspace(tmp_path, "x")
    workspace.provider_file.parent.mkdir(parents=True)
    workspace.provider_file.write_text(made_by + "\n")
    choice = choose(SETTINGS, workspace, _never)
    assert choice.provider == made_by
    assert bool(choice.notices) is (made_by == "rehearsal")


@pytest.mark.parametrize(
    ("kernel", "release", "environment", "system"),
    [
        ("Linux", "6.1.0-18-amd64", {}, "linux"),
        ("Linux", "5.15.153.1-microsoft-standard-WSL2", {}, "wsl2"),
        ("Linux", "6.6.36.3-own-kernel", {"WSL_DISTRO_NAME": "Debian"}, "wsl2"),
        ("Linux", "4.4.0-19041-Microsoft", {"WSL_DISTRO_NAME": "Debian"}, "other"),
        ("Darwin", "23.4.0", {}, "macos"),
        ("Windows", "10", {}, "windows"),
        ("FreeBSD", "14", {}, "other"),
    ],
)
def test_which_system_this_is(kernel: str, release: str, environment: dict[str, str], system: str) -> None:
    assert system_of(kernel, release, environment) == system


def test_what_the_processor_offers() -> None:
    assert processor_offers("flags\t: fpu vme svm lm\n") == "works"
    assert "does not offer" in processor_offers("flags\t: fpu vme svmx lm\n")
    assert memory_mib()[0] > 0


def test_the_remedy_for_the_plugin_has_what_it_compiles_with() -> None:
    (found,) = findings(replace(LIBVIRT, plugins=frozenset()), SETTINGS, "libvirt")
    assert "libvirt-dev build-essential" in found.remedy and "plugin install vagrant-libvirt" in found.remedy


@pytest.mark.parametrize("vagrant_is_here", [True, False])
def test_who_names_a_provider_hears_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vagrant_is_here: bool
) -> None:
    """`auto` asks Vagrant, which is slow, only where there is hope; one mended thing must not bring up the next."""
    asked: list[str] = []

    def ask(known: Host, *_: object) -> Host:
        asked.append("vagrant")
        return replace(known, vagrant="2.4.9")

    tools = {"vagrant": "/usr/bin/vagrant"} if vagrant_is_here else {}
    monkeypatch.setattr("provision.doctor.host.shutil.which", tools.get)
    monkeypatch.setattr(host, "virtualisation", lambda _system: "switched off")
    monkeypatch.setattr(host, "kvm", lambda _system: "switched off")
    monkeypatch.setattr(host, "_libvirt_answers", lambda _system: False)
    monkeypatch.setattr(host, "system_of", lambda *_: "linux")
    monkeypatch.setattr(host, "_ask_vagrant", ask)
    decide(host.look(SETTINGS, tmp_path), SETTINGS)
    assert asked == []
    with pytest.raises(HostError) as caught:
        require(SETTINGS.model_copy(update={"provider": "libvirt"}), tmp_path)
    said = caught.value.details
    assert "KVM cannot run machines" in said and "QEMU is not installed" in said and "libvirtd does not run" in said
    assert ("plugin for libvirt is missing" if vagrant_is_here else "Vagrant is not installed") in said
    assert ("is not imported" in said) == vagrant_is_here == (asked == ["vagrant"])


def test_a_box_file_that_is_not_there_is_called_a_file() -> None:
    machines = (Machine(name="cp1", os="linux", role="control-plane", box="/srv/no.box"),)
    (found,) = findings(LIBVIRT, Settings(machines=machines), "libvirt")
    assert (found.what, found.remedy) == ("there is no file /srv/no.box", "correct the box of cp1")


def test_what_can_never_work_here_is_one_line() -> None:
    (found,) = findings(replace(BARE, tools={"vagrant": "/v"}, vagrant="2.4.9"), SETTINGS, "hyperv")
    assert "this is not Windows" in found.what
