"""What has been built: ``builds/<key>.json`` in the cache says which of its files came of which key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from provision.artifacts.cache import Cache, file_digest
from provision.build.base import Built, Source
from provision.build.targets import Target
from provision.clock import utc_now
from provision.host.files import write_atomically


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of the index.

    Attributes:
        made: seconds since 1970.
        seconds: what the compiler took.
        commit: of the source; ``version`` says whether it was dirty.
        go: the compiler's release.
    """

    key: str
    name: str
    version: str
    sha256: str
    size: int
    seconds: float
    made: float
    project: str
    remote: str
    commit: str
    tree: str
    os: str
    arch: str
    go: str
    debug: bool


class Results:
    """The index of what has been built. A row counts only while its file is in the cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    @property
    def folder(self) -> Path:
        return self._cache.root / "builds"

    def find(self, key: str) -> Built | None:
        """What was built under a key; None when nothing was, or its file has been pruned."""
        record = self._read(self.folder / f"{key}.json")
        return self._built(record, fresh=False) if record else None

    def keep(
        self, file: Path, source: Source, target: Target, *, key: str, go: str, seconds: float, debug: bool
    ) -> Built:
        """Take a finished, checked file into the cache and the index; it is moved."""
        digest, size = file_digest(file), file.stat().st_size
        self._cache.adopt(file, digest)
        record = Record(
            key=key,
            name=target.name,
            version=source.version,
            sha256=digest,
            size=size,
            seconds=round(seconds, 1),
            made=utc_now().timestamp(),
            project=source.project,
            remote=source.remote,
            commit=source.commit,
            tree=source.tree,
            os=target.os,
            arch=target.arch,
            go=go,
            debug=debug,
        )
        write_atomically(self.folder / f"{key}.json", json.dumps(asdict(record), indent=1) + "\n")
        return self._built(record, fresh=True)

    def records(self) -> list[Record]:
        """All that is there, the newest first."""
        return sorted(self._all(), key=lambda record: -record.made)

    def _all(self) -> Iterator[Record]:
        for file in self.folder.glob("*.json"):
            if (record := self._read(file)) is not None:
                yield record

    def _read(self, file: Path) -> Record | None:
        try:
            row = json.loads(file.read_text(encoding="utf-8"))
            record = Record(**{field.name: row[field.name] for field in fields(Record)})
            size = self._cache.path(record.sha256).stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            return None  # never built, of an older edition, or pruned: it is built again
        return record if record.size == size and record.key == file.stem else None

    def _built(self, record: Record, *, fresh: bool) -> Built:
        return Built(
            name=record.name,
            version=record.version,
            key=record.key,
            path=self._cache.path(record.sha256),
            sha256=record.sha256,
            size=record.size,
            seconds=record.seconds,
            fresh=fresh,
        )
