"""Runs a plan: each step as soon as what it needs is true, in its lane.

The main thread decides, workers apply. A step that is already true is never applied; after an
application the check is asked again, and what is still missing has failed, whatever the exit code said.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Literal, Protocol

from provision.clock import Deadline, monotonic
from provision.errors import DeadlineExceeded, ProvisionError, StepFailed, Unreachable
from provision.steps.base import Missing, Plan, Satisfied, Step
from provision.steps.context import Connections, StepContext, Tools
from provision.steps.lanes import Budget, Lanes, lane_key

Outcome = Literal["already", "done", "failed", "not-run"]

# Seconds for letting go of all connections at the end; a machine that does not answer does not hold a run up.
CLOSING = 3.0

# A connection that breaks in a step: the machine is met again and the step, safe to run twice, goes on.
_TRIES = 4


@dataclass(frozen=True)
class StepEnd:
    """How one step ended."""

    step: Step
    outcome: Outcome
    reason: str
    seconds: float
    error: Exception | None = None


class Watcher(Protocol):
    """Who is told what happens (console and journal together); called from any thread."""

    def step_started(self, step: Step, reason: str) -> None: ...
    def step_ended(self, end: StepEnd) -> None: ...


class NotChosen(StepFailed):
    """A step outside ``--only`` and ``--from`` that is not true: it was not run, so no machine's log tells why."""


@dataclass
class RunResult:
    """All steps of a run, ended or not."""

    ends: dict[str, StepEnd] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[StepEnd]:
        return [end for end in self.ends.values() if end.outcome == "failed"]

    @property
    def applied(self) -> list[StepEnd]:
        return [end for end in self.ends.values() if end.outcome == "done"]


