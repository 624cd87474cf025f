"""The files' way to the machines: SFTP to Linux, and the depot on the control plane for Windows."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provision.artifacts.base import LINUX_FILES
from provision.artifacts.catalog import needed
from provision.depot import PROGRAM
from provision.facts.base import World
from provision.facts.files import Delivered
from provision.secrets import Secret
from provision.settings.model import Machine, Settings
from provision.steps.archives import archives_for, unimported
from provision.steps.base import Context, Judgement, Missing, Satisfied, ScriptCall, Step, Uploads
from provision.steps.build import brought_by

DEPOT_PORT = 8475
DEPOT_LIFE = 7200  # seconds; systemd ends it then, whatever happened to us
_DEPOT = "/var/lib/hybrid/depot"
_MEBI = 1 << 20
# Runs on a Linux machine after files have come to it: checks and records them.
DELIVERED = ScriptCall(template="linux/50-delivered.sh", runtime={"files": ["NAME=SHA-256"]})


@dataclass(frozen=True)
class Depot:
    """A running depot; put into ``ctx.shared["depot"]`` by its step."""

    base: str

    def url(self, name: str) -> str:
        """Where a Windows machine pulls an artifact from."""
        return f"{self.base}/{name}"


def linux_files(settings: Settings, machine: Machine) -> tuple[str, ...]:
    """The artifacts that a Linux machine needs but images; manifests only where they are applied."""
    systems = ("linux", None) if machine.role == "control-plane" else ("linux",)
    return tuple(s.name for s in needed(settings) if s.os in systems and s.maker != "image")


def windows_files(settings: Settings) -> tuple[str, ...]:
    """The artifacts that every Windows machine needs, but images."""
    return tuple(s.name for s in needed(settings) if s.os == "windows" and s.maker != "image")


def undelivered(world: World, machine: str, names: Sequence[str]) -> list[str]:
    """The artifacts among ``names`` that a machine lacks, or has with another digest than the host's.

    Raises:
        UnknownFact: the machine has not said what it has.
    """
    digests = world.host.digests
    unresolved = [name for name in names if name not in digests]
    wanted = {name: digests[name] for name in names if name in digests}
    return unresolved + world.machine(machine).get(Delivered).lacks(wanted)


def deliver_step(settings: Settings, machine: Machine) -> Step:
    """A Linux machine has its files, uploaded over SFTP and checked there."""
    names = linux_files(settings, machine)

    def check(_: Settings, world: World) -> Judgement:
        lacking = undelivered(world, machine.name, names)
        return Missing(f"lacking: {', '.join(lacking)}") if lacking else Satisfied(f"all {len(names)} files are there")

    def apply(ctx: Context) -> None:
        upload(ctx, undelivered(ctx.world, machine.name, names))

    return Step(
        name=f"deliver@{machine.name}",
        title="its files are delivered",
        lane="files",
        machine=machine.name,
        needs=(f"up@{machine.name}", *brought_by(settings, names)),
        reads=frozenset({"delivered"}),
        changes=("delivered",),
        check=check,
        scripts=(DELIVERED,),
        apply=apply,
        timeout=1800,
    )


def upload(ctx: Context, names: list[str]) -> None:
    """Bring artifacts to the step's Linux machine, which checks and records them. Errors as `uploads`."""
    files = [f"{name}={ctx.world.host.digests[name]}" for name in names]
    ctx.run(DELIVERED, uploads=uploads(ctx, names), files=files)


def uploads(ctx: Context, names: list[str], others: Mapping[str, bytes] | None = None) -> Uploads:
    """Artifacts (and other files: target -> content) for a Linux machine, with progress on the live line.

    Raises:
        ArtifactError: a file of the cache turned out to be damaged, and cannot be had again.
    """
    damaged = [name for name in names if not ctx.store.sound(name)]
    for name in damaged:
        ctx.on_line(f"{name} was damaged in the cache of this computer: it is fetched again")
        ctx.store.fetch(name, ctx.deadline, None, ctx.stop)
    if damaged:
        ctx.note_host()
    paths = {f"{LINUX_FILES}/{name}": ctx.artifact(name) for name in names}
    sizes = {target: path.stat().st_size for target, path in paths.items()}

    def progress(target: str, have: int) -> None:
        if target in sizes:
            name = target.rpartition("/")[2]
            ctx.waits_for(f"{name}: {have / _MEBI:.0f} of {sizes[target] / _MEBI:.0f} MiB")

    return Uploads({**paths, **(others or {})}, progress)


