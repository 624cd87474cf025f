"""`invoke up`: from the settings to Ready."""

from __future__ import annotations

import json as json_format
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from provision import journal as journals
from provision.app.archives import with_archives
from provision.app.edge import Interrupted
from provision.app.failure import explain
from provision.app.meant import kubernetes_row, meant, plain
from provision.app.nodes import for_people, node_rows
from provision.app.progress import Reporter
from provision.app.session import STRAY, Session, named, open_session, remember_provider, require_host
from provision.app.world import make_tools
from provision.clock import monotonic
from provision.console import Screen, duration
from provision.doctor.host import memory_mib
from provision.errors import ProvisionError, Refused, StepFailed
from provision.facts.base import World
from provision.host.files import trouble, write_atomically
from provision.plan import plan as make_plan
from provision.rehearsal.provider import RehearsalProvider
from provision.secrets import MASKER
from provision.steps.base import Missing, Plan
from provision.steps.context import Tools
from provision.steps.made_with import require_same, require_same_size
from provision.steps.observe import observe
from provision.steps.probe import all_sections
from provision.steps.runner import Runner, RunResult

# What the host keeps for itself while machines and compilers run.
_KEEP_MIB = 1024


def up(
    variables: str = "",
    set: Sequence[str] = (),
    only: Sequence[str] = (),
    from_: str = "",
    json: bool = False,
    verbose: bool = False,
    offline: bool = False,
    sha: str = "",
    ref: str = "",
    path: str = "",
    remote: str = "",
) -> int:
    """Converge the cluster; returns 0 when everything the plan promises is true."""
    opened = open_session(variables, [*set, *named(sha, ref, path, remote)], offline=offline, words="resolved")
    session = with_archives(opened)
    made = make_plan(session.settings)
    chosen = _chosen(made, only, from_)
    # With --json the document alone goes to stdout.
    screen = Screen(stream=sys.stderr if json else None, rehearsed=session.rehearsed, verbose=verbose)
    for notice in session.notices:
        screen.say(notice, "yellow")
    if not plain(session.settings):
        screen.say(meant(session.settings))
    # Before the lock: a computer that cannot do it keeps no folder of the cluster.
    for warning in require_host(session):
        screen.say(warning, "yellow")
    for name in session.strays():
        screen.say(STRAY.format(name), "yellow")
    with session.locked("invoke up"):
        remember_provider(session)
        session.pin()
        if isinstance(session.provider, RehearsalProvider):
            session.provider.retune()
        store = session.store()
        store.require_offline()
        store.require_room()
        began = monotonic()
        with store.in_use():
            done = converge(session, made, chosen, screen)
        _finish(session, done, screen, monotonic() - began, as_json=json)
        return 0


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


@dataclass(frozen=True)
class Converged:
    """A run that ended well.

    Attributes:
        makespan: seconds from the first step's start to the last one's end.
        commands: remote commands by machine.
        provider_seconds: what the provider's own state query took.
    """

    result: RunResult
    world: World
    makespan: float
    commands: dict[str, int]
    provider_seconds: float
    folder: Path


def converge(
    session: Session, made: Plan, chosen: frozenset[str] | None, screen: Screen, *, sequential: bool = False
) -> Converged:
    """Observe, run the plan, prove it; the caller holds the cluster's lock.

    Args:
        sequential: one step at a time; for measuring what running them together saves.

    Raises:
        ProvisionError: the first failure, with what the machine's logs say.
        Interrupted: Ctrl-C; what was at work goes on on the machines.
    """
    journal = _journal(session)
    learnt = journals.learnt_seconds(session.runs)
    reporter = Reporter(screen, journal, made, learnt, parallel=session.provider.parallel)
    tools = make_tools(session, reporter)
    runner = Runner(made, tools, reporter, memory=_memory(), sequential=sequential)
    try:
        screen.begin([machine.name for machine in session.settings.machines])
        provider_seconds = observe(tools, runner).provider_seconds
        for machine in session.settings.machines:
            require_same(session.settings, tools.world.now, machine.name)
            require_same_size(session.settings, tools.world.now, machine.name)
        began = monotonic()
        result = runner.run(chosen)
        makespan = monotonic() - began
        if result.failures:
            screen.end()
            raise _failure(session, tools, journal, screen, result)
        if result.applied:
            _prove(made, tools, runner, result)
        screen.end()
        runner.close()
        journal.event("run-ended", outcome="ready", seconds=round(makespan, 3), commands=tools.commands)
        return Converged(result, tools.world.now, makespan, dict(tools.commands), provider_seconds, journal.folder)
    except KeyboardInterrupt:
        screen.end()
        tools.stop.set()
        running = sorted(runner.running)
        journal.event("run-ended", outcome="interrupted", running=running)
        words = f"still at work: {', '.join(running)}" if running else "nothing was at work"
        raise Interrupted(f"{words}; `invoke up` goes on from there") from None
    except Exception as error:
        screen.end()
        runner.close()
        refused = trouble(error)
        expected = isinstance(error, ProvisionError) or refused is not None
        text = str(error) if expected else traceback.format_exc()
        with suppress(OSError):  # where nothing can be written, the error itself is what counts
            journal.event("run-ended", outcome="failed" if expected else "bug", error=str(error))
            write_atomically(journal.folder / "error.txt", MASKER(text) + "\n")
        if refused is not None:
            raise refused from error
        if not expected:
            error.add_note(str(journal.folder / "error.txt"))
        raise


