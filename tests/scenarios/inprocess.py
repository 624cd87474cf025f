"""The whole plan without sockets: real plan, runner, rendering and recipes on the modelled machines.

Between a guest and a machine stands a function call instead of SSH or WinRM; everything else is the
product.  Fast enough to run hundreds of times.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from provision.artifacts.base import Maker
from provision.artifacts.cache import Cache
from provision.artifacts.catalog import needed
from provision.artifacts.lock import ArtifactLock
from provision.artifacts.store import ArtifactStore
from provision.clock import Deadline, poll
from provision.errors import ProvisionError, Unreachable
from provision.facts.base import MachineState, World
from provision.guests.base import Endpoint, Guest, OnLine, Result, Script
from provision.guests.common import CommonGuest, Ran
from provision.guests.output import Output
from provision.guests.recipes import Invocation
from provision.plan import plan
from provision.rehearsal.contract import Streams
from provision.rehearsal.park import Park
from provision.rehearsal.published import published
from provision.rehearsal.state import Saver
from provision.settings.complete import complete
from provision.settings.model import Machine, Settings
from provision.steps.base import Missing, Plan, Step
from provision.steps.build import Builds
from provision.steps.context import First, Tools
from provision.steps.observe import observe
from provision.steps.runner import Runner, RunResult, StepEnd
from provision.steps.world import WorldHolder

_STATES: Mapping[str, MachineState] = {"off": "off", "booting": "unreachable", "running": "running"}


class DirectGuest(CommonGuest):
    """A guest whose transport is a call of the model's `execute`."""

    def __init__(self, endpoint: Endpoint, park: Park) -> None:
        super().__init__(endpoint)
        self._park = park

    def invoke(
        self, invocation: Invocation, what: str, deadline: Deadline, output: Output, stdout: Callable[[bytes], None]
    ) -> Ran:
        machine = self._park.get(self.endpoint.machine)
        if not machine.answers:
            raise Unreachable(f"{machine.name} is {machine.power}")
        streams = Streams(io.BytesIO(invocation.stdin), stdout, output.stderr, threading.Event())
        code = machine.execute(invocation.command, streams)
        machine.answered()
        if not machine.answers:
            raise Unreachable(f"{machine.name} went away while {what} ran")
        return Ran(code)

    def reset(self) -> None:
        """There is no connection."""

    def get(self, source: str, target: Path, deadline: Deadline, on_bytes: Callable[[int], None] | None = None) -> str:
        data = self._park.get(self.endpoint.machine).files.read(source)
        target.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def put_all(
        self,
        files: Mapping[str, Path | bytes],
        deadline: Deadline,
        on_bytes: Callable[[str, int], None] | None = None,
        then: Script | None = None,
        on_line: OnLine | None = None,
    ) -> Result:
        machine = self._park.get(self.endpoint.machine)
        for target, source in files.items():
            parts = target.split("/")[1:-1]
            for count in range(1, len(parts) + 1):
                with contextlib.suppress(FileExistsError):
                    machine.files.make_folder("/" + "/".join(parts[:count]))
            machine.files.write(target, source if isinstance(source, bytes) else source.read_bytes())
        return self.run(then or Script("nothing", "true\n"), deadline, on_line)


