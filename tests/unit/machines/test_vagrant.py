"""Vagrant's words, its process replaced: what is asked, what is passed on, what an error becomes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from provision.clock import Deadline
from provision.errors import HostError, MachineError, ProvisionError
from provision.guests import known_hosts
from provision.host.commands import Completed
from provision.host.workspace import Workspace
from provision.machines import vagrant as door
from provision.machines.causes import CAUSES, error_for, recognise
from provision.machines.output import plain
from provision.machines.vagrant import VagrantProvider, state_of
from provision.settings.complete import complete
from provision.settings.model import Settings
from tests.waiting import PATIENCE

Answer = Callable[[Sequence[str]], tuple[int, str, str]]


class Fake:
    """Stands for `provision.host.commands.run`: remembers the calls, answers as told."""

    def __init__(self, answer: Answer) -> None:
        self.calls: list[list[str]] = []
        self.environments: list[Any] = []
        self._answer = answer

    def __call__(self, argv: Sequence[str], *, on_line: Any = None, env: Any = None, **_: Any) -> Completed:
        words = list(argv[1:])
        self.calls.append(words)
        self.environments.append(env)
        code, out, err = self._answer(words)
        for line in (out + err).splitlines():
            on_line(line)
        return Completed(tuple(argv), code, out, err)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr("shutil.which", lambda _: "/bin/vagrant")
    return Workspace(tmp_path, "hybrid")


def _provider(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, answer: Answer) -> tuple[VagrantProvider, Fake]:
    fake = Fake(answer)
    monkeypatch.setattr(door, "run", fake)
    return VagrantProvider(complete(Settings(provider="libvirt")), workspace), fake


def _made(workspace: Workspace, *names: str) -> None:
    for name in names:
        file = workspace.vagrant / ".vagrant" / "machines" / name / "libvirt" / "id"
        file.parent.mkdir(parents=True)
        file.write_text("1")


def _ok(out: str = "") -> Answer:
    return lambda _: (0, out, "")


def _deadline() -> Deadline:
    return Deadline(60)


def test_nothing_is_asked_while_nothing_was_made(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, fake = _provider(workspace, monkeypatch, _ok())
    assert provider.states() == {"cp1": "absent", "winw1": "absent"}
    assert fake.calls == []


def test_one_status_for_all_machines(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        "1,cp1,metadata,provider,libvirt\n1,cp1,provider-name,libvirt\n1,cp1,state,running\n"
        "warning: constant ::Fixnum is deprecated\n"
        "1,winw1,provider-name,libvirt\n1,winw1,state,shutoff\n1,,ui,info,Current machine states:\\n\n"
    )
    provider, fake = _provider(workspace, monkeypatch, _ok(said))
    provider._write_vagrantfile()
    _made(workspace, "cp1", "winw1")
    assert provider.states() == {"cp1": "running", "winw1": "off"}
    assert fake.calls == [["status", "--machine-readable"]]
    assert fake.environments[0]["VAGRANT_CHECKPOINT_DISABLE"] == "1"


@pytest.mark.parametrize(
    ("vagrants", "ours"),
    [
        ("running", "running"),
        ("not_created", "absent"),
        (None, "absent"),
        ("poweroff", "off"),
        ("shutoff", "off"),
        ("saved", "off"),
        ("aborted", "off"),
        ("inaccessible", "unreachable"),
        ("preparing", "unreachable"),
    ],
)
def test_states(vagrants: str | None, ours: str) -> None:
    assert state_of(vagrants) == ours


def test_up_is_one_process_a_machine_without_provisioning(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, fake = _provider(workspace, monkeypatch, _ok("==> cp1: Starting domain.\n"))
    _made(workspace, "cp1")
    lines: list[str] = []
    provider.ensure_up(provider._settings.machine("cp1"), _deadline(), lines.append)
    assert fake.calls == [["up", "cp1", "--no-provision", "--provider=libvirt"]]
    assert lines == ["==> cp1: Starting domain."]
    assert "$ vagrant up cp1" in provider.log.read_text()


def test_the_key_of_an_earlier_machine_goes_only_when_vagrant_has_made_another_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = workspace.vagrant / ".vagrant" / "machines" / "cp1" / "libvirt" / "id"
    identity = ["first"]

    def up(_: Sequence[str]) -> tuple[int, str, str]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(identity[0])
        return 0, "", ""

    provider, _ = _provider(workspace, monkeypatch, up)
    provider._imported.add(provider._box(provider._settings.machine("cp1")))
    cp1 = provider._settings.machine("cp1")
    provider.ensure_up(cp1, _deadline(), lambda _: None)
    known_hosts.pin(workspace.known_hosts, "cp1", "ssh-ed25519", "AAAA")
    provider.ensure_up(cp1, _deadline(), lambda _: None)
    assert known_hosts.pinned(workspace.known_hosts, "cp1") == ("ssh-ed25519", "AAAA")
    identity[0] = "second"
    provider.ensure_up(cp1, _deadline(), lambda _: None)
    assert known_hosts.pinned(workspace.known_hosts, "cp1") is None


LISTED = "1,,box-name,gusztavvargadr/windows-server-2022-standard-core\n1,,box-provider,virtualbox\n1,,box-version,1\n"


def test_each_box_is_imported_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, fake = _provider(workspace, monkeypatch, lambda words: (0, LISTED if "list" in words else "", ""))
    provider.prepare(_deadline(), lambda _: None)
    for name in ("cp1", "winw1"):
        provider.ensure_up(provider._settings.machine(name), _deadline(), lambda _: None)
    # The Windows box is here for another provider only.
    assert sorted(words for words in fake.calls if words[:2] == ["box", "add"]) == [
        ["box", "add", "--provider", "libvirt", "gusztavvargadr/ubuntu-server-2404-lts"],
        ["box", "add", "--provider", "libvirt", "gusztavvargadr/windows-server-2022-standard-core"],
    ]


def test_linux_does_not_wait_for_the_windows_box(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = threading.Event()

    def slow(words: Sequence[str]) -> tuple[int, str, str]:
        if words[:2] == ["box", "add"] and "windows" in words[-1]:
            assert arrived.wait(PATIENCE)
        return 0, "", ""

    provider, fake = _provider(workspace, monkeypatch, slow)
    provider.prepare(_deadline(), lambda _: None)
    provider.ensure_up(provider._settings.machine("cp1"), _deadline(), lambda _: None)
    assert ["up", "cp1", "--no-provision", "--provider=libvirt"] in fake.calls
    windows = threading.Thread(
        target=provider.ensure_up, args=(provider._settings.machine("winw1"), _deadline(), lambda _: None)
    )
    windows.start()
    windows.join(0.1)
    assert not any(words[:2] == ["up", "winw1"] for words in fake.calls)
    arrived.set()
    windows.join(PATIENCE)
    assert any(words[:2] == ["up", "winw1"] for words in fake.calls)


def test_a_box_that_failed_behind_is_reported_by_its_machine(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(words: Sequence[str]) -> tuple[int, str, str]:
        wrong = words[:2] == ["box", "add"] and "windows" in words[-1]
        return (1, "", "The requested URL returned error: 404") if wrong else (0, "", "")

    provider, _ = _provider(workspace, monkeypatch, broken)
    provider.prepare(_deadline(), lambda _: None)
    with pytest.raises(HostError) as caught:
        provider.ensure_up(provider._settings.machine("winw1"), _deadline(), lambda _: None)
    assert "box could not be got" in caught.value.what


def test_the_winrm_endpoint_and_no_password_in_the_log(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Host winw1\n  HostName 127.0.0.1\n  User vagrant\n  Password throw-away\n  Port 55985\n"
    provider, _ = _provider(workspace, monkeypatch, _ok(said))
    endpoint = provider.endpoint(provider._settings.machine("winw1"))
    assert (endpoint.transport, endpoint.host, endpoint.port, endpoint.user) == ("winrm", "127.0.0.1", 55985, "vagrant")
    assert endpoint.password is not None and endpoint.password.reveal() == "throw-away"
    assert "throw-away" not in provider.log.read_text()


def test_the_ssh_endpoint_is_asked_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'Host cp1\n  HostName 10.1.2.3\n  User vagrant\n  Port 22\n  IdentityFile "/k/private key"\n'
    provider, fake = _provider(workspace, monkeypatch, _ok(said))
    machine = provider._settings.machine("cp1")
    assert provider.endpoint(machine).key_file == Path("/k/private key")
    assert provider.endpoint(machine).known_hosts == workspace.known_hosts
    assert len(fake.calls) == 1


def test_halt_and_destroy_of_what_was_never_made(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, fake = _provider(workspace, monkeypatch, _ok())
    machine = provider._settings.machine("cp1")
    provider.halt(machine, _deadline(), lambda _: None)
    provider.destroy(machine, _deadline(), lambda _: None)
    assert fake.calls == []


def test_snapshot_destroy_and_halt_name_their_machine(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, fake = _provider(workspace, monkeypatch, _ok())
    _made(workspace, "cp1")
    machine = provider._settings.machine("cp1")
    provider.snapshot(machine, "joined", _deadline(), lambda _: None)
    provider.halt(machine, _deadline(), lambda _: None)
    provider.destroy(machine, _deadline(), lambda _: None)
    assert fake.calls == [
        ["snapshot", "save", "--force", "cp1", "joined"],
        ["halt", "cp1"],
        ["destroy", "cp1", "--force"],
    ]


def test_a_failure_carries_the_cause_and_the_tail(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = "Progress: 5%\n" * 50 + "from /usr/lib/a.rb:1:in `call'\n" * 50
    provider, _ = _provider(
        workspace, monkeypatch, lambda _: (1, "==> cp1: Starting\n", "qemu: cannot set up guest memory\n" + noise)
    )
    with pytest.raises(HostError) as caught:
        provider.ensure_up(provider._settings.machine("cp1"), _deadline(), lambda _: None)
    assert "not enough free memory" in caught.value.what
    assert "machines[].memory" in caught.value.remedy
    assert caught.value.details.splitlines() == ["==> cp1: Starting", "qemu: cannot set up guest memory"]


def test_a_machine_held_by_another_vagrant_is_tried_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([(1, "", "Vagrant can't continue: another process is already executing an action on the machine.")])
    provider, fake = _provider(workspace, monkeypatch, lambda _: next(answers, (0, "", "")))
    _made(workspace, "cp1")
    slept: list[float] = []
    monkeypatch.setattr(door, "sleep", slept.append)
    lines: list[str] = []
    provider.ensure_up(provider._settings.machine("cp1"), _deadline(), lines.append)
    assert len(fake.calls) == 2 and len(slept) == 1
    assert "waiting for another Vagrant process to let go of the machine" in lines


def test_the_next_machine_starts_when_the_first_is_past_the_gate(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On libvirt two machines are made one after the other, and boot at the same time."""
    started, second_began = threading.Event(), threading.Event()
    order: list[str] = []

    def fake(argv: Sequence[str], *, on_line: Any = None, **_: Any) -> Completed:
        name = argv[2]
        order.append(f"{name} begins")
        if name == "cp1":
            assert not second_began.wait(0.05), "the second began before the gate"
            on_line("==> cp1: Starting domain.")
            started.set()
            assert second_began.wait(PATIENCE), "the second waits for the end of the first"
        else:
            second_began.set()
        order.append(f"{name} ends")
        return Completed(tuple(argv), 0, "", "")

    monkeypatch.setattr(door, "run", fake)
    _made(workspace, "cp1", "winw1")
    provider = VagrantProvider(complete(Settings(provider="libvirt")), workspace)
    first, second = provider._settings.machines
    threads = [threading.Thread(target=provider.ensure_up, args=(first, _deadline(), lambda _: None))]
    threads[0].start()
    while not order:
        threading.Event().wait(0.005)
    threads.append(threading.Thread(target=provider.ensure_up, args=(second, _deadline(), lambda _: None)))
    threads[1].start()
    for thread in threads:
        thread.join(PATIENCE)
    assert order[:2] == ["cp1 begins", "winw1 begins"]


