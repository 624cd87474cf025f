"""What people see of a run while it runs: console and journal told the same things, and the time left."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from provision import journal as journals
from provision.clock import monotonic
from provision.console import Screen
from provision.steps.base import Plan, Step
from provision.steps.lanes import lane_key
from provision.steps.runner import StepEnd

_EVERY = 0.5  # seconds between two estimates of the time left
_HOST = "host"


class Reporter:
    """Hears of every step; tells screen and journal. Called from any thread.

    Args:
        learnt: seconds of earlier runs (`provision.journal.learnt_seconds`).
        parallel: the provider starts several machines at once.
    """

    def __init__(
        self,
        screen: Screen,
        journal: journals.Journal,
        plan: Plan,
        learnt: Mapping[str, float],
        *,
        parallel: bool = True,
    ) -> None:
        self._screen = screen
        self._journal = journal
        self._plan = plan
        self._learnt = learnt
        self._parallel = parallel
        self._rows = {step.name: step.machine or _HOST for step in plan.steps}
        self._lock = threading.Lock()
        self._running: dict[str, float] = {}
        self._ended: dict[str, StepEnd] = {}
        self._failed = False
        self._pending: dict[str, list[Step]] = {}
        for step in plan.steps:
            self._pending.setdefault(self._rows[step.name], []).append(step)
        self._estimated = float("-inf")

    def line(self, step: str, text: str) -> None:
        """A line that a step's script printed."""
        self._screen.line(self._rows.get(step, _HOST), step, text)
        self._journal.step_line(step, text)

    def waits(self, step: str, what: str) -> None:
        """What a step waits for."""
        self._screen.waits(self._rows.get(step, _HOST), step, what)

    def step_started(self, step: Step, reason: str) -> None:
        """A worker applies this step."""
        with self._lock:
            self._running[step.name] = monotonic()
        self._journal.event("step-started", step=step.name, machine=step.machine, lane=step.lane, reason=reason)
        self._screen.started(self._rows[step.name], step.name, reason, usual(self._learnt, step.name) or 0.0)
        self._told()

    def step_ended(self, end: StepEnd) -> None:
        """A step is over, or was true already."""
        step = end.step
        with self._lock:
            self._running.pop(step.name, None)
            self._ended[step.name] = end
            self._failed = self._failed or end.outcome == "failed"
            self._pending[self._rows[step.name]].remove(step)
        self._journal.event(
            "step-ended",
            step=step.name,
            machine=step.machine,
            lane=step.lane,
            title=step.title,
            outcome=end.outcome,
            reason=end.reason,
            seconds=round(end.seconds, 3),
        )
        if end.outcome != "already":
            self._screen.ended(self._rows[step.name], step.name, end.outcome, end.reason, end.seconds)
        self._told()

    def _told(self) -> None:
        with self._lock:
            now = monotonic()
            idle = {row: self._why_idle(pending) for row, pending in self._pending.items()}
            done, running = set(self._ended), {name: now - since for name, since in self._running.items()}
            due = now - self._estimated >= _EVERY
            if due:
                self._estimated = now
        for row, why in idle.items():
            self._screen.idle(row, why)
        self._screen.steps_done(len(done), len(self._plan.steps))
        if due:
            seconds, at_least = time_left(self._plan, self._learnt, done, running, parallel=self._parallel)
            self._screen.time_left(seconds, at_least=at_least)

    def _why_idle(self, pending: list[Step]) -> str:
        if not pending:
            return "done"
        if self._failed:
            return "stopped"
        step = next((step for step in pending if step.name not in self._running), None)
        if step is None:
            return ""
        needs = [need for need in step.needs if need not in self._ended]
        return f"waits for {needs[0]}" if needs else f"{step.name.split('@')[0]} waits for its turn"


def usual(learnt: Mapping[str, float], step: str) -> float | None:
    """Seconds that a step took in earlier runs, on this machine or else on any; None: never seen."""
    return learnt.get(step, learnt.get(step.split("@")[0]))


def time_left(
    plan: Plan,
    learnt: Mapping[str, float],
    done: Collection[str],
    running: Mapping[str, float],
    *,
    parallel: bool = True,
) -> tuple[float, bool]:
    """Seconds that the rest of the plan takes as earlier runs had it, steps of one lane after one another.

    Args:
        running: seconds so far of each step at work.

    Returns:
        the seconds, and whether they are only a lower bound: some step left has never been seen.
    """
    ends: dict[str, float] = {}
    lanes: dict[str, float] = {}
    unseen = False
    for step in sorted(plan.steps, key=lambda step: step.name not in running):  # stable: the plan's order
        if step.name in done:
            continue
        seconds = usual(learnt, step.name)
        unseen = unseen or seconds is None
        lane = lane_key(step, parallel_machines=parallel)
        begins = max((ends.get(need, 0.0) for need in step.needs), default=0.0)
        if lane != _HOST:  # several workers
            begins = max(begins, lanes.get(lane, 0.0))
        ends[step.name] = lanes[lane] = begins + max((seconds or 0.0) - running.get(step.name, 0.0), 0.0)
    return max(ends.values(), default=0.0), unseen
