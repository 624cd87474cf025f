"""The cache: files by SHA-256, shared by all clusters of this computer."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from provision import clock
from provision.artifacts.scratch import scratch
from provision.artifacts.space import Room, refused
from provision.clock import Deadline
from provision.host.files import write_atomically
from provision.host.lock import only_one


@dataclass(frozen=True)
class Label:
    """What a file of the cache is, for people and for pruning.

    Attributes:
        locks: the lock files of the clusters that are made of it.
        added: when it came, seconds since 1970.
    """

    name: str
    version: str
    url: str
    locks: tuple[str, ...] = ()
    added: float = 0.0


class Cache:
    """``<root>/sha256/<digest>``; a file there is whole: it got there by rename after its digest was right.

    Beside it: ``names/<digest>.json`` (its `Label`; its time of change is that of the last use),
    ``partial/`` (downloads to be resumed), ``locks/``, ``uses/`` (runs at work), ``tmp/``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.room = Room(root)

    def path(self, digest: str) -> Path:
        return self.root / "sha256" / digest

    def partial(self, key: str) -> Path:
        """Where a download that is not whole yet is kept, to be resumed."""
        return self.root / "partial" / hashlib.sha256(key.encode()).hexdigest()

    def has(self, digest: str, size: int | None = None) -> bool:
        """Whether the file is there, with that many bytes; a file that lost some (a dying disk) is fetched anew."""
        try:
            found = self.path(digest).stat().st_size
        except OSError:
            return False
        return size is None or found == size

    def sound(self, digest: str) -> bool:
        """Whether a file that is there still is what its digest says (a dying disk); one that is not is thrown away."""
        path = self.path(digest)
        if file_digest(path) == digest:
            return True
        path.unlink(missing_ok=True)
        return False

    @property
    def temporary(self) -> Path:
        """Where files are made; what lies here is adopted by moving it."""
        return self.root / "tmp"

    def keep(self, file: Path, digest: str) -> Path:
        """Take a finished file of this digest: moved from `temporary`, copied from elsewhere; returns its place.

        Raises:
            HostError: the disk is full or may not be written.
        """
        if self.has(digest, file.stat().st_size):
            return self.path(digest)
        if file.is_relative_to(self.temporary):
            return self.adopt(file, digest)
        try:
            with scratch(self.temporary) as folder:
                copy = folder / "file"
                shutil.copyfile(file, copy)
                return self.adopt(copy, digest)
        except OSError as error:
            raise refused(file.name, self.root, error) from error

    def adopt(self, file: Path, digest: str) -> Path:
        """Move a file of this digest into the cache (the caller has computed it); returns its place.

        The bytes are on the disk before the name is: nobody computes this digest again, so after a power
        failure a name must never stand for a file with holes.
        """
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        file.chmod(0o444)
        return file.replace(target)

    def label(self, digest: str) -> Label | None:
        """What a file is; None when nobody has said so, or it cannot be read."""
        try:
            row = json.loads(self.label_path(digest).read_text())
            return Label(row["name"], row["version"], row["url"], tuple(row["locks"]), float(row["added"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def note(self, digest: str, *, name: str, version: str, url: str, lock: Path) -> None:
        """Say what a file is, that it is used now, and by which cluster's lock."""
        path, user = self.label_path(digest), str(lock.resolve())
        told = (name, version, url)
        before = self.label(digest)
        if before is not None and (before.name, before.version, before.url) == told and user in before.locks:
            with suppress(OSError):  # another user's cache: then its time of last use stays
                os.utime(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # two clusters at once: neither loses the other's name
            before = self.label(digest)
            locks = tuple(sorted({*(before.locks if before else ()), user}))
            label = Label(*told, locks, before.added if before else clock.utc_now().timestamp())
            write_atomically(path, json.dumps(label.__dict__))

    def last_use(self, digest: str) -> float:
        """Seconds since 1970."""
        for path in (self.label_path(digest), self.path(digest)):
            with suppress(OSError):
                return path.stat().st_mtime
        return 0.0

    def label_path(self, digest: str) -> Path:
        """Where a file's label is."""
        return self.root / "names" / f"{digest}.json"

    @contextmanager
    def in_use(self, lock: Path) -> Iterator[None]:
        """While this is held, nobody prunes what that lock file names. The kernel lets go when we die."""
        folder = self.root / "uses"
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.lock"
        held = FileLock(mark)
        with held:
            write_atomically(mark.with_suffix(".json"), json.dumps({"lock": str(lock.resolve()), "pid": os.getpid()}))
            try:
                yield
            finally:
                mark.with_suffix(".json").unlink(missing_ok=True)
        mark.unlink(missing_ok=True)

    def users(self) -> Mapping[int, Path]:
        """The runs at work: process -> its lock file. What dead ones left behind is cleared away."""
        found: dict[int, Path] = {}
        for row in sorted(self.root.glob("uses/*.json")):
            mark = row.with_suffix(".lock")
            try:
                with FileLock(mark, timeout=0):
                    row.unlink(missing_ok=True)
                mark.unlink(missing_ok=True)
            except Timeout:
                with suppress(OSError, ValueError, KeyError):
                    told = json.loads(row.read_text())
                    found[int(told["pid"])] = Path(told["lock"])
        return found

    @contextmanager
    def exclusive(self, key: str, deadline: Deadline, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Two runs never fetch or make the same thing at once.

        Args:
            waiting: called when another run is at it.

        Raises:
            ArtifactError: another run is still at it when the deadline passes.
            HostError: the cache may not be written.
        """
        with ExitStack() as held:
            try:
                path = self.root / "locks" / hashlib.sha256(key.encode()).hexdigest()
                held.enter_context(only_one(path, deadline, key, waiting))
            except OSError as error:
                raise refused(key.rsplit("/", 1)[-1], self.root, error) from error
            yield


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