def test_progress_is_thinned_out(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "".join(f"\x1b[KProgress: {percent}%\n" for percent in range(101)) + "\x1b[0mdone\n"
    provider, _ = _provider(workspace, monkeypatch, _ok(said))
    _made(workspace, "cp1")
    lines: list[str] = []
    provider.ensure_up(provider._settings.machine("cp1"), _deadline(), lines.append)
    assert lines == [*(f"Progress: {percent}%" for percent in range(0, 101, 10)), "done"]
    assert plain("\x1b[1;31mred\x1b[0m \r") == "red"


@pytest.mark.parametrize(
    ("output", "words", "kind"),
    [
        ("cannot load such file -- winrm (LoadError)", "winrm gem", HostError),
        ("VT-x is not available (VERR_VMX_NO_VMX)", "hardware virtualisation", HostError),
        ("Could not access KVM kernel module: No such file", "KVM does not work", HostError),
        ("Error while connecting to Libvirt: Call to virConnectOpen failed", "libvirtd does not answer", HostError),
        (
            "The IP address configured for the host-only network is not within the\nallowed ranges.",
            "does not allow",
            HostError,
        ),
        ("Vagrant could not detect VirtualBox! Make sure VirtualBox", "no usable hypervisor", HostError),
        ("The provider 'vmware_desktop' could not be found, but was requested", "no plugin", HostError),
        ("write /x: No space left on device", "the disk is full", HostError),
        ("The box 'lab/x' could not be found or\ncould not be accessed", "box could not be got", HostError),
        ("Timed out while waiting for the machine to boot.", "did not answer in time", MachineError),
        ("Name `hybrid-cp1` of domain about to create is already taken.", "exists already", MachineError),
        ("The forwarded port to 2222 is already in use on the host machine.", "in use", MachineError),
    ],
)
def test_known_causes(output: str, words: str, kind: type[ProvisionError]) -> None:
    error = error_for("`vagrant up` ended with exit code 1", output, output)
    assert words in error.what
    assert type(error) is kind and error.remedy


def test_an_unknown_cause_is_a_machine_error_with_the_tail() -> None:
    error = error_for("`vagrant up` ended", "never seen before", "the tail")
    assert type(error) is MachineError and error.details == "the tail"
    assert recognise("Machine booted and ready!") is None
    assert len({cause.what for cause in CAUSES}) == len(CAUSES)
