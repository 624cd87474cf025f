"""Archives of images for a run without registries: the user's own, and those of an earlier cluster."""

from __future__ import annotations

import hashlib
import json as json_format
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

from provision.app.session import Session
from provision.app.world import look
from provision.artifacts.base import ArtifactSpec, Os
from provision.artifacts.cache import Cache, file_digest
from provision.artifacts.lock import ArtifactLock
from provision.build.images import read_archive
from provision.errors import ArtifactError
from provision.facts.base import UnknownFact, World
from provision.facts.files import Images
from provision.host.files import write_atomically
from provision.settings.model import ImageArchive
from provision.steps.images_export import Export
from provision.steps.images_needed import NeededImage, needed_images


def with_archives(session: Session) -> Session:
    """The session with the archives that its machines import: the user's own and, offline, those of an earlier cluster.

    Offline, an image that a machine still needs and that nobody has is among them, too: as a file that is missing.

    Raises:
        ArtifactError: an archive of the user's is none, or is not there.
    """
    own = [one for path in session.settings.images.archives for one in _own(path, session.cache())]
    found = list(own)
    if session.offline:
        kept = pinned(session.lock(), session.cache())
        there = [(name, archive.os) for archive in (*own, *kept) for name in archive.images]
        given = {(name, archive.os) for archive in own for name in archive.images}
        found += [one for one in kept if not all((name, one.os) in given for name in one.images)]
        lacking = [
            image
            for image in needed_images(session.settings)
            if not any(os == image.os and image.is_met_by(name) for name, os in there)
        ]
        found += [_missing(image) for image in _nowhere(session, lacking)]
    settings = session.settings.model_copy(update={"archives": tuple(found)})
    return replace(session, settings=settings)


def _nowhere(session: Session, lacking: Sequence[NeededImage]) -> Iterable[NeededImage]:
    """Those that some machine of a cluster that was made already does not have either; all, before there is one."""
    if not lacking or not session.provider.made():
        return lacking
    found = images_of(session, look(session).world)
    machines = session.settings.machines
    return [
        image
        for image in lacking
        if not all(
            any(image.is_met_by(name) for name in found.get(machine.name, {}))
            for machine in machines
            if machine.os == image.os and (machine.role == "control-plane" or image.why != "kubeadm")
        )
    ]


def _missing(image: NeededImage) -> ImageArchive:
    export = Export(image.name, file_of(image.name, image.os, None), image.os)
    return _archive(spec_of(export), image.os, (image.name,))


def pinned(lock: ArtifactLock, cache: Cache) -> list[ImageArchive]:
    """The archives of an earlier export that are in the cache."""
    found = []
    for name, entry in sorted(lock.entries.items()):
        if not is_export(entry.url) or not cache.has(entry.sha256):
            continue
        image, _, query = entry.url.removeprefix("image:").partition("?")
        asked = parse_qs(query)
        os: Os = "windows" if asked["platform"][0].startswith("windows/") else "linux"
        spec = ArtifactSpec(name=name, version=entry.version, url=entry.url, checksum_url=None, os=os)
        found.append(_archive(spec, os, (image,), windows=asked.get("windows", [None])[0]))
    return found


def _archive(spec: ArtifactSpec, os: Os, names: tuple[str, ...], windows: str | None = None) -> ImageArchive:
    return ImageArchive(name=spec.name, version=spec.version, url=spec.url, os=os, windows=windows, images=names)


def _own(path: Path, cache: Cache) -> list[ImageArchive]:
    """What an archive of the user's holds, one entry a system; read once for each state of the file."""
    try:
        state = path.stat()
    except OSError as error:
        raise ArtifactError(
            f"images.archives: {path} is not there", details=str(error), remedy="correct its path in the settings"
        ) from error
    key = hashlib.sha256(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()
    note = cache.root / "images" / f"{key}.json"
    try:
        known = json_format.loads(note.read_text())
    except (OSError, ValueError):
        known = {
            "sha256": file_digest(path),
            "images": [[image.os, list(image.names)] for image in read_archive(path) if image.names],
        }
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, json_format.dumps(known))
    systems: dict[Os, list[str]] = {}
    for os, names in known["images"]:
        systems.setdefault(os, []).extend(name for name in names if name not in systems.get(os, []))
    if not systems:
        raise ArtifactError(
            f"images.archives: no image in {path} has a name",
            remedy="export it with names: `ctr -n k8s.io images export FILE REGISTRY/NAME:TAG`",
        )
    digest = str(known["sha256"])
    short = re.sub(r"[^A-Za-z0-9.-]+", "-", path.name)
    return [
        ImageArchive(
            name=f"images-{os}-{digest[:8]}-{short}",
            version=digest[:12],
            url=f"image:{path}?sha256={digest}",
            os=os,
            images=tuple(names),
        )
        for os, names in systems.items()
    ]


def images_of(session: Session, world: World) -> dict[str, dict[str, str]]:
    """Machine -> image -> digest, for the machines that say it."""
    found = {}
    for machine in session.settings.machines:
        try:
            names = dict(world.machine(machine.name).get(Images).names)
        except UnknownFact:
            continue
        # What the runtime notes by digest is the same image once more.
        found[machine.name] = {name: digest for name, digest in sorted(names.items()) if "@sha256:" not in name}
    return {machine: names for machine, names in found.items() if names}


def file_of(name: str, os: Os, windows: str | None) -> str:
    """The name of an image's archive: readable, and another one for each image and system."""
    short = re.sub(r"[^A-Za-z0-9.]+", "-", name.partition("/")[2] or name)[-60:].strip("-")
    system = f"windows-{windows}" if windows else os
    return f"image-{system}-{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.tar"


def platform_of(export: Export) -> str:
    """The system of an exported image, as its address in the lock says it."""
    return f"{export.os}/amd64" + (f"&windows={export.windows}" if export.windows else "")


def spec_of(export: Export) -> ArtifactSpec:
    """The file that an exported image is."""
    return ArtifactSpec(
        name=export.file,
        version=export.image.rpartition(":")[2],
        url=f"image:{export.image}?platform={platform_of(export)}",
        checksum_url=None,
        os=export.os,
    )


def is_export(url: str) -> bool:
    """Whether an address of the lock is that of an exported image."""
    return url.startswith("image:") and "?platform=" in url
