"""What people see of a run: rows, reasons of rest, the time left."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from provision.app import progress
from provision.app.progress import Reporter, time_left, usual
from provision.console import Screen
from provision.journal import Journal, read
from provision.steps.base import Lane, Missing, Plan, Step
from provision.steps.runner import Outcome, StepEnd


def step(name: str, *needs: str, lane: Lane = "system") -> Step:
    _, _, machine = name.partition("@")
    return Step(
        name=name,
        title=f"{name} is true",
        lane=lane if machine else "host",
        machine=machine or None,
        needs=needs,
        check=lambda _, __: Missing("not yet"),
    )


PLAN = Plan(
    (
        step("fetch-a"),
        step("fetch-b"),
        step("up@cp1", "fetch-a"),
        step("card@cp1", "up@cp1"),
        step("kernel@cp1", "up@cp1"),
        step("up@w1", "fetch-b"),
        step("join@w1", "up@w1", "kernel@cp1"),
    )
)
LEARNT = {"fetch-a": 10.0, "fetch-b": 20.0, "up": 30.0, "card": 5.0, "kernel": 7.0, "join@w1": 8.0}


def test_time_left_is_the_longest_chain_with_lanes_one_after_another() -> None:
    # cp1: 10 + 30 + (5, then 7 in one lane) = 52; w1: 20 + 30 = 50, then join after kernel: 52 + 8
    assert time_left(PLAN, LEARNT, [], {}) == (60.0, False)


def test_time_left_counts_what_runs_down() -> None:
    done = ["fetch-a", "fetch-b", "up@cp1", "up@w1", "card@cp1"]
    assert time_left(PLAN, LEARNT, done, {"kernel@cp1": 3.0}) == (4.0 + 8.0, False)
    assert time_left(PLAN, LEARNT, done, {"kernel@cp1": 300.0}) == (8.0, False)


def test_a_running_step_keeps_its_lane_before_those_that_wait() -> None:
    done = ["fetch-a", "fetch-b", "up@cp1", "up@w1"]
    left, _ = time_left(PLAN, LEARNT, done, {"kernel@cp1": 0.0})
    assert left == 15.0  # kernel 7, then join 8 beside card 5


def test_machines_of_a_provider_that_starts_one_at_a_time() -> None:
    plan = Plan((step("up@a", lane="machine"), step("up@b", lane="machine")))
    assert time_left(plan, {"up": 30.0}, [], {}, parallel=True) == (30.0, False)
    assert time_left(plan, {"up": 30.0}, [], {}, parallel=False) == (60.0, False)


def test_a_step_never_seen_makes_it_a_lower_bound() -> None:
    learnt = {name: seconds for name, seconds in LEARNT.items() if name != "join@w1"}
    assert time_left(PLAN, learnt, [], {}) == (52.0, True)
    assert time_left(PLAN, {}, [], {}) == (0.0, True)
    assert time_left(PLAN, {}, [s.name for s in PLAN.steps], {}) == (0.0, False)


def test_a_machines_own_time_is_better_than_all_machines() -> None:
    learnt = {"card@w1": 9.0, "card": 3.0}
    assert (usual(learnt, "card@w1"), usual(learnt, "card@w2"), usual(learnt, "other")) == (9.0, 3.0, None)


class Told(Screen):
    """A screen that keeps why each row rests."""

    def __init__(self) -> None:
        super().__init__(stream=io.StringIO(), environment={})
        self.idles: dict[str, str] = {}
        self.usual: dict[str, float] = {}
        self.left: list[tuple[float, bool]] = []

    def idle(self, row: str, text: str) -> None:
        self.idles[row] = text

    def started(self, row: str, step: str, reason: str, usual: float = 0.0) -> None:
        self.usual[step] = usual
        super().started(row, step, reason, usual)

    def time_left(self, seconds: float, *, at_least: bool = False) -> None:
        self.left.append((seconds, at_least))

    @property
    def text(self) -> str:
        stream = self._console.file
        assert isinstance(stream, io.StringIO)
        return stream.getvalue()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Told, Reporter, Journal]:
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    screen, journal = Told(), Journal(tmp_path, "up")
    return screen, Reporter(screen, journal, PLAN, LEARNT), journal


def end(reporter: Reporter, name: str, outcome: Outcome = "done") -> None:
    reporter.step_ended(StepEnd(PLAN[name], outcome, "it is so", 1.25))


def test_a_resting_machine_says_what_it_waits_for(run: tuple[Told, Reporter, Journal]) -> None:
    screen, reporter, _ = run
    reporter.step_started(PLAN["fetch-a"], "not in the cache")
    assert screen.idles["cp1"] == "waits for fetch-a"
    assert screen.idles["w1"] == "waits for fetch-b"
    for name in ("fetch-a", "fetch-b", "up@w1"):
        end(reporter, name)
    assert screen.idles["host"] == "done"
    assert screen.idles["cp1"] == "up waits for its turn"
    assert screen.idles["w1"] == "waits for kernel@cp1"
    end(reporter, "up@cp1", "failed")
    assert screen.idles["w1"] == "stopped"


def test_what_was_true_already_is_only_in_the_journal(run: tuple[Told, Reporter, Journal]) -> None:
    screen, reporter, journal = run
    end(reporter, "fetch-a", "already")
    assert "fetch-a" not in screen.text
    last = list(read(journal.folder))[-1]
    assert last.values == {
        "step": "fetch-a",
        "machine": None,
        "lane": "host",
        "title": "fetch-a is true",
        "outcome": "already",
        "reason": "it is so",
        "seconds": 1.25,
    }


def test_console_and_journal_are_told_the_same(run: tuple[Told, Reporter, Journal]) -> None:
    screen, reporter, journal = run
    reporter.step_started(PLAN["join@w1"], "no node")
    reporter.line("join@w1", "kubeadm says hello")
    reporter.waits("join@w1", "a token")
    end(reporter, "join@w1", "failed")
    assert "start  join@w1: no node" in screen.text
    assert "FAILED join@w1 (1.2 s): it is so" in screen.text
    assert journal.step_log("join@w1").read_text() == "kubeadm says hello\n"
    assert [event.what for event in read(journal.folder)] == ["run-started", "step-started", "step-ended"]
    assert screen.usual["join@w1"] == 8.0


def test_the_time_left_is_told_at_every_turn(run: tuple[Told, Reporter, Journal]) -> None:
    screen, reporter, _ = run
    reporter.step_started(PLAN["fetch-a"], "not in the cache")
    end(reporter, "fetch-a")
    assert screen.left[0][0] == pytest.approx(60.0, abs=0.5)
    assert screen.left[-1][0] <= screen.left[0][0]
