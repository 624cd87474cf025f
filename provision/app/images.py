"""`invoke images`: the images of a working cluster, and bringing them here, each an archive that the lock pins."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Sequence
from pathlib import Path

from provision.app.archives import file_of, images_of, is_export, pinned, platform_of, spec_of
from provision.app.session import Session, open_session
from provision.app.world import look, make_tools
from provision.artifacts.base import Os
from provision.artifacts.cache import file_digest
from provision.artifacts.lock import Document
from provision.artifacts.scratch import scratch
from provision.build.images import ArchiveImage, read_archive
from provision.console import Screen
from provision.errors import ArtifactError, MachineError
from provision.settings.model import Machine, Settings
from provision.steps.base import Plan, Step
from provision.steps.images_export import Export, Target, export_plan
from provision.steps.runner import Runner, StepEnd

_MEBI = 1 << 20


def images(
    variables: str = "", set: Sequence[str] = (), export: bool = False, json: bool = False, verbose: bool = False
) -> int:
    """List the images of the cluster's machines, or export each into the cache, pinned in the lock."""
    session = open_session(variables, set, words="pinned")
    screen = Screen(stream=sys.stderr if json else None, rehearsed=session.rehearsed, verbose=verbose)
    if not export:
        _listed(session, screen, images_of(session, look(session).world), as_json=json)
        return 0
    with session.locked("invoke images --export"):
        world = look(session).world
        found = images_of(session, world)
        if not found:
            raise MachineError("no machine of this cluster has images", remedy="make it with `invoke up` first")
        done = _exported(session, screen, _chosen(session.settings, found))
    size = sum(entry[2] for entry in done)
    if json:
        rows = [{"image": e.image, "platform": platform_of(e), "sha256": digest, "size": n} for e, digest, n in done]
        print(json_format.dumps({"rehearsed": session.rehearsed, "exported": rows}, indent=2))
    else:
        label = "rehearsal: " if session.rehearsed else ""
        screen.say(f"{label}{len(done)} images are in the cache, {size / _MEBI:.0f} MiB, and pinned in the lock")
        screen.say("next: the same cluster without a registry: invoke up --offline")
    return 0


# -- what is there -----------------------------------------------------------------------------------------------


def _listed(session: Session, screen: Screen, found: dict[str, dict[str, str]], *, as_json: bool) -> None:
    lock = session.lock()
    kept = {(name, os) for archive in pinned(lock, session.cache()) for name in archive.images for os in [archive.os]}
    rows = [
        (machine, name, digest, (name, session.settings.machine(machine).os) in kept)
        for machine, names in found.items()
        for name, digest in names.items()
    ]
    if as_json:
        keys = ("machine", "image", "digest", "exported")
        document = {"rehearsed": session.rehearsed, "images": [dict(zip(keys, row, strict=True)) for row in rows]}
        print(json_format.dumps(document, indent=2))
        return
    if not rows:
        screen.say("no machine of this cluster has images; `invoke up` makes it")
        return
    shown = [(machine, name, digest[7:19], "yes" if there else "") for machine, name, digest, there in rows]
    screen.table("", ("machine", "image", "digest", "in the cache"), shown)
    if not all(row[3] for row in rows):
        screen.say("next: invoke images --export")


# -- exporting ---------------------------------------------------------------------------------------------------


def _chosen(settings: Settings, found: dict[str, dict[str, str]]) -> list[tuple[Machine, list[Export]]]:
    """Each image once a system (and release of Windows), from the first machine that has it."""
    taken: set[tuple[str, Os, str | None]] = set()
    wanted = []
    for machine in settings.machines:
        windows = machine.windows_version if machine.os == "windows" else None
        exports = []
        for name in found.get(machine.name, {}):
            if (name, machine.os, windows) not in taken:
                taken.add((name, machine.os, windows))
                exports.append(Export(name, file_of(name, machine.os, windows), machine.os, windows))
        wanted.append((machine, exports))
    return wanted


def _exported(
    session: Session, screen: Screen, wanted: list[tuple[Machine, list[Export]]]
) -> list[tuple[Export, str, int]]:
    cache, lock = session.cache(), session.lock()
    done: list[tuple[Export, str, int]] = []

    def adopt(export: Export, path: Path) -> None:
        image = _checked(export, path)
        size, digest = path.stat().st_size, file_digest(path)
        spec = spec_of(export)
        cache.keep(path, digest)
        cache.note(digest, name=spec.name, version=spec.version, url=spec.url, lock=lock.path)
        lock.pin(spec, sha256=digest, size=size, checked=True)
        lock.pin_image(export.image, f"{export.os}/amd64", image.digest)
        done.append((export, digest, size))

    made = export_plan(session.settings, wanted)
    words = _Words(screen, made)
    tools = make_tools(session, words)
    with scratch(cache.temporary) as folder:
        tools.shared["export"] = Target(folder, adopt)
        screen.begin([machine.name for machine in session.settings.machines])
        try:
            result = Runner(made, tools, words).run()
        finally:
            screen.end()
            for guest in tools.guests:
                guest.close()
    if result.failures:
        error = result.failures[0].error
        assert error is not None
        raise error
    fresh = {export.file for export, _, _ in done}
    lock.change(lambda now: _without_older(now, fresh))
    return done


def _without_older(now: Document, fresh: set[str]) -> dict[str, object]:
    """The lock's files without the archives of an earlier export: the newest one describes the cluster."""
    kept = {name: e for name, e in now.artifacts.items() if name in fresh or not is_export(e.url)}
    return {"artifacts": kept}


def _checked(export: Export, path: Path) -> ArchiveImage:
    """The image in an exported archive.

    Raises:
        ArtifactError: the archive is damaged, or holds something else.
    """
    for image in read_archive(path):
        if export.image in image.names and image.os == export.os:
            return image
    raise ArtifactError(
        f"the archive of {export.image} does not hold it for {export.os}", remedy="run the same command again"
    )


class _Words:
    """Tells people what happens."""

    def __init__(self, screen: Screen, made: Plan) -> None:
        self._screen = screen
        self._rows = {step.name: step.machine or "host" for step in made.steps}

    def line(self, step: str, text: str) -> None:
        """A line of a script."""
        self._screen.line(self._rows.get(step, "host"), step, text)

    def waits(self, step: str, what: str) -> None:
        """What a step waits for."""
        self._screen.waits(self._rows.get(step, "host"), step, what)

    def step_started(self, step: Step, reason: str) -> None:
        """A step is at work."""
        self._screen.started(self._rows[step.name], step.name, reason)

    def step_ended(self, end: StepEnd) -> None:
        """A step has ended."""
        self._screen.ended(self._rows[end.step.name], end.step.name, end.outcome, end.reason, end.seconds)
