"""A folder of one build, in the cache: removed at its end, and by the next build if this process is killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from provision.artifacts.cache import Cache

_PREFIX = "build-"
_LOCK = "in-use"


@contextmanager
def scratch(cache: Cache) -> Iterator[Path]:
    """A new, empty folder below the cache's ``tmp/``. Those that killed builds have left are removed."""
    cache.temporary.mkdir(parents=True, exist_ok=True)
    sweep(cache)
    folder = Path(tempfile.mkdtemp(dir=cache.temporary, prefix=_PREFIX))
    lock = FileLock(folder / _LOCK)
    try:
        # The kernel lets go of it when the process dies, however it dies.
        lock.acquire(timeout=0)
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def sweep(cache: Cache) -> None:
    """Remove the folders of builds that do not run any more."""
    for folder in cache.temporary.glob(f"{_PREFIX}*"):
        lock = FileLock(folder / _LOCK)
        if not (folder / _LOCK).exists():
            continue  # being made at this moment
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