def depot_steps(settings: Settings) -> tuple[Step, ...]:
    """The control plane serves the Windows machines' files; what is still being built comes to it later."""
    built = built_files(settings)
    early = tuple(name for name in windows_files(settings) if name not in built)
    steps = [_depot(settings, early)]
    if built:
        steps.append(_late(settings, built))
    return tuple(steps)


def built_files(settings: Settings) -> tuple[str, ...]:
    """The Windows machines' files that are built."""
    return tuple(spec.name for spec in needed(settings) if spec.os == "windows" and spec.maker == "build")


def served_by(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """The steps after which the depot has these files."""
    return ("depot", *(("depot-built",) if set(names) & set(built_files(settings)) else ()))


def _depot(settings: Settings, early: tuple[str, ...]) -> Step:
    """The depot itself lives only as long as it is needed: what its check asks is whether anybody still needs it."""
    machine = settings.control_plane
    names = windows_files(settings)
    archives = [archive.name for one in settings.windows for archive in archives_for(settings, one)]
    serve = ScriptCall(template="linux/55-depot.sh", parameters={"life": DEPOT_LIFE})

    def check(_: Settings, world: World) -> Judgement:
        lacking = [
            m.name
            for m in settings.windows
            if undelivered(world, m.name, names) or (archives_for(settings, m) and unimported(settings, m, world))
        ]
        if lacking:
            return Missing(f"files are lacking on {', '.join(lacking)}")
        return Satisfied("every Windows machine has its files")

    def apply(ctx: Context) -> None:
        path = secrets.token_urlsafe(24)
        # The unguessable path is masked like any secret; it travels in a file, never on a command line.
        Secret(path)
        plan = depot_list(settings, path, {name: f"{LINUX_FILES}/{name}" for name in (*names, *archives)})
        own = {
            f"{_DEPOT}/depot.py": PROGRAM.read_bytes(),
            f"{_DEPOT}/list.json": json.dumps(plan, indent=2).encode(),
        }
        ctx.run(serve, uploads=uploads(ctx, undelivered(ctx.world, machine.name, early), own))
        ctx.shared["depot"] = Depot(f"http://{machine.address}:{DEPOT_PORT}/{path}")

    return Step(
        name="depot",
        title="the control plane serves files to the Windows machines",
        lane="files",
        machine=machine.name,
        needs=(
            f"card@{machine.name}",
            f"programs@{machine.name}",
            *brought_by(settings, early),
        ),
        reads=frozenset({"delivered", "images"}) if archives else frozenset({"delivered"}),
        changes=("delivered",),
        check=check,
        scripts=(serve,),
        apply=apply,
        timeout=1800,
        transient=True,
    )


def _late(settings: Settings, names: tuple[str, ...]) -> Step:
    """What was built lies beside the other files that the depot serves; it opens them when it is asked."""
    machine = settings.control_plane

    def check(_: Settings, world: World) -> Judgement:
        # This machine first: the others may not have started yet.
        absent = undelivered(world, machine.name, names)
        if not absent:
            return Satisfied("what was built is there")
        if any(undelivered(world, m.name, names) for m in settings.windows):
            return Missing(f"lacking: {', '.join(absent)}")
        return Satisfied("every Windows machine has what was built")

    def apply(ctx: Context) -> None:
        upload(ctx, undelivered(ctx.world, machine.name, names))

    return Step(
        name="depot-built",
        title="the depot has what was built",
        lane="files",
        machine=machine.name,
        needs=("depot", *brought_by(settings, names)),
        reads=frozenset({"delivered"}),
        changes=("delivered",),
        check=check,
        scripts=(DELIVERED,),
        apply=apply,
        timeout=1800,
    )


def depot_list(settings: Settings, path: str, files: Mapping[str, str]) -> dict[str, object]:
    """What the depot program reads: where it listens, whom it serves, which files, how long."""
    return {
        "address": str(settings.control_plane.address),
        "port": DEPOT_PORT,
        "path": path,
        "clients": [str(machine.address) for machine in settings.windows],
        "files": dict(files),
        "life": DEPOT_LIFE,
        "ready": "/run/hybrid-depot.ready",
    }
