"""What an applied step works with: its guest, its scripts, its artifacts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from provision.artifacts.store import ArtifactStore
from provision.clock import Deadline
from provision.errors import StepFailed
from provision.facts.base import MachineFacts, UnknownFact, World, parse_facts
from provision.guests.base import Boot, Endpoint, Guest, OnLine, Result, Script
from provision.machines.base import Provider
from provision.render.engine import render
from provision.settings.model import Settings
from provision.steps.base import ScriptCall, Step, Uploads
from provision.steps.probe import probe_script
from provision.steps.world import WorldHolder


class Says(Protocol):
    """Where a step's words go (console and journal)."""

    def line(self, step: str, text: str) -> None: ...
    def waits(self, step: str, what: str) -> None: ...


First = Callable[[Guest, Deadline], object]


def _wait_for(endpoint: Endpoint, deadline: Deadline, on_seen: OnLine, first: First) -> Guest:
    from provision.guests.connect import wait_for  # paramiko and winrm cost half a second to import

    return wait_for(endpoint, deadline, on_seen, first=first)


@dataclass
class Tools:
    """The real parts of a run, put together by the app.

    Attributes:
        open_guest, wait_for: make a connection, wait until a machine answers; replaced in tests.
        guests: every connection opened so far, for counting what it cost.
    """

    settings: Settings
    provider: Provider
    store: ArtifactStore
    world: WorldHolder
    says: Says
    stop: threading.Event = field(default_factory=threading.Event)
    shared: dict[str, object] = field(default_factory=dict)
    open_guest: Callable[[Tools, str], Guest] = field(default=lambda tools, name: tools.connect(name))
    wait_for: Callable[[Endpoint, Deadline, OnLine, First], Guest] = field(default=_wait_for)
    guests: list[Guest] = field(default_factory=list)

    def connect(self, machine: str) -> Guest:
        """A new connection to a machine, by its provider's endpoint."""
        from provision.guests.connect import connect  # see _wait_for

        return connect(self.provider.endpoint(self.settings.machine(machine)))

    @property
    def commands(self) -> dict[str, int]:
        """Remote commands so far, by machine."""
        spent: dict[str, int] = {}
        for guest in list(self.guests):
            name = guest.endpoint.machine
            spent[name] = spent.get(name, 0) + guest.traffic.commands
        return spent


class Connections:
    """The guests of one worker thread, one a machine; a guest never changes threads."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._open: dict[str, Guest] = {}

    def get(self, machine: str) -> Guest:
        if machine not in self._open:
            self.put(machine, self._tools.open_guest(self._tools, machine))
        return self._open[machine]

    def put(self, machine: str, guest: Guest) -> None:
        """Take over a connection that somebody else has opened."""
        self._tools.guests.append(guest)
        self._open[machine] = guest

    def drop(self, machine: str | None = None) -> None:
        """Let go of one connection, or of all."""
        for name in [machine] if machine else list(self._open):
            guest = self._open.pop(name, None)
            if guest is not None:
                guest.close()


class StepContext:
    """Implements `provision.steps.base.Context` for one application of one step."""

    def __init__(self, tools: Tools, step: Step, connections: Connections, deadline: Deadline) -> None:
        self._tools = tools
        self._step = step
        self._connections = connections
        self.settings = tools.settings
        self.deadline = deadline
        self.shared = tools.shared
        self.provider = tools.provider
        self.store = tools.store
        self.stop = tools.stop
        self.on_line: OnLine = lambda text: tools.says.line(step.name, text)

    @property
    def world(self) -> World:
        return self._tools.world.now

    def guest(self, machine: str | None = None) -> Guest:
        return self._connections.get(self._name(machine))

    def run(
        self,
        call: ScriptCall,
        *,
        detached: bool = False,
        uploads: Uploads | None = None,
        **runtime: object,
    ) -> dict[str, object]:
        unknown = set(runtime) ^ set(call.runtime)
        if unknown:
            raise ValueError(f"{self._step.name}: {call.template} wants the run-time values {sorted(call.runtime)}")
        machine = self._name(call.machine)
        text = render(call.template, sections=self._step.sections(call), **call.parameters, **runtime)
        script = Script(Path(call.template).name, text)
        if uploads is not None:
            guest = self._connections.get(machine)
            result = guest.put_all(uploads.files, self.deadline, uploads.on_bytes, then=script, on_line=self._spoken)
            return self._take(machine, result)
        return self._take(machine, self._execute(machine, script, detached))

    def refresh(self, *sections: str, machine: str | None = None) -> None:
        name = self._name(machine)
        found = self.settings.machine(name)
        self._take(name, self._execute(name, probe_script(found, sections), detached=False))

    def note_host(self) -> None:
        self._tools.world.host(self.store.facts)

    def artifact(self, name: str) -> Path:
        return self.store.path(name)

    def waits_for(self, what: str) -> None:
        self._tools.says.waits(self._step.name, what)

    def meet(self, deadline: Deadline) -> None:
        """Wait until the step's machine answers (after a boot, or after its network moved)."""
        name = self._name(None)
        self._connections.drop(name)
        endpoint = self.provider.endpoint(self.settings.machine(name))
        said: list[Result] = []

        def probe(guest: Guest, limit: Deadline) -> None:
            said.append(guest.run(probe_script(self.settings.machine(name)), limit).require())

        self._connections.put(name, self._tools.wait_for(endpoint, deadline, self.waits_for, probe))
        self._tools.world.take(name, parse_facts(said[-1].out))

    def restart(self, boot: Callable[[MachineFacts], Boot]) -> None:
        name = self._name(None)
        script = probe_script(self.settings.machine(name))

        def ask(guest: Guest, limit: Deadline) -> Boot:
            result = guest.run(script, limit).require()
            self._take(name, result)
            try:
                return boot(self.world.machine(name))
            except UnknownFact as unknown:
                raise StepFailed(f"{name} has not said when it was started: {unknown}") from unknown

        self.guest().reboot(self.deadline, self.on_line, ask)

    def _name(self, machine: str | None) -> str:
        name = machine or self._step.machine
        if name is None:
            raise ValueError(f"{self._step.name} has no machine")
        return name

    def _execute(self, machine: str, script: Script, detached: bool) -> Result:
        guest = self._connections.get(machine)
        method = guest.run_detached if detached else guest.run
        return method(script, self.deadline, self._spoken).require()

    def _take(self, machine: str, result: Result) -> dict[str, object]:
        self._tools.world.take(machine, parse_facts(result.out))
        last = result.out.rstrip().splitlines()[-1]
        return {key: value for key, value in json.loads(last).items() if key != "facts"}

    def _spoken(self, text: str) -> None:
        # The closing line with the facts is for us, not for people.
        if not text.startswith('{"') and text.strip():
            self.on_line(text)
