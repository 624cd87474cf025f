"""File contents, kept once however many machines have them.

A blob is named by its SHA-256.  A *part* is a file that somebody is still appending to: it lies on disk
as it is, is exactly as long as what was written before a kill, and becomes a blob when it is sealed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

PIECE = 1 << 20


class Blobs:
    """A folder of blobs and parts, shared by the machines of a cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts = folder / "parts"

    def path(self, digest: str) -> Path:
        return self.folder / digest

    def part(self, name: str) -> Path:
        return self.parts / name

    def put(self, data: bytes) -> str:
        """Store bytes; returns their digest."""
        digest = hashlib.sha256(data).hexdigest()
        target = self.path(digest)
        if not target.exists():
            self.parts.mkdir(parents=True, exist_ok=True)
            fresh = self.part(uuid.uuid4().hex)
            fresh.write_bytes(data)
            fresh.replace(target)
        return digest

    def get(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def new_part(self, origin: str | None = None) -> str:
        """Begin a part, empty or as a copy of a blob; returns its name."""
        self.parts.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        if origin is None:
            self.part(name).touch()
        else:
            shutil.copyfile(self.path(origin), self.part(name))
        return name

    def seal(self, name: str) -> tuple[str, int]:
        """Make a part a blob; returns its digest and size. The part stays until `drop`."""
        source = self.part(name)
        hashed = hashlib.sha256()
        size = 0
        with source.open("rb") as stream:
            while piece := stream.read(PIECE):
                hashed.update(piece)
                size += len(piece)
        digest = hashed.hexdigest()
        if not self.path(digest).exists():
            # A link and not a rename: should we die here, the state still names the part.
            copy = self.part(uuid.uuid4().hex)
            os.link(source, copy)
            copy.replace(self.path(digest))
        return digest, size

    def drop(self, name: str) -> None:
        """Remove a part that no state names any more."""
        self.part(name).unlink(missing_ok=True)

    def lacking(self, entries: Iterable[Mapping[str, object]]) -> set[str]:
        """The names of blobs and parts that entries of a machine's files have and that are not here."""
        here = {path.name for path in [*self.folder.glob("*"), *self.parts.glob("*")]}
        named = {str(entry[key]) for entry in entries for key in ("sha256", "part") if entry.get(key)}
        return named - here

    def sweep(self, used: Iterable[str]) -> int:
        """Remove blobs and parts whose names are not in ``used``; returns how many. Only while nothing runs."""
        keep = set(used)
        gone = 0
        for path in [*self.folder.glob("*"), *self.parts.glob("*")]:
            if path.is_file() and path.name not in keep:
                path.unlink()
                gone += 1
        return gone
