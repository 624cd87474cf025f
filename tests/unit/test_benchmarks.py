"""What the benchmarks compute; they themselves are run by `invoke bench`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import measure
from benchmarks.makespan import longest_chain
from benchmarks.measure import Failed, Row, table, up, windows_machines


def test_the_longest_chain_follows_needs() -> None:
    needs = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    assert longest_chain(needs, {"a": 1, "b": 2, "c": 5, "d": 1}) == 7
    assert longest_chain(needs, {"b": 2}) == 2
    assert longest_chain({}, {}) == 0


def test_a_budget_is_a_bound_from_above_or_below() -> None:
    rows = [Row("few", 1.2, 1.1), Row("many", 1.2, 1.3, at_most=False), Row("fine", 1.0, 1.0, note="quiet")]
    assert [row.met for row in rows] == [False, False, True]
    assert [line.split()[-1] for line in table(rows).splitlines()] == ["budget", "OVER", "UNDER", "quiet"]


def test_one_control_plane_and_its_workers() -> None:
    assert [machine["name"] for machine in windows_machines(2)] == ["cp1", "winw1", "winw2"]


def test_a_run_that_fails_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = subprocess.CompletedProcess([], 7, "", "a warning\nwinw1: containerd did not start\n")
    monkeypatch.setattr(measure, "_run", lambda *_, **__: done)
    with pytest.raises(Failed, match=r"^up ended with 7: winw1: containerd did not start$"):
        up(tmp_path)


def test_one_failure_does_not_hide_the_other_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> list[Row]:
        raise Failed("up ended with 7: no")

    monkeypatch.setattr(bench, "ALL", {"one": fails, "two": lambda: [Row("good", 1, 1)]})
    monkeypatch.setattr("sys.argv", ["benchmarks"])
    environment = dict(os.environ)
    assert bench.main() == 1
    assert dict(os.environ) == environment
    said = capsys.readouterr()
    assert "one: up ended with 7: no\n" in said.err
    assert "good" in said.out
