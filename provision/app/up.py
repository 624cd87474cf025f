"""`invoke up`: from the settings to Ready."""

from __future__ import annotations

import json as json_format
import os
import traceback
from collections.abc import Sequence
from pathlib import Path

from provision import journal as journals
from provision.app.edge import Interrupted
from provision.app.failure import explain
from provision.app.nodes import node_rows
from provision.app.session import Session, open_session, remember_provider
from provision.app.world import make_tools
from provision.clock import monotonic
from provision.console import Screen, duration
from provision.errors import ProvisionError, Refused, StepFailed
from provision.host.files import write_atomically
from provision.plan import plan as make_plan
from provision.steps.base import Missing, Plan, Step
from provision.steps.context import Tools
from provision.steps.observe import observe
from provision.steps.runner import Runner, RunResult, StepEnd

# What the host keeps for itself while machines and compilers run.
_KEEP_MIB = 1024


class _Reporter:
    """Tells console and journal the same things."""

    def __init__(self, screen: Screen, journal: journals.Journal, plan: Plan, learnt: dict[str, float]) -> None:
        self._screen = screen
        self._journal = journal
        self._rows = {step.name: step.machine or "host" for step in plan.steps}
        self._plan = plan
        self._learnt = learnt
        self._done: set[str] = set()

    def line(self, step: str, text: str) -> None:
        self._screen.line(self._rows.get(step, "host"), step, text)
        self._journal.step_line(step, text)

    def waits(self, step: str, what: str) -> None:
        self._screen.waits(self._rows.get(step, "host"), step, what)

    def step_started(self, step: Step, reason: str) -> None:
        self._screen.started(self._rows[step.name], step.name, reason)
        self._journal.event("step-started", step=step.name, machine=step.machine, lane=step.lane, reason=reason)

    def step_ended(self, end: StepEnd) -> None:
        self._done.add(end.step.name)
        self._journal.event(
            "step-ended",
            step=end.step.name,
            machine=end.step.machine,
            lane=end.step.lane,
            title=end.step.title,
            outcome=end.outcome,
            reason=end.reason,
            seconds=round(end.seconds, 3),
        )
        if end.outcome != "already":
            mark, style = ("ok", "green") if end.outcome == "done" else ("FAILED", "red")
            self._screen.ended(self._rows[end.step.name], end.step.name, mark, end.reason, end.seconds, style)
        self._screen.time_left(self._left())

    def _left(self) -> float:
        """The longest chain of learnt times through what is not done yet."""
        longest: dict[str, float] = {}
        for step in self._plan.steps:
            before = max((longest[need] for need in step.needs), default=0.0)
            own = 0.0 if step.name in self._done else self._learnt.get(step.name.split("@")[0], 0.0)
            longest[step.name] = before + own
        return max(longest.values(), default=0.0)


def up(
    variables: str = "",
    set: Sequence[str] = (),
    only: Sequence[str] = (),
    from_: str = "",
    json: bool = False,
    verbose: bool = False,
) -> int:
    """Converge the cluster; returns 0 when everything the plan promises is true."""
    session = open_session(variables, set)
    made = make_plan(session.settings)
    chosen = _chosen(made, only, from_)
    screen = Screen(rehearsed=session.rehearsed, verbose=verbose, quiet=json)
    for notice in session.notices:
        screen.say(notice, "yellow")
    with session.locked("invoke up"):
        remember_provider(session)
        return _locked(session, made, chosen, screen, as_json=json)


def _chosen(made: Plan, only: Sequence[str], from_: str) -> frozenset[str] | None:
    names = [step.name for step in made.steps]
    if not only and not from_:
        return None
    asked: list[str] = []
    for word in [*only, *([from_] if from_ else [])]:
        found = [name for name in names if word in (name, name.split("@")[0])]
        if not found:
            raise Refused(f"the plan has no step {word}", remedy="`invoke plan` lists the steps")
        asked += found if word != from_ else found[:1]
    if from_:
        asked += names[names.index(asked[-1]) :]
    return frozenset(asked)


