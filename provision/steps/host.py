"""Steps of this computer and of the provider: files in the cache, machines that answer."""

from __future__ import annotations

from provision.artifacts.base import ArtifactSpec
from provision.errors import DeadlineExceeded
from provision.facts.base import World
from provision.settings.model import Machine, Settings
from provision.steps.base import Context, Judgement, Missing, Satisfied, Step
from provision.steps.build import built_before
from provision.steps.made_with import require_same

_MEBI = 1 << 20
_SILENT = (
    "look at its screen in the hypervisor; `invoke halt`, then `invoke up`, starts it anew; "
    "raise `timeouts.boot` if it is only slow"
)


def fetch_steps(specs: tuple[ArtifactSpec, ...]) -> tuple[Step, ...]:
    """One step a file that is not built: in the cache, with the digest that its publisher or the lock says."""
    return tuple(_fetch(spec) for spec in specs if spec.maker != "build")


def _fetch(spec: ArtifactSpec) -> Step:
    def check(_: Settings, world: World) -> Judgement:
        if spec.name not in world.host.digests:
            return Missing(f"{spec.version} is not resolved yet")
        if spec.name not in world.host.cached:
            return Missing(f"{spec.version} is not in the cache")
        return Satisfied(f"{spec.version} is in the cache")

    def apply(ctx: Context) -> None:
        def progress(have: int, total: int | None) -> None:
            of = f" of {total / _MEBI:.0f}" if total else ""
            ctx.waits_for(f"{have / _MEBI:.0f}{of} MiB")

        ctx.store.fetch(spec.name, ctx.deadline, progress, ctx.stop)
        ctx.note_host()

    return Step(
        name=f"fetch-{spec.name}",
        title=f"{spec.name} {spec.version} in the cache",
        lane="host",
        needs=built_before(spec),
        check=check,
        apply=apply,
        timeout=3600,
    )


def prepare_step(settings: Settings) -> Step:
    """What the provider does once for all machines: the Vagrantfile written, boxes imported."""

    def check(_: Settings, world: World) -> Judgement:
        absent = [m.name for m in settings.machines if world.machine(m.name).state == "absent"]
        return Missing(f"not made yet: {', '.join(absent)}") if absent else Satisfied("every machine has been made")

    def apply(ctx: Context) -> None:
        ctx.provider.prepare(ctx.deadline, ctx.on_line)

    # Its check only becomes true with the machines: it is judged by its own success.
    return Step(
        name="provider",
        title="the provider is ready to make machines",
        lane="host",
        check=check,
        apply=apply,
        timeout=7200,
        transient=True,
    )


def up_step(settings: Settings, machine: Machine) -> Step:
    """The machine runs, answers and has said its facts."""

    def check(_: Settings, world: World) -> Judgement:
        facts = world.machine(machine.name)
        if facts.state != "running":
            return Missing(f"it is {facts.state}")
        return Satisfied("it runs and answers") if facts.sections else Missing("it has not answered yet")

    def apply(ctx: Context) -> None:
        ctx.waits_for(f"{ctx.provider.name} to start it")
        ctx.provider.ensure_up(machine, ctx.deadline, ctx.on_line)
        # It has booted, in this run or long ago: one that stands still must not take the step's whole time.
        boot = ctx.deadline.at_most(ctx.settings.timeouts.boot, f"{machine.name}: the wait for its first answer")
        try:
            ctx.meet(boot)
        except DeadlineExceeded as error:
            raise DeadlineExceeded(error.what, details=error.details, remedy=_SILENT) from error
        require_same(ctx.settings, ctx.world, machine.name)

    return Step(
        name=f"up@{machine.name}",
        title="the machine runs and answers",
        lane="machine",
        machine=machine.name,
        needs=("provider",),
        check=check,
        apply=apply,
        # Making the machine and copying its box come before the boot that `timeouts.boot` bounds.
        timeout=settings.timeouts.boot + 1800,
        # Machines that exist elsewhere, or are only modelled, take nothing of this computer.
        costs=0 if settings.provider in ("existing", "rehearsal") else machine.memory,
    )
