"""The cache: files by SHA-256, shared by all clusters of this computer."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from provision.clock import Deadline
from provision.errors import ArtifactError


class Cache:
    """``<root>/sha256/<digest>``; a file there is whole: it got there by rename after its digest was right."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        return self.root / "sha256" / digest

    def partial(self, key: str) -> Path:
        """Where a download that is not whole yet is kept, to be resumed."""
        return self.root / "partial" / hashlib.sha256(key.encode()).hexdigest()

    def has(self, digest: str) -> bool:
        return self.path(digest).is_file()

    @property
    def temporary(self) -> Path:
        """Where files are made; what lies here is adopted by moving it."""
        return self.root / "tmp"

    def keep(self, file: Path, digest: str) -> Path:
        """Take a finished file of this digest: moved from `temporary`, copied from elsewhere; returns its place."""
        if self.has(digest):
            return self.path(digest)
        if file.is_relative_to(self.temporary):
            return self.adopt(file, digest)
        self.temporary.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.temporary, prefix="copy-") as folder:
            copy = Path(folder) / "file"
            shutil.copyfile(file, copy)
            return self.adopt(copy, digest)

    def adopt(self, file: Path, digest: str) -> Path:
        """Move a file of this digest into the cache (the caller has computed it); returns its place."""
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o444)
        return file.replace(target)

    @contextmanager
    def exclusive(self, key: str, deadline: Deadline) -> Iterator[None]:
        """Two runs never fetch the same file at once.

        Raises:
            ArtifactError: another run still fetches it when the deadline passes.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / hashlib.sha256(key.encode()).hexdigest())
        try:
            lock.acquire(timeout=deadline.remaining())
        except Timeout as error:
            raise ArtifactError(
                f"{key}: another run has been fetching it for {deadline.seconds:.0f} s",
                remedy="let the other run end, then run this again",
            ) from error
        try:
            yield
        finally:
            lock.release()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
