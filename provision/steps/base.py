"""What a step is: one named thing that must be true, a pure check, and a way to make it true."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from provision.artifacts.store import ArtifactStore
from provision.clock import Deadline
from provision.facts.base import MachineFacts, UnknownFact, World
from provision.guests.base import Boot, Guest, OnLine
from provision.machines.base import Provider
from provision.settings.model import Settings

# host: files and builds on this computer, several at once.  machine: the provider starts a machine.
# system: packages, features, services, reboots of one machine, one at a time.
# files: uploads, pulls and image imports of one machine, beside its system lane.
# cluster: work on the API through the control plane, one at a time.
Lane = Literal["host", "machine", "system", "files", "cluster"]


@dataclass(frozen=True)
class Satisfied:
    """It is true; the reason is shown by `invoke plan`."""

    reason: str


@dataclass(frozen=True)
class Missing:
    """It is not true yet, and why."""

    reason: str


Judgement = Satisfied | Missing


@dataclass(frozen=True)
class Uploads:
    """Files for a machine (target -> source), and who is told how far they have got (target, bytes)."""

    files: Mapping[str, Path | bytes]
    on_bytes: Callable[[str, int], None]


class Context(Protocol):
    """What an applied step may use; made by the runner, one per application."""

    settings: Settings
    deadline: Deadline
    on_line: OnLine
    shared: dict[str, object]  # lives as long as the run; for values that facts must not hold
    provider: Provider
    store: ArtifactStore
    stop: threading.Event  # set when the run is being ended

    @property
    def world(self) -> World:
        """The newest world."""
        ...

    def guest(self, machine: str | None = None) -> Guest:
        """This lane's connection to a machine (the step's own by default)."""
        ...

    def run(
        self,
        call: ScriptCall,
        *,
        detached: bool = False,
        uploads: Uploads | None = None,
        **runtime: object,
    ) -> dict[str, object]:
        """Render a script, run it in one remote command on its machine (the step's own unless the call
        names another), require exit code 0, and take the sections that it printed into the world.

        Args:
            uploads: files to put on the machine first; checked and renamed by the same remote command.
            runtime: the values for the call's ``runtime`` names.

        Returns the script's own result: the keys of its last JSON line other than ``facts``.
        """
        ...

    def refresh(self, *sections: str, machine: str | None = None) -> None:
        """Read sections again (one remote command)."""
        ...

    def note_host(self) -> None:
        """Take the store's facts into the world after an artifact came."""
        ...

    def meet(self, deadline: Deadline) -> None:
        """Wait until the step's machine answers (after a boot, or after its network moved).

        Its first answer is the whole probe, which goes into the world.
        """
        ...

    def restart(self, boot: Callable[[MachineFacts], Boot]) -> None:
        """Restart the step's machine; back when it is in another boot and, if waiting helps, nothing is pending.

        What it is asked until then is the whole probe, which goes into the world.

        Args:
            boot: the boot that a machine's facts tell of.
        """
        ...

    def artifact(self, name: str) -> Path:
        """The cached file of an artifact (its fetch step has run)."""
        ...

    def waits_for(self, what: str) -> None:
        """Say on the live line what this step waits for."""
        ...


@dataclass(frozen=True, kw_only=True)
class ScriptCall:
    """A template with its values, so that `invoke render` can show what a step would run.

    Attributes:
        template: path below ``templates/``.
        parameters: values known from the settings.
        runtime: names whose values are known only while running (token, address of the depot), each with
            the placeholder that `invoke render` shows.
        machine: where it runs, if not on the step's own machine.
        changes: sections that it prints at its end when it runs on another machine than the step's own.
        documents: file name -> text, for documents that travel inside the parameters (kubeadm
            configuration, containerd's config.toml, manifests): shown beside the script by `invoke render`.
    """

    template: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    runtime: Mapping[str, object] = field(default_factory=dict)
    machine: str | None = None
    changes: tuple[str, ...] = ()
    documents: Mapping[str, str] = field(default_factory=dict)


Check = Callable[[Settings, World], Judgement]
Apply = Callable[[Context], None]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the plan.

    Attributes:
        name: unique, ``what@machine`` for a machine's step, ``what`` otherwise; lower case with dashes.
        title: one line for people: what will be true.
        lane: which queue it belongs to.
        machine: the machine it works on (lanes machine, system, files, cluster).
        needs: names of the steps that must be satisfied before.
        reads: names of the sections its check looks at.
        changes: names of the sections its script changes and prints at its end (``cluster`` sections are
            printed by control-plane scripts).
        check: pure; may raise `UnknownFact`.
        scripts: what it may run, for `invoke render` and for its own apply.
        apply: makes it true; after it the check is asked again.  By default it runs ``scripts[0]``.
        detached: the default apply runs the script as work that outlives the connection.
        timeout: seconds until the step has failed.
        costs: memory in MiB that it takes on this host while it runs (the host's budget).
        reboots: the step restarts its machine; all its facts are read anew afterwards.
        transient: what it provides lives only as long as a run (a prepared provider, a depot): judged by
            its apply's success, not by asking its check again.
    """

    name: str
    title: str
    lane: Lane
    machine: str | None = None
    needs: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()
    changes: tuple[str, ...] = ()
    check: Check
    scripts: tuple[ScriptCall, ...] = ()
    apply: Apply | None = None
    detached: bool = False
    timeout: float = 600.0
    costs: int = 0
    reboots: bool = False
    transient: bool = False

    def sections(self, call: ScriptCall) -> list[str]:
        """The sections that one of its scripts prints at its end."""
        own = call.machine is None or call.machine == self.machine
        return list(self.changes if own else call.changes)

    def judge(self, settings: Settings, world: World) -> Judgement:
        """The check's answer; what nobody knows is Missing."""
        try:
            return self.check(settings, world)
        except UnknownFact as unknown:
            return Missing(str(unknown))


@dataclass(frozen=True)
class Plan:
    """All steps of a run, in an order that a person can read; needs only point backwards."""

    steps: tuple[Step, ...] = field(default=())

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for step in self.steps:
            if step.name in seen:
                raise ValueError(f"step {step.name} twice")
            for need in step.needs:
                if need not in seen:
                    raise ValueError(f"{step.name} needs {need}, which does not stand before it")
            seen.add(step.name)

    def __getitem__(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == name)
