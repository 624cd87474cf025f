"""The guests' own scripts on the rehearsal's models: every line of the bootstraps and followers is executed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.clock import Deadline, poll
from provision.errors import DeadlineExceeded
from provision.facts.base import parse_facts
from provision.guests.base import Endpoint, Script, Transport
from provision.guests.common import CommonGuest
from provision.guests.connect import connect
from provision.rehearsal.machine import Machine
from provision.rehearsal.park import Park
from provision.rehearsal.serving import LoopThread
from provision.rehearsal.ssh_server import serve_ssh
from provision.rehearsal.wsman_server import serve_wsman
from provision.render.engine import render
from provision.secrets import Secret
from tests.waiting import PATIENCE, Called, until

from .conftest import HOST_KEY


class Modelled:
    def __init__(self, transport: Transport, machine: Machine, endpoint: Endpoint) -> None:
        self.transport = transport
        self.machine = machine
        self.endpoint = endpoint
        self.windows = machine.os == "windows"

    def guest(self) -> CommonGuest:
        return connect(self.endpoint, operation_timeout=1, read_timeout=2)

    def script(self, linux: str, windows: str) -> Script:
        return Script("trial", windows if self.windows else linux)


@pytest.fixture(params=["ssh-linux", "ssh-windows", "winrm-windows"])
def modelled(request: pytest.FixtureRequest, tmp_path: Path, loop: LoopThread) -> Iterator[Modelled]:
    transport, _, system = request.param.partition("-")
    machine = Park(tmp_path, scale=0.0).create(
        {
            "name": "m1", "os": system, "role": "worker", "address": "192.168.56.20", "mac": "08:00:27:00:00:20",
            "user": "vagrant", "transport": transport, "windows_version": "2022", "memory": 4096, "cpus": 2,
            "password": "throw-away-1", "public_key": "ssh-ed25519 AAAA test",
        }
    )  # fmt: skip
    machine.start()
    poll(
        lambda: (True if machine.answers else None, machine.power), Deadline(PATIENCE, "the modelled boot"), every=0.05
    )
    served = serve_ssh(machine, host_key=HOST_KEY, loop=loop) if transport == "ssh" else serve_wsman(machine, loop=loop)
    endpoint = Endpoint(
        "m1", machine.os, "ssh" if transport == "ssh" else "winrm", "127.0.0.1", served.port, "vagrant",
        Secret("throw-away-1"), known_hosts=tmp_path / "known_hosts",
    )  # fmt: skip
    yield Modelled(endpoint.transport, machine, endpoint)
    served.close()


def test_a_script_runs_with_its_exit_code(modelled: Modelled) -> None:
    script = modelled.script("echo one\necho two >&2\nexit 5\n", "'one'\nexit 5\n")
    guest = modelled.guest()
    for _ in range(2):
        result = guest.run(script, Deadline(30))
        assert (result.code, result.out.strip()) == (5, "one"), result
        assert "hybrid-pid" not in result.err
    guest.close()


def test_detached_work_is_followed_and_picked_up(modelled: Modelled, monkeypatch: pytest.MonkeyPatch) -> None:
    script = modelled.script(
        "echo one\nsleep 3\necho two\nexit 4\n", "'one'\nStart-Sleep -Milliseconds 3000\n'two'\nexit 4\n"
    )
    modelled.machine.latencies.scale = 1.0
    first, deadline = modelled.guest(), Called()
    monkeypatch.setattr(first, "_stop_detached", lambda _: None)
    with pytest.raises(DeadlineExceeded):
        first.run_detached(script, deadline, deadline.passes)
    first.reset()
    lines: list[str] = []
    second = modelled.guest()
    result = second.run_detached(script, Deadline(60), lines.append)
    assert (result.code, lines) == (4, ["one", "two"])
    second.close()


def test_a_restart_is_proved(modelled: Modelled, brisk: None, monkeypatch: pytest.MonkeyPatch) -> None:
    guest, machine = modelled.guest(), modelled.machine
    # It goes down when we have its answer and hang up: the seconds that it has left after a restart was asked for.
    monkeypatch.setattr(machine.latencies, "seconds", lambda name: 3600.0 if name == "reboot-lag" else 0.0)
    reset = guest.reset

    def hang_up() -> None:
        reset()
        if machine.restart_pending:
            with machine.state.change() as data:
                data["power"]["down_at"] = 0.0

    monkeypatch.setattr(guest, "reset", hang_up)
    before = guest.boot_id(Deadline(30))
    assert guest.boot_id(Deadline(30)) == before
    # Windows tells its boot time in whole seconds.
    time.sleep(1.1)
    guest.reboot(Deadline(60))
    assert guest.boot_id(Deadline(30)) != before
    guest.close()


def test_the_boot_that_a_restart_ends_is_the_one_of_the_facts(modelled: Modelled) -> None:
    # They are compared: told in two forms, every answer would be one of a new boot.
    guest = modelled.guest()
    probe = "facts/windows/probe.ps1" if modelled.windows else "facts/linux/probe.sh"
    said = guest.run(Script("probe", render(probe, sections=["os"])), Deadline(60)).require()
    os = parse_facts(said.out)["os"]
    assert guest.boot_id(Deadline(30)) == os["boot_time" if modelled.windows else "boot_id"]
    guest.close()


@pytest.mark.parametrize("modelled", ["ssh-linux", "ssh-windows"], indirect=True)
def test_a_file_arrives(modelled: Modelled) -> None:
    target = r"C:\ProgramData\hybrid\files\a" if modelled.windows else "/var/lib/hybrid/files/a"
    guest = modelled.guest()
    guest.put(b"hello" * 10_000, target, Deadline(30))
    assert modelled.machine.files.read(target) == b"hello" * 10_000
    guest.close()


def test_threads_end_with_their_commands(modelled: Modelled) -> None:
    guest = modelled.guest()
    guest.run(modelled.script("true\n", "'x'\n"), Deadline(30))
    before = threading.active_count()
    for _ in range(5):
        guest.run(modelled.script("true\n", "'x'\n"), Deadline(30))
    until(lambda: threading.active_count() <= before + 2, "the end of the commands' threads")
    guest.close()