class Runner:
    """One execution of a plan.

    Args:
        memory: MiB that steps may take on this host at once; None: not bounded.
        sequential: one step at a time; for measuring what running them together saves.
    """

    def __init__(
        self, plan: Plan, tools: Tools, watcher: Watcher, *, memory: int | None = None, sequential: bool = False
    ) -> None:
        self._plan = plan
        self._tools = tools
        self._watcher = watcher
        self._sequential = sequential
        self._budget = Budget(memory)
        self._lanes = Lanes()
        self._ended: queue.SimpleQueue[StepEnd] = queue.SimpleQueue()
        self._threads = threading.local()
        self._failed = threading.Event()
        self.running: dict[str, float] = {}

    def run(self, chosen: frozenset[str] | None = None) -> RunResult:
        """Run the plan (or the chosen steps of it; the others only have to be true) to its end.

        KeyboardInterrupt passes through at once; `running` then says what is still at work.
        """
        result = RunResult()
        sorter = TopologicalSorter({step.name: step.needs for step in self._plan.steps})
        sorter.prepare()
        waiting: list[Step] = []
        while sorter.is_active():
            # In the plan's order, so that the first of several ready steps is the one a reader expects.
            ready = set(sorter.get_ready())
            waiting += [step for step in self._plan.steps if step.name in ready]
            if not result.failures:
                for step in list(waiting):
                    if self._start(step, chosen):
                        waiting.remove(step)
            if not self.running:
                break
            # A finite wait, so that Ctrl-C is seen on every platform.
            try:
                end = self._ended.get(timeout=0.5)
            except queue.Empty:
                continue
            self.running.pop(end.step.name, None)
            self._budget.give_back(end.step)
            if end.outcome == "not-run":
                continue
            result.ends[end.step.name] = end
            self._watcher.step_ended(end)
            if end.outcome in ("already", "done"):
                sorter.done(end.step.name)
        result.blocked = [step.name for step in self._plan.steps if step.name not in result.ends]
        return result

    def _start(self, step: Step, chosen: frozenset[str] | None) -> bool:
        judgement = step.judge(self._tools.settings, self._tools.world.now)
        if isinstance(judgement, Satisfied):
            self.running[step.name] = monotonic()
            self._ended.put(StepEnd(step, "already", judgement.reason, 0.0))
            return True
        if chosen is not None and step.name not in chosen:
            self.running[step.name] = monotonic()
            error = NotChosen(
                f"{step.name} is not true and was not chosen: {judgement.reason}",
                remedy="run `invoke up` without --only and --from",
            )
            self._ended.put(StepEnd(step, "failed", judgement.reason, 0.0, error))
            return True
        if (self._sequential and self.running) or not self._budget.take(step):
            return False
        self.running[step.name] = monotonic()
        key = lane_key(step, parallel_machines=self._tools.provider.parallel)
        self._lanes.submit(key, lambda: self._ended.put(self._apply(step)))
        return True

    def _apply(self, step: Step) -> StepEnd:
        started = self.running[step.name] = monotonic()

        def end(outcome: Outcome, reason: str, error: Exception | None = None) -> StepEnd:
            if outcome == "failed":
                # Here, not where the main thread hears of it: the lane's next step may begin at once.
                self._failed.set()
            return StepEnd(step, outcome, reason, monotonic() - started, error)

        if self._failed.is_set():
            return end("not-run", "another step had failed before its turn came")
        try:
            judgement = step.judge(self._tools.settings, self._tools.world.now)
            if isinstance(judgement, Satisfied):
                return end("already", judgement.reason)
            self._watcher.step_started(step, judgement.reason)
            context = StepContext(self._tools, step, self._connections(), Deadline(step.timeout, step.name))
            judgement = self._until_true(step, context)
            if isinstance(judgement, Missing):
                raise StepFailed(
                    f"{step.name} ran and is still not true: {judgement.reason}",
                    remedy="the step's log says what it did; run `invoke up` again after mending the cause",
                )
            return end("done", judgement.reason)
        except ProvisionError as error:
            return end("failed", error.what, error)
        except Exception as error:  # noqa: BLE001 - a bug in a step ends this step, and the run says so
            return end("failed", f"{type(error).__name__}: {error}", error)

    def _until_true(self, step: Step, context: StepContext) -> Satisfied | Missing:
        apply = step.apply or (lambda ctx: ctx.run(step.scripts[0], detached=step.detached) and None)
        for left in reversed(range(_TRIES)):
            try:
                apply(context)
                break
            except Unreachable as error:
                if not left or step.machine is None or context.deadline.expired:
                    raise
                context.on_line(f"connection lost ({error.what}); meeting the machine again")
                judgement = self._again(step, context)
                if isinstance(judgement, Satisfied):
                    return judgement
        if step.transient:
            return Satisfied("done for this run")
        return step.judge(self._tools.settings, self._tools.world.now)

    def _again(self, step: Step, context: StepContext) -> Satisfied | Missing:
        try:
            context.meet(context.deadline)
        except DeadlineExceeded as late:
            raise DeadlineExceeded(
                f"{step.machine} did not come back while {step.name} ran", details=str(late), remedy=late.remedy
            ) from late
        return step.judge(self._tools.settings, self._tools.world.now)

    def _connections(self) -> Connections:
        found: Connections | None = getattr(self._threads, "connections", None)
        if found is None:
            found = self._threads.connections = Connections(self._tools)
        return found

    def close(self) -> None:
        """Let go of every connection, each on the thread that it belongs to; waits at most `CLOSING` for it.

        A remote shell that is left open counts against the user's quota on a Windows machine.
        """
        done: queue.SimpleQueue[None] = queue.SimpleQueue()

        def drop() -> None:
            try:
                self._connections().drop()
            finally:
                done.put(None)

        closing = Deadline(CLOSING)
        for _ in range(self._lanes.each(drop)):
            try:
                done.get(timeout=closing.remaining())
            except queue.Empty:
                return

    def each(self, machines: list[str], work: Callable[[str, Connections], None]) -> dict[str, Exception]:
        """Run ``work`` for several machines at once, each on the machine's system lane; returns what failed."""
        done: queue.SimpleQueue[tuple[str, Exception | None]] = queue.SimpleQueue()

        def job(name: str) -> None:
            try:
                work(name, self._connections())
                done.put((name, None))
            except Exception as error:  # noqa: BLE001 - handed to the caller
                done.put((name, error))

        for name in machines:
            self._lanes.submit(f"system@{name}", lambda name=name: job(name))  # type: ignore[misc]
        failed: dict[str, Exception] = {}
        left = len(machines)
        while left:
            try:
                name, error = done.get(timeout=0.5)
            except queue.Empty:
                continue
            left -= 1
            if error is not None:
                failed[name] = error
        return failed
