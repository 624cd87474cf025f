"""A folder for what is being made, in the cache: removed at its end, and by the next run if this process is killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "build-"
_LOCK = "in-use"


@contextmanager
def scratch(temporary: Path) -> Iterator[Path]:
    """A new, empty folder. Those that killed runs have left are removed.

    Args:
        temporary: the cache's `Cache.temporary`.
    """
    temporary.mkdir(parents=True, exist_ok=True)
    sweep(temporary)
    new = Path(tempfile.mkdtemp(dir=temporary, prefix=".new-"))
    lock = FileLock(new / _LOCK)
    folder = temporary / f"{_PREFIX}{new.name.removeprefix('.new-')}"
    try:
        # The kernel lets go of it when the process dies, however it dies.
        lock.acquire(timeout=0)
        new.rename(folder)  # now that it is locked others may look at it
        yield folder
    finally:
        lock.release()
        for left in (folder, new):
            shutil.rmtree(left, ignore_errors=True)


def sweep(temporary: Path) -> None:
    """Remove the folders of runs that do not live any more."""
    for folder in temporary.glob(f"{_PREFIX}*"):
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue  # in use, or gone by now
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
