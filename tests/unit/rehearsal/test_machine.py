"""Power of modelled machines: boots, restarts and their faults, across kills of the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.rehearsal import files as files_module
from provision.rehearsal import machine as machine_module
from provision.rehearsal.faults import MachineFaults, parse
from provision.rehearsal.latency import Latencies
from provision.rehearsal.machine import Machine
from provision.rehearsal.registry import direct
from provision.rehearsal.state import MachineState


class Alone:
    web = staticmethod(direct())

    def find(self, name: str) -> Machine | None:
        return None

    def at_address(self, address: str) -> Machine | None:
        return None

    def all(self) -> list[Machine]:
        return []


def make(folder: Path, faults: tuple[str, ...] = (), scale: float = 0.0) -> Machine:
    state = MachineState(folder, "cp1")
    spec: dict[str, Any] = {"name": "cp1", "os": "linux", "user": "vagrant", "public_key": "ssh-ed25519 AAAA me"}
    return Machine(state, spec, Latencies(scale), MachineFaults(state, "windows", parse(faults)), Alone())


class Clock:
    """The wall clock of a test."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(machine_module, "now", fake)
    return fake


def test_off_on_off(tmp_path: Path) -> None:
    machine = make(tmp_path)
    assert (machine.power, machine.answers, machine.boot_count) == ("off", False, 0)
    machine.start()
    machine.start()
    assert (machine.power, machine.boot_count) == ("running", 1)
    down = machine.down
    machine.power_off()
    assert down.is_set()
    assert not machine.answers


def test_a_boot_takes_time_and_goes_on_while_nobody_looks(tmp_path: Path, clock: Clock) -> None:
    machine = make(tmp_path, scale=0.01)
    machine.start()
    assert machine.power == "booting"
    clock.time += 1
    again = make(tmp_path, scale=0.01)
    assert again.answers
    assert again.boot_count == 1


def test_a_restart_changes_count_id_and_time(tmp_path: Path) -> None:
    machine = make(tmp_path)
    machine.start()
    before = (machine.boot_id, machine.boot_time)
    down = machine.down
    machine.reboot()
    assert machine.boot_count == 2
    assert down.is_set()
    assert not machine.down.is_set()
    assert machine.boot_id != before[0]
    assert machine.boot_time >= before[1] + 1


def test_a_restart_that_was_asked_for_survives_a_kill(tmp_path: Path, clock: Clock) -> None:
    machine = make(tmp_path, scale=0.02)
    machine.start()
    clock.time += 1
    machine.reboot()
    assert machine.boot_count == 1
    clock.time += 1
    again = make(tmp_path, scale=0.02)
    assert again.boot_count == 2


def test_one_more_answer_comes_from_the_old_boot(tmp_path: Path) -> None:
    machine = make(tmp_path, ("one-more-answer",))
    machine.start()
    machine.reboot()
    machine.answered()  # the command that asked for the restart
    assert machine.boot_count == 1
    machine.answered()  # the one more
    assert machine.boot_count == 2


def test_a_late_restart_begins_late(tmp_path: Path, clock: Clock) -> None:
    machine = make(tmp_path, ("late-reboot",))
    machine.start()
    machine.reboot()
    assert machine.boot_count == 1
    clock.time += 1.1
    assert machine.boot_count == 2


def test_a_lost_clock_and_a_slow_machine(tmp_path: Path) -> None:
    machine = make(tmp_path, ("clock-gone", "slow"))
    machine.start()
    assert machine.clock() < files_module.now() - 80000
    assert machine.latencies.factor == 4.0


def test_keys_are_compared_without_their_comment(tmp_path: Path) -> None:
    machine = make(tmp_path)
    assert machine.authorized_key("vagrant", "ssh-ed25519 AAAA other")
    assert not machine.authorized_key("vagrant", "ssh-ed25519 BBBB me")
    assert not machine.authorized_key("root", "ssh-ed25519 AAAA me")


def test_a_full_disk_takes_small_writes(tmp_path: Path) -> None:
    machine = make(tmp_path, ("disk-full",))
    machine.files.write("/log", b"x" * 100)
    with pytest.raises(OSError, match="No space"):
        machine.files.write("/big", b"x" * 5000)
    machine.files.write("/big", b"x" * 5000)
