"""Every latency has a source, every fault an expectation; faults come as often as asked for."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from provision.errors import SettingsError
from provision.rehearsal import faults, latency
from provision.rehearsal.state import MachineState


def test_every_latency_has_a_source() -> None:
    rows = latency.load().values()
    assert len(rows) > 20
    for row in rows:
        assert row.seconds > 0, row
        assert re.search(r"guess|measured|issue|logs|page|comment|documentation", row.source), row


def test_latencies_that_are_asked_for_exist() -> None:
    package = Path(latency.__file__).parent
    asked = set()
    for path in package.rglob("*.py"):
        asked |= set(re.findall(r'(?:takes|wait|latencies\.seconds)\(\s*"([a-z-]+)"', path.read_text()))
    assert asked
    assert asked <= set(latency.load()), asked - set(latency.load())


def test_waiting_is_scaled_and_ends_early() -> None:
    table = {"x": latency.Latency("x", 10.0, "guess")}
    assert latency.Latencies(0.0, table).wait("x")
    assert latency.Latencies(0.02, table, factor=4).seconds("x") == pytest.approx(0.8)
    stop = threading.Event()
    stop.set()
    assert not latency.Latencies(1.0, table).wait("x", stop)
    with pytest.raises(KeyError):
        latency.Latencies(0.0).wait("no-such-row")


def test_every_fault_says_what_is_expected() -> None:
    for kind in faults.KINDS.values():
        assert kind.happens
        assert re.search(r"converge|exit \d", kind.expected), kind


def test_faults_are_parsed_with_machine_and_count() -> None:
    (one,) = faults.parse(["drop@winw1*3"], ["winw1"])
    assert (one.kind.name, one.machine, one.count) == ("drop", "winw1", 3)
    with pytest.raises(SettingsError) as caught:
        faults.parse(["dorp", "drop@nobody"], ["winw1"])
    assert "dorp" in str(caught.value)
    assert "nobody" in str(caught.value)


def test_a_fault_happens_as_often_as_asked_for_across_kills(tmp_path: Path) -> None:
    wanted = faults.parse(["drop@winw1*2"])

    def strikes(name: str) -> bool:
        # A new object each time, as after a kill.
        return faults.MachineFaults(MachineState(tmp_path, name), "windows", wanted).strikes("drop")

    assert [strikes("winw1") for _ in range(3)] == [True, True, False]
    assert not strikes("cp1")


def test_a_fault_for_windows_leaves_linux_alone(tmp_path: Path) -> None:
    wanted = faults.parse(["service-dies"])
    assert not faults.MachineFaults(MachineState(tmp_path, "cp1"), "linux", wanted).strikes("service-dies")
