"""Steps that build from source: files that nobody publishes come into the cache while the machines start.

One step for all that is built of one state of a source for one system: one checkout, one Go cache.  One after
another, for a Go compiler takes all processors anyway, and two of them would compile the same packages twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from threading import Event
from typing import Protocol, cast

from provision.artifacts.base import ArtifactSpec
from provision.artifacts.catalog import needed
from provision.build.base import OnProgress
from provision.build.targets import BY_NAME
from provision.clock import Deadline
from provision.facts.base import World
from provision.guests.base import OnLine
from provision.settings.model import Settings
from provision.steps.base import Context, Judgement, Missing, Satisfied, Step

_TIMEOUT = 7200


class Builds(Protocol):
    """Builds several files of one source at once; in ``ctx.shared["builds"]``."""

    def __call__(
        self,
        specs: Sequence[ArtifactSpec],
        deadline: Deadline,
        on_progress: OnProgress,
        on_line: OnLine,
        stop: Event,
    ) -> None:
        """Build what is not built yet; an image's program, where the spec is an image's.

        Raises:
            ArtifactError: the compiler's first errors, or what it lacks.
        """
        ...


def step_of(spec: ArtifactSpec) -> str:
    """The name of the step that brings a file into the cache."""
    if spec.maker == "build":
        project, tree, _ = spec.url.removeprefix("build:").split("/", 2)
        return _group(project, tree, spec)
    return f"fetch-{spec.name}"


def brought_by(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """The steps that bring these files into the cache, each once, in the plan's order."""
    return tuple(dict.fromkeys(step_of(spec) for spec in needed(settings) if spec.name in names))


def program_of(spec: ArtifactSpec) -> str:
    """What is built for a spec: the file itself, or the program in an image."""
    return spec.name.removesuffix(".tar") if spec.maker == "image" else spec.name


def built_before(spec: ArtifactSpec) -> tuple[str, ...]:
    """The step that builds the program of an image; nothing for other files."""
    if spec.maker != "image" or "?tree=" not in spec.url:
        return ()
    return (_group("kubernetes", spec.url.rpartition("?tree=")[2], spec),)


def _group(project: str, tree: str, spec: ArtifactSpec) -> str:
    # The same tree is another source under another commit: its version is stamped in.
    state = hashlib.sha256(f"{tree} {spec.version}".encode()).hexdigest()
    return f"build-{project}-{spec.os}-{state[:7]}"


def build_steps(specs: Sequence[ArtifactSpec]) -> tuple[Step, ...]:
    """One step a source and system, in the order in which their files are needed, one after another."""
    groups: dict[str, list[ArtifactSpec]] = {}
    for spec in specs:
        if spec.maker == "build":
            groups.setdefault(step_of(spec), []).append(spec)
    images: dict[str, list[ArtifactSpec]] = {}
    for spec in specs:
        for name in built_before(spec):
            images.setdefault(name, []).append(spec)
    steps: list[Step] = []
    for name, group in groups.items():
        steps.append(_build(name, group, images.get(name, []), after=steps[-1].name if steps else None))
    return tuple(steps)


def _build(name: str, group: list[ArtifactSpec], images: list[ArtifactSpec], after: str | None) -> Step:
    programs = [program_of(spec) for spec in [*group, *images]]
    version = group[0].version

    def check(_: Settings, world: World) -> Judgement:
        absent = [spec.name for spec in group if spec.name not in world.host.cached]
        return Missing(f"not built yet: {', '.join(absent)}") if absent else Satisfied(f"{version} is built")

    def apply(ctx: Context) -> None:
        def progress(done: int, of: int | None, what: str) -> None:
            count = f"{done:,} of {of:,} packages" if of else ""
            ctx.waits_for(", ".join(words for words in (count, what) if words))

        builds = cast(Builds, ctx.shared["builds"])
        builds([*group, *images], ctx.deadline, progress, ctx.on_line, ctx.stop)
        for spec in group:
            ctx.store.fetch(spec.name, ctx.deadline, stop=ctx.stop)
        ctx.note_host()

    return Step(
        name=name,
        title=f"{', '.join(programs)} {version} built",
        lane="host",
        needs=(after,) if after else (),
        check=check,
        apply=apply,
        timeout=_TIMEOUT,
        # Its largest link has to fit beside the machines that boot.
        costs=max(BY_NAME[program].memory_mib for program in programs),
    )
