"""Images without a registry: archives come to the machines, containerd imports them, a record says from which.

Whoever has archives names them in ``Settings.archives`` (or builds them, as a control plane from source does); a
machine without any has none of these steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from provision.facts.base import World
from provision.settings.model import Machine, Settings
from provision.steps.archives import Archive, archives_for, unimported
from provision.steps.base import Context, Judgement, ScriptCall, Step
from provision.steps.build import brought_by
from provision.steps.delivery import DELIVERED, Depot, undelivered, upload
from provision.steps.verdict import verdict

_TIMEOUT = 3600.0


def images_needed(settings: Settings, machine: Machine) -> tuple[str, ...]:
    """The step after which a machine's images are there, for those that need it; none when none are imported."""
    return (f"images@{machine.name}",) if archives_for(settings, machine) else ()


def image_steps(settings: Settings, machine: Machine) -> tuple[Step, ...]:
    """The archives come to a machine, and are imported; nothing for a machine without archives."""
    archives = archives_for(settings, machine)
    return (_deliver(settings, machine, archives), _import(machine, archives)) if archives else ()


def depot_images_step(settings: Settings) -> tuple[Step, ...]:
    """The control plane has the archives that Windows machines still have to pull; nothing when there are none."""
    windows = {archive.name: machine for machine in settings.windows for archive in archives_for(settings, machine)}
    if not windows:
        return ()
    machine = settings.control_plane

    def lacking(world: World) -> list[str]:
        wanted = dict.fromkeys(name for one in settings.windows for name in unimported(settings, one, world))
        return undelivered(world, machine.name, tuple(wanted))

    def check(_: Settings, world: World) -> Judgement:
        absent = lacking(world)
        return verdict(
            [f"not there: {', '.join(absent)}"] if absent else [], "every Windows machine can have its images"
        )

    def apply(ctx: Context) -> None:
        upload(ctx, lacking(ctx.world))

    return (
        Step(
            name="depot-images",
            title="the control plane has the Windows machines' images",
            lane="files",
            machine=machine.name,
            needs=("depot", *brought_by(settings, tuple(windows))),
            reads=frozenset({"delivered", "images"}),
            changes=("delivered",),
            check=check,
            scripts=(DELIVERED,),
            apply=apply,
            timeout=_TIMEOUT,
        ),
    )


def _deliver(settings: Settings, machine: Machine, archives: Sequence[Archive]) -> Step:
    names = tuple(archive.name for archive in archives)
    windows = machine.os == "windows"
    if windows:
        shown = [{"name": n, "url": f"http://<control plane>/<path>/{n}", "digest": "<sha256>"} for n in names]
        call = ScriptCall(template="windows/50-deliver.ps1", runtime={"files": shown})
    else:
        call = DELIVERED

    def lacking(world: World) -> list[str]:
        return undelivered(world, machine.name, unimported(settings, machine, world))

    def check(_: Settings, world: World) -> Judgement:
        absent = lacking(world)
        return verdict(
            [f"not there: {', '.join(absent)}"] if absent else [], f"{len(names)} archives: there or imported"
        )

    def apply(ctx: Context) -> None:
        absent, digests = lacking(ctx.world), ctx.world.host.digests
        if windows:
            depot = cast(Depot, ctx.shared["depot"])
            ctx.run(call, files=[{"name": n, "url": depot.url(n), "digest": digests[n]} for n in absent])
        else:
            upload(ctx, absent)

    # Windows pulls once nothing restarts it any more: archives are large.
    before = (f"containerd@{machine.name}", "depot-images") if windows else (f"up@{machine.name}",)
    return Step(
        name=f"deliver-images@{machine.name}",
        title="archives of images are on the machine",
        lane="files",
        machine=machine.name,
        needs=(*before, *brought_by(settings, names)),
        reads=frozenset({"delivered", "images"}),
        changes=("delivered",),
        check=check,
        scripts=(call,),
        apply=apply,
        timeout=_TIMEOUT,
    )


def _import(machine: Machine, archives: Sequence[Archive]) -> Step:
    if machine.os == "windows":
        shown: object = [{"name": archive.name, "digest": "<sha256>"} for archive in archives]
        call = ScriptCall(template="windows/62-images.ps1", runtime={"archives": shown})
    else:
        call = ScriptCall(template="linux/54-images.sh", runtime={"archives": ["NAME=SHA-256"]})

    def lacking(settings: Settings, world: World) -> list[str]:
        return unimported(settings, machine, world)

    def check(settings: Settings, world: World) -> Judgement:
        absent = lacking(settings, world)
        there = sum(len(archive.images) for archive in archives)
        return verdict([f"not imported: {', '.join(absent)}"] if absent else [], f"{there} images are there")

    def apply(ctx: Context) -> None:
        digests = ctx.world.host.digests
        names = lacking(ctx.settings, ctx.world)
        if machine.os == "windows":
            ctx.run(call, archives=[{"name": name, "digest": digests[name]} for name in names])
        else:
            ctx.run(call, archives=[f"{name}={digests[name]}" for name in names])

    return Step(
        name=f"images@{machine.name}",
        title="images are imported from archives",
        lane="files",
        machine=machine.name,
        needs=(f"deliver-images@{machine.name}", f"containerd@{machine.name}"),
        reads=frozenset({"images"}),
        changes=("images", "delivered"),
        check=check,
        scripts=(call,),
        apply=apply,
        timeout=_TIMEOUT,
    )
