"""The rehearsal's background process: one a cluster, killed and started anew, reached through its provider."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from provision.clock import Deadline, poll
from provision.errors import MachineError, SettingsError
from provision.guests.base import Script
from provision.guests.connect import connect, wait_for
from provision.host.workspace import Workspace
from provision.rehearsal.client import Client
from provision.rehearsal.control import CONFIG_FILE, PORT_FILE, ControlServer, call
from provision.rehearsal.process import Process, main
from provision.rehearsal.provider import RehearsalProvider, shown
from provision.settings.complete import complete
from provision.settings.model import Machine, Rehearsal, Settings
from tests.waiting import PATIENCE


def settings(*faults: str, scale: float = 0.0) -> Settings:
    machines = (
        Machine(name="cp1", os="linux", role="control-plane", address=IPv4Address("192.168.56.10")),
        Machine(name="winw1", os="windows", address=IPv4Address("192.168.56.11")),
        Machine(name="winw2", os="windows", address=IPv4Address("192.168.56.12"), transport="ssh"),
    )
    return complete(Settings(provider="rehearsal", machines=machines, rehearsal=Rehearsal(scale=scale, faults=faults)))


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[RehearsalProvider]:
    made = RehearsalProvider(Workspace(tmp_path, "test"), settings())
    yield made
    made.client.call("end", start=False)


def up(provider: RehearsalProvider, name: str) -> Machine:
    machine = provider.settings.machine(name)
    provider.prepare(Deadline(30), lambda _: None)
    provider.ensure_up(machine, Deadline(30), lambda _: None)
    return machine


def process_id(provider: RehearsalProvider) -> int:
    return int(json.loads((provider.folder / PORT_FILE).read_text())["pid"])


def kill(provider: RehearsalProvider) -> None:
    pid = process_id(provider)
    os.kill(pid, signal.SIGKILL)

    def gone() -> tuple[bool | None, str]:
        # The child of this test stays a zombie until it is waited for.
        done, _ = os.waitpid(pid, os.WNOHANG)
        return (True if done else None), "still there"

    poll(gone, Deadline(PATIENCE), every=0.02)


def test_nothing_runs_before_there_is_a_machine(provider: RehearsalProvider) -> None:
    assert set(provider.states().values()) == {"absent"}
    assert not (provider.folder / PORT_FILE).exists()


def test_files_of_the_users_folder_are_no_modules(
    provider: RehearsalProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('taken for the module')")
    monkeypatch.chdir(tmp_path)
    up(provider, "cp1")
    assert provider.states()["cp1"] == "running"


@pytest.mark.parametrize("name", ["winw1", "winw2", "cp1"])
def test_a_machine_is_reached_by_the_real_clients(provider: RehearsalProvider, name: str) -> None:
    machine = up(provider, name)
    assert provider.states()[name] == "running"
    endpoint = provider.endpoint(machine)
    assert endpoint.host == "127.0.0.1"
    guest = wait_for(endpoint, Deadline(30), lambda _: None)
    try:
        text = "echo hello" if machine.os == "linux" else "Write-Output 'hello'"
        assert guest.run(Script("hello", text), Deadline(30)).require().out.strip() == "hello"
    finally:
        guest.close()


def test_killed_it_starts_anew_with_the_same_machines_and_ports(provider: RehearsalProvider) -> None:
    machine = up(provider, "winw1")
    found = provider.endpoint(machine)
    guest = connect(found)
    write = "New-Item -ItemType Directory -Path 'C:\\k' | Out-Null\nSet-Content -LiteralPath 'C:\\k\\x' -Value 'kept'"
    guest.run(Script("write", write), Deadline(30)).require()
    boot = guest.boot_id(Deadline(30))
    guest.close()
    for _ in range(3):  # somebody else may have got the port in the moment in which it was free
        old = process_id(provider)
        kill(provider)
        assert provider.states()["winw1"] == "running"
        assert process_id(provider) != old
        before, found = found, provider.endpoint(machine)
        if found == before:
            break
    assert found == before
    again = connect(provider.endpoint(machine))
    try:
        assert again.run(Script("read", "Get-Content -LiteralPath 'C:\\k\\x'"), Deadline(30)).out.strip() == "kept"
        assert again.boot_id(Deadline(30)) == boot
    finally:
        again.close()


def test_there_is_one_process_a_cluster(provider: RehearsalProvider) -> None:
    up(provider, "winw1")
    first = process_id(provider)
    Client(provider.folder).start()
    assert process_id(provider) == first


def test_halted_it_ends_and_the_machine_is_off(provider: RehearsalProvider) -> None:
    machine = up(provider, "winw1")
    provider.halt(machine, Deadline(30), lambda _: None)
    poll(lambda: (True if not (provider.folder / PORT_FILE).exists() else None, "runs"), Deadline(PATIENCE), every=0.02)
    assert provider.states()["winw1"] == "off"
    provider.ensure_up(machine, Deadline(30), lambda _: None)
    assert provider.states()["winw1"] == "running"


def test_destroyed_nothing_is_left_of_a_machine(provider: RehearsalProvider) -> None:
    machine = up(provider, "winw1")
    provider.destroy(machine, Deadline(30), lambda _: None)
    provider.destroy(machine, Deadline(30), lambda _: None)
    assert provider.states()["winw1"] == "absent"
    assert not list((provider.folder / "machines").glob("*.json"))


def test_a_wrong_secret_and_a_wrong_call_are_refused(provider: RehearsalProvider) -> None:
    up(provider, "winw1")
    address = json.loads((provider.folder / PORT_FILE).read_text())
    with pytest.raises(MachineError, match="secret"):
        call(address["port"], "guess", "states", {}, 5)
    with pytest.raises(MachineError, match="knows no"):
        provider.client.call("nonsense")
    with pytest.raises(MachineError, match="no machine"):
        provider.endpoint(provider.settings.machine("winw2"))


def test_secrets_stay_in_its_own_folder_and_are_the_owners(provider: RehearsalProvider, tmp_path: Path) -> None:
    machine = up(provider, "winw1")
    endpoint = provider.endpoint(machine)
    assert endpoint.password is not None
    secret = endpoint.password.reveal()
    holders = [p for p in tmp_path.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
    assert holders
    for path in holders:
        assert provider.folder in path.parents
        assert path.stat().st_mode & 0o077 == 0, path
    assert (provider.folder / PORT_FILE).stat().st_mode & 0o077 == 0
    assert provider.folder.stat().st_mode & 0o077 == 0


def test_it_says_that_it_is_a_rehearsal(provider: RehearsalProvider) -> None:
    lines: list[str] = []
    provider.prepare(Deadline(30), lines.append)
    provider.ensure_up(provider.settings.machine("winw1"), Deadline(30), lines.append)
    assert lines
    assert all("rehearsal" in line for line in lines)
    assert json.loads((provider.folder / CONFIG_FILE).read_text())["rehearsal"] is True
    assert shown("winw1") == shown(shown("winw1")) == "winw1-rehearsal"


def test_a_fault_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    made = RehearsalProvider(Workspace(tmp_path, "test"), settings("drop@nobody"))
    with pytest.raises(SettingsError, match="faults"):
        made.prepare(Deadline(30), lambda _: None)
    assert not (made.folder / PORT_FILE).exists()


def test_it_ends_by_itself_when_nobody_uses_it(tmp_path: Path) -> None:
    process = Process(tmp_path, idle=0.1)
    runner = threading.Thread(target=process.run, daemon=True)
    runner.start()
    runner.join(PATIENCE)
    assert not runner.is_alive()
    assert not (tmp_path / PORT_FILE).exists()


def test_a_process_whose_address_is_damaged_is_waited_for_and_none_is_started_beside_it(
    provider: RehearsalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one would come to life when the first has ended and `destroy` has removed the folder."""
    up(provider, "cp1")
    pid = process_id(provider)
    monkeypatch.setattr("provision.rehearsal.client.spawn_background", lambda *_, **__: pytest.fail("started"))
    (provider.folder / PORT_FILE).write_text("{{")
    assert provider.states()["cp1"] == "running"
    assert process_id(provider) == pid


def test_a_process_whose_folder_is_gone_does_not_make_it_again(tmp_path: Path) -> None:
    assert main([str(tmp_path / "gone"), "0.1"]) == 0
    assert not (tmp_path / "gone").exists()


def test_a_second_process_leaves_at_once(provider: RehearsalProvider) -> None:
    up(provider, "winw1")
    assert main([str(provider.folder)]) == 0
    assert provider.states()["winw1"] == "running"


def test_a_full_disk_is_no_defect_of_the_rehearsal() -> None:
    def full(name: str, arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/w/machines/cp1.json")

    server = ControlServer("secret", full)
    server.start()
    try:
        with pytest.raises(MachineError, match="cp1.json: No space left on device") as caught:
            call(server.port, "secret", "ensure", {}, PATIENCE)
    finally:
        server.stop()
    assert "free some space" in caught.value.remedy and "defect" not in str(caught.value)