def _journal(session: Session) -> journals.Journal:
    settings = session.settings
    return journals.Journal(
        session.runs,
        "up",
        cluster=settings.cluster.name,
        provider=settings.provider,
        rehearsed=session.rehearsed,
        kubernetes=settings.kubernetes.version,
        cni=f"{settings.cni} {settings.calico.version}" if settings.cni == "calico" else settings.cni,
        containerd={"Linux": settings.containerd.linux, "Windows": settings.containerd.windows},
    )


def _prove(made: Plan, tools: Tools, runner: Runner, result: RunResult) -> None:
    """Read everything once more and ask every check again: green means checked."""
    last = result.applied[-1].step
    # A machine whose script ended last and said all its sections has been read after everything.
    whole = frozenset(
        machine.name
        for machine in tools.settings.machines
        if machine.name == last.machine and set(all_sections(machine)) <= set(last.changes)
    )
    observe(tools, runner, known=whole)
    broken = []
    for step in made.steps:
        judgement = step.judge(tools.settings, tools.world.now)
        if isinstance(judgement, Missing) and not step.transient and step.name in result.ends:
            broken.append(f"{step.name}: {judgement.reason}")
    if broken:
        raise StepFailed(
            "what was made true is not any more",
            details="\n".join(broken),
            remedy="something works against us on the machines; run `invoke up` again, then look at the run's logs",
        )


def _failure(session: Session, tools: Tools, journal: journals.Journal, screen: Screen, result: RunResult) -> Exception:
    error = result.failures[0].error
    assert error is not None
    return explain(session, tools, journal, screen, result) if isinstance(error, ProvisionError) else error


def _memory() -> int | None:
    """MiB that steps may take at once on this host."""
    total, _ = memory_mib()
    return max(_KEEP_MIB, total - _KEEP_MIB) if total else None


def _finish(session: Session, done: Converged, screen: Screen, seconds: float, *, as_json: bool) -> None:
    columns, rows = node_rows(session, done.world)
    if as_json:
        document = {
            "cluster": session.settings.cluster.name,
            "rehearsed": session.rehearsed,
            "outcome": "ready",
            "kubernetes": kubernetes_row(session.settings),
            "seconds": round(seconds, 3),
            "applied": [end.step.name for end in done.result.applied],
            "nodes": [dict(zip(columns, row, strict=True)) for row in rows],
            "commands": done.commands,
            "run": str(done.folder),
        }
        print(json_format.dumps(document, indent=2))
        return
    label = "rehearsal: " if session.rehearsed else ""
    screen.say("")
    screen.table("", columns, for_people(rows))
    screen.say("")
    if done.result.applied:
        screen.say(f"{label}Ready in {duration(seconds)}, {len(done.result.applied)} steps done", "bold green")
    else:
        screen.say(f"{label}Ready; nothing was to do ({duration(seconds)})", "bold green")
    if session.rehearsed:
        screen.say(
            "no real machine exists and no kubeconfig was written: it shows what will happen, and proves nothing"
        )
        screen.say('next: invoke report, or README.md, "A real cluster"')
    else:
        screen.say("next: invoke kubeconfig")
