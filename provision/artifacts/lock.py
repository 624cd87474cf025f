"""artifacts.lock.yaml: URL, version, digest and size of every file that a cluster was made of."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import yaml
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provision.artifacts.base import ArtifactSpec
from provision.errors import ArtifactError, Refused
from provision.host.files import write_atomically

_HEADER = """\
# What this cluster is made of: made by `invoke up`, one entry a file. Commit it to make the same cluster again.
"""


class Entry(BaseModel):
    """A pinned file. ``checked`` says whether its publisher's checksum agreed, or it was only the first seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str
    version: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    checked: bool


class ArtifactLock:
    """The lock file; safe for several threads and several runs.

    Args:
        rehearsed: the digests are those of a rehearsal's stand-ins; such a file says so.

    Raises:
        ArtifactError: the file exists and cannot be read as a lock.
        Refused: the file is a rehearsal's and this is a real run, or the other way round.
    """

    def __init__(self, path: Path, *, rehearsed: bool = False) -> None:
        self.path = path
        self._rehearsed = rehearsed
        self._thread = threading.Lock()
        self._entries = self._read()

    @property
    def entries(self) -> Mapping[str, Entry]:
        return MappingProxyType(self._entries)

    def find(self, spec: ArtifactSpec) -> Entry | None:
        """The entry of this very file: an entry for another URL or version does not count."""
        entry = self._entries.get(spec.name)
        return entry if entry and (entry.url, entry.version) == (spec.url, spec.version) else None

    def pin(self, spec: ArtifactSpec, *, sha256: str, size: int, checked: bool) -> None:
        """Write an entry; others that another run has written meanwhile are kept."""
        entry = Entry(url=spec.url, version=spec.version, sha256=sha256, size=size, checked=checked)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._thread, FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=30):
            self._entries = {**self._read(), spec.name: entry}
            rows = {name: self._entries[name].model_dump() for name in sorted(self._entries)}
            document = ({"rehearsed": True} if self._rehearsed else {}) | {"artifacts": rows}
            write_atomically(self.path, _HEADER + yaml.safe_dump(document, sort_keys=False))

    def _read(self) -> dict[str, Entry]:
        if not self.path.exists():
            return {}
        try:
            document = yaml.safe_load(self.path.read_text(encoding="utf-8")) or {}
            rows = document.get("artifacts") or {}
            found = {name: Entry.model_validate(row) for name, row in rows.items()}
        except (yaml.YAMLError, ValidationError, AttributeError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"{self.path} cannot be read as a lock of artifacts",
                details=str(error),
                remedy="take it back from your version control, or delete it: the next run pins anew",
            ) from error
        if bool(document.get("rehearsed")) != self._rehearsed:
            kinds = (
                ("a rehearsal's", "a real run") if document.get("rehearsed") else ("a real cluster's", "a rehearsal")
            )
            raise Refused(f"{self.path} is {kinds[0]} lock; {kinds[1]} does not use it", remedy="move it away")
        return found