def _locked(session: Session, made: Plan, chosen: frozenset[str] | None, screen: Screen, *, as_json: bool) -> int:
    began = monotonic()
    session.provider.start()
    learnt = journals.learnt_seconds(session.runs)
    journal = journals.Journal(
        session.runs,
        "up",
        cluster=session.settings.cluster.name,
        provider=session.settings.provider,
        rehearsed=session.rehearsed,
        kubernetes=session.settings.kubernetes.version,
        cni=session.settings.cni,
        containerd=session.settings.containerd.model_dump(include={"linux", "windows"}),
    )
    reporter = _Reporter(screen, journal, made, learnt)
    tools = make_tools(session, reporter)
    runner = Runner(made, tools, reporter, memory=_memory())
    try:
        screen.begin([machine.name for machine in session.settings.machines])
        observe(tools, runner)
        result = runner.run(chosen)
        if result.applied and not result.failures:
            _prove(made, tools, runner, result)
        screen.end()
        if result.failures:
            raise _failure(session, tools, journal, screen, result)
        seconds = monotonic() - began
        journal.event("run-ended", outcome="ready", seconds=round(seconds, 3), commands=tools.commands)
        _finish(session, tools, result, screen, seconds, journal.folder, as_json=as_json)
        return 0
    except KeyboardInterrupt:
        screen.end()
        tools.stop.set()
        running = ", ".join(sorted(runner.running)) or "nothing"
        journal.event("run-ended", outcome="interrupted", running=sorted(runner.running))
        raise Interrupted(f"still at work on the machines: {running}; `invoke up` goes on from there") from None
    except ProvisionError as error:
        screen.end()
        journal.event("run-ended", outcome="failed", error=str(error), exit_code=error.exit_code)
        write_atomically(journal.folder / "error.txt", str(error) + "\n")
        raise
    except Exception:
        screen.end()
        journal.event("run-ended", outcome="bug")
        write_atomically(journal.folder / "error.txt", traceback.format_exc())
        raise


def _prove(made: Plan, tools: Tools, runner: Runner, result: RunResult) -> None:
    """Read everything once more and ask every check again: green means checked."""
    observe(tools, runner)
    broken = []
    for step in made.steps:
        judgement = step.judge(tools.settings, tools.world.now)
        if isinstance(judgement, Missing) and not step.transient and step.name in result.ends:
            broken.append(f"{step.name}: {judgement.reason}")
    if broken:
        raise StepFailed(
            f"{len(broken)} steps were true and are not any more",
            details="\n".join(broken),
            remedy="something works against us on the machines; run `invoke up` again, then look at the run's logs",
        )


def _failure(
    session: Session, tools: Tools, journal: journals.Journal, screen: Screen, result: RunResult
) -> ProvisionError:
    first = result.failures[0]
    if not isinstance(first.error, ProvisionError):
        assert first.error is not None
        write_atomically(journal.folder / "error.txt", "".join(traceback.format_exception(first.error)))
        raise first.error
    return explain(session, tools, journal, screen, result)


def _memory() -> int | None:
    """MiB that steps may take at once on this host."""
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None
    return max(_KEEP_MIB, pages // (1 << 20) - _KEEP_MIB)


def _finish(
    session: Session,
    tools: Tools,
    result: RunResult,
    screen: Screen,
    seconds: float,
    folder: Path,
    *,
    as_json: bool,
) -> None:
    columns, rows = node_rows(session.settings, tools.world.now)
    if as_json:
        document = {
            "cluster": session.settings.cluster.name,
            "rehearsed": session.rehearsed,
            "outcome": "ready",
            "seconds": round(seconds, 3),
            "applied": [end.step.name for end in result.applied],
            "nodes": [dict(zip(columns, row, strict=True)) for row in rows],
            "commands": tools.commands,
            "run": str(folder),
        }
        print(json_format.dumps(document, indent=2))
        return
    label = "rehearsal: " if session.rehearsed else ""
    screen.say("")
    screen.table("", columns, rows)
    screen.say("")
    if result.applied:
        screen.say(f"{label}Ready in {duration(seconds)}, {len(result.applied)} steps done", "bold green")
    else:
        screen.say(f"{label}Ready; nothing was to do ({duration(seconds)})", "bold green")
    if session.rehearsed:
        screen.say("no real machine exists and no kubeconfig was written: this shows what will happen, and is no proof")
        screen.say('next: invoke report     then a real one: README.md, "A real cluster"')
    else:
        screen.say("next: invoke kubeconfig")
