"""Room on the disk, asked for before it is needed: several downloads at once may not each count the same free bytes."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.errors import HostError

_SPARE = 64 << 20  # bytes that are left to everybody else
_REMEDY = "free some space there (`invoke cache --prune`), or set HYBRID_CACHE to a folder on a larger disk"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Room:
    """The free space of a folder's disk, less what downloads under way will still take.

    Args:
        folder: need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._pending: dict[int, int] = {}
        self._next = 0

    @contextmanager
    def claim(self, what: str, size: int) -> Iterator[Callable[[int], None]]:
        """Hold room for ``size`` bytes; the value given is called with the bytes that are still to come.

        Raises:
            HostError: there is not so much; says how much is missing and where.
        """
        with self._lock:
            self._next += 1
            ticket = self._next
            self._judge(what, size)
            self._pending[ticket] = size

        def left(still: int) -> None:
            with self._lock:
                self._pending[ticket] = max(0, still)

        try:
            yield left
        finally:
            with self._lock:
                del self._pending[ticket]

    def require(self, what: str, size: int) -> None:
        """There is room for so many bytes now; nothing is held.

        Raises:
            HostError: as `claim`.
        """
        with self._lock:
            self._judge(what, size)

    def _judge(self, what: str, size: int) -> None:
        free, others = self._free(), sum(self._pending.values())
        missing = size + others + _SPARE - free
        if missing > 0:
            beside = f", other files that are being fetched {_mebi(others)}" if others else ""
            raise HostError(
                f"{what}: {self.folder} has no room for it, {_mebi(missing)} more are needed",
                details=f"it takes {_mebi(size)}{beside}, {_mebi(_SPARE)} stay free; {_mebi(free)} are free now",
                remedy=_REMEDY,
            )

    def _free(self) -> int:
        there = next(p for p in (self.folder, *self.folder.parents) if p.exists())
        return shutil.disk_usage(there).free


def refused(what: str, folder: Path, error: OSError) -> HostError:
    """What the disk did not let us write, as an error for people."""
    if error.errno in FULL:
        return HostError(
            f"{what}: {folder} is full",
            details="what had come of it was thrown away, so that the disk is not left full",
            remedy=_REMEDY,
        )
    return HostError(
        f"{what}: {folder} cannot be written: {error.strerror or error}",
        details=str(error.filename or ""),
        remedy="make the folder yours (was it made with sudo?), or set HYBRID_CACHE to another one",
    )


def _mebi(size: int) -> str:
    return f"{max(1, -(-size >> 20)) if size > 0 else 0} MiB"