class DirectProvider:
    """The rehearsal's provider without its process."""

    name = "rehearsal"
    parallel = True

    def __init__(self, settings: Settings, park: Park) -> None:
        self.settings = settings
        self.park = park

    def prepare(self, deadline: Deadline, on_line: OnLine) -> None:
        """Nothing to prepare."""

    def ensure_up(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        made = self.park.create(
            {
                "name": machine.name,
                "os": machine.os,
                "role": machine.role,
                "address": str(machine.address),
                "mac": machine.mac,
                "user": "vagrant",
                "transport": machine.transport,
                "windows_version": machine.windows_version,
                "memory": machine.memory,
                "cpus": machine.cpus,
                "password": "throw-away-1" if machine.os == "windows" else None,
                "public_key": "ssh-ed25519 AAAA test",
            }
        )
        made.start()

    def endpoint(self, machine: Machine) -> Endpoint:
        return Endpoint(machine.name, machine.os, machine.transport or "ssh", "127.0.0.1", 0, "vagrant")

    def made(self) -> frozenset[str]:
        return frozenset(machine.name for machine in self.park.all())

    def states(self) -> Mapping[str, MachineState]:
        found: dict[str, MachineState] = {}
        for machine in self.settings.machines:
            made = self.park.find(machine.name)
            found[machine.name] = _STATES[made.power] if made else "absent"
        return found

    def halt(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        self.park.get(machine.name).power_off()

    def destroy(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        self.park.destroy(machine.name)

    def snapshot(self, machine: Machine, name: str, deadline: Deadline, on_line: OnLine) -> None:
        raise NotImplementedError


@dataclass
class Heard:
    """What was said and done, in order."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)

    def line(self, step: str, text: str) -> None:
        self.lines.setdefault(step, []).append(text)

    def waits(self, step: str, what: str) -> None:
        """Not kept."""

    def step_started(self, step: Step, reason: str) -> None:
        self.started.append(step.name)

    def step_ended(self, end: StepEnd) -> None:
        """The result has it."""


class Batched(Saver):
    """Writes the machines' states when it is asked to: after a run, and before a folder is read again."""

    alive: ClassVar[weakref.WeakSet[Batched]] = weakref.WeakSet()

    def __init__(self) -> None:
        super().__init__()
        self.alive.add(self)

    def _run(self) -> None:
        """No thread writes in between."""


class Rehearsed:
    """One cluster of modelled machines in a folder; `up` may be called again and again."""

    def __init__(
        self,
        folder: Path,
        settings: Settings | None = None,
        *,
        faults: Sequence[str] = (),
        makers: Mapping[str, Maker] = MappingProxyType({}),
        builds: Builds | None = None,
    ) -> None:
        made = settings or Settings()
        self.settings = complete(made.model_copy(update={"provider": "rehearsal"}))
        self.folder = folder
        self.makers = makers
        self.builds = builds
        for saver in list(Batched.alive):
            saver.save()
        self.saver = Batched()
        self.park = Park(folder, scale=0.0, faults=faults, saver=self.saver)
        self.park.load()
        self.provider = DirectProvider(self.settings, self.park)
        self.plan = plan(self.settings)
        self.mirror = folder / "mirror"
        self._publish()
        self.heard = Heard()
        self.tools = self._tools()
        self.stop_after: int | None = None

    def _publish(self) -> None:
        for spec in needed(self.settings):
            for url in filter(None, (spec.url, spec.checksum_url) if spec.maker is None else ()):
                address = url.removeprefix("https://")
                target = self.mirror / address
                if target.exists():
                    continue
                data = published(address)
                assert data is not None, address
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)

    def _tools(self) -> Tools:
        store = ArtifactStore(
            needed(self.settings),
            Cache(self.folder / "cache"),
            ArtifactLock(self.folder / "artifacts.lock.yaml", rehearsed=True),
            mirrors=lambda: {"https://": str(self.mirror)},
            makers=self.makers,
        )

        def guest(_: Tools, name: str) -> Guest:
            return DirectGuest(self.provider.endpoint(self.settings.machine(name)), self.park)

        def meet(endpoint: Endpoint, deadline: Deadline, on_seen: OnLine, first: First) -> Guest:
            machine = self.park.get(endpoint.machine)
            poll(lambda: (machine.answers or None, machine.power), deadline, every=0.01)
            guest = DirectGuest(endpoint, self.park)
            first(guest, deadline)
            return guest

        return Tools(
            settings=self.settings,
            provider=self.provider,
            store=store,
            world=WorldHolder(World()),
            says=self.heard,
            shared={"builds": self.builds} if self.builds else {},
            open_guest=guest,
            wait_for=meet,
        )

    def up(self, steps: Plan | None = None) -> RunResult:
        """One `invoke up`: observe, run."""
        self.heard = Heard()
        self.tools = self._tools()
        runner = Runner(steps or self.plan, self.tools, self.heard)
        try:
            observe(self.tools, runner)
            return runner.run() if self.stop_after is None else self._cut(runner)
        finally:
            self.saver.save()

    def _cut(self, runner: Runner) -> RunResult:
        """Run until so many steps were applied, then stop as a kill would: no step is started any more."""
        start = runner._start
        left = self.stop_after or 0

        def counted(step: Step, chosen: frozenset[str] | None) -> bool:
            nonlocal left
            if isinstance(step.judge(self.settings, self.tools.world.now), Missing) and not step.transient:
                if left == 0:
                    return False
                left -= 1
            return start(step, chosen)

        runner._start = counted  # type: ignore[method-assign]
        return runner.run()

    def facts(self) -> World:
        """Read everything once."""
        observe(self.tools, Runner(Plan(), self.tools, self.heard))
        return self.tools.world.now


def complaint(result: RunResult) -> str:
    """The first failure, for an assertion's message."""
    if not result.failures:
        return ""
    error: Any = result.failures[0].error
    text = str(error) if isinstance(error, ProvisionError) else repr(error)
    return f"{result.failures[0].step.name}: {text}"
