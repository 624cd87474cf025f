"""Steps that build from source: files that nobody publishes come into the cache while the machines start.

One step for all that is built of one state of a source for one system: one checkout, one Go cache.  One after
another, for a Go compiler takes all processors anyway, and two of them would compile the same packages twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from provision.artifacts.base import ArtifactSpec
from provision.artifacts.catalog import needed
from provision.build.base import OnProgress
from provision.clock import Deadline
from provision.facts.base import World
from provision.settings.model import Settings
from provision.steps.base import Context, Judgement, Missing, Satisfied, Step

# MiB while the largest program is linked: kube-apiserver takes 2.1 GB, kubelet.exe 1.5 GB.
# Source: measured on Kubernetes 1.36.2 with Go 1.26.4, two processors.
MEMORY = {"kubernetes": 2100, "containerd": 1200, "hcsshim": 1000}
_TIMEOUT = 7200


class Stop(Protocol):
    """What says that a run is being ended."""

    def is_set(self) -> bool: ...


class Builds(Protocol):
    """Builds several files of one source at once; in ``ctx.shared["builds"]``."""

    def __call__(self, specs: Sequence[ArtifactSpec], deadline: Deadline, on_progress: OnProgress, stop: Stop) -> None:
        """Build what is not built yet.

        Raises:
            ArtifactError: the compiler's first errors, or what it lacks.
        """
        ...


def step_of(spec: ArtifactSpec) -> str:
    """The name of the step that brings a file into the cache."""
    if spec.maker == "build":
        project, tree, _ = spec.url.removeprefix("build:").split("/", 2)
        return f"build-{project}-{spec.os}-{tree[:7]}"
    return f"fetch-{spec.name}"


def brought_by(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """The steps that bring these files into the cache, each once, in the plan's order."""
    return tuple(dict.fromkeys(step_of(spec) for spec in needed(settings) if spec.name in names))


def build_steps(specs: Sequence[ArtifactSpec]) -> tuple[Step, ...]:
    """One step a source and system, in the order in which their files are needed, one after another."""
    groups: dict[str, list[ArtifactSpec]] = {}
    for spec in specs:
        if spec.maker == "build":
            groups.setdefault(step_of(spec), []).append(spec)
    steps: list[Step] = []
    for name, group in groups.items():
        steps.append(_build(name, group, after=steps[-1].name if steps else None))
    return tuple(steps)


def _build(name: str, group: list[ArtifactSpec], after: str | None) -> Step:
    names = [spec.name for spec in group]
    version = group[0].version
    project = group[0].url.removeprefix("build:").partition("/")[0]

    def check(_: Settings, world: World) -> Judgement:
        absent = [spec.name for spec in group if spec.name not in world.host.cached]
        return Missing(f"not built yet: {', '.join(absent)}") if absent else Satisfied(f"{version} is built")

    def apply(ctx: Context) -> None:
        def progress(done: int, of: int | None, what: str) -> None:
            count = f"{done:,} of {of:,} packages" if of else ""
            ctx.waits_for(f"{count}, {what}" if count and what else count or what)

        cast(Builds, ctx.shared["builds"])(group, ctx.deadline, progress, ctx.stop)
        for one in names:
            ctx.store.fetch(one, ctx.deadline, stop=ctx.stop)
        ctx.note_host()

    return Step(
        name=name,
        title=f"{', '.join(names)} {version} built",
        lane="host",
        needs=(after,) if after else (),
        check=check,
        apply=apply,
        timeout=_TIMEOUT,
        costs=MEMORY.get(project, 1000),
    )
