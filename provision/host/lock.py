"""One run at a time on one cluster; the second says who holds the lock."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from provision.clock import utc_now
from provision.errors import HostError, Locked
from provision.host.files import write_atomically


@contextmanager
def cluster_lock(path: Path, command: str) -> Iterator[None]:
    """Hold the cluster's lock. The kernel lets go of it when the process dies, however it dies.

    Raises:
        Locked: another process holds it; the error names its command, process id and start.
        HostError: the lock's file may not be written.
    """
    holder = path.with_name(path.name + ".holder")
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except PermissionError as error:
        raise HostError(
            f"cannot write {path}: {error.strerror}",
            remedy=f"make {path.parent} yours (it was perhaps made with sudo), then run it again",
        ) from error
    except Timeout as error:
        raise Locked(
            "another run works on this cluster",
            details=_who(holder),
            remedy="wait for it to end, or stop it with Ctrl-C where it runs",
        ) from error
    try:
        row = {"command": command, "pid": os.getpid(), "since": utc_now().isoformat(timespec="seconds")}
        write_atomically(holder, json.dumps(row))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        row = json.loads(holder.read_text())
        return f"`{row['command']}`, process {row['pid']}, since {row['since']}"
    except (OSError, ValueError, KeyError):
        return "its holder has not said who it is"
