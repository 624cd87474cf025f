"""One run at a time: on one cluster, where the second says who holds the lock, and on what clusters share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from provision.clock import Deadline, utc_now
from provision.errors import ArtifactError, HostError, Locked
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
        with suppress(OSError):  # a note for others; a full disk must not keep `destroy` from freeing it
            write_atomically(holder, json.dumps(row))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def only_one(path: Path, deadline: Deadline, what: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold a lock that another run may have for a while. The kernel lets go of it when the process dies.

    Args:
        what: is worked on meanwhile, for the error.
        waiting: called when another run has it.

    Raises:
        ArtifactError: another run still has it when the deadline passes.
        OSError: the lock's file may not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting is not None:
                waiting()
            lock.acquire(timeout=deadline.remaining())
    except Timeout as error:
        raise ArtifactError(
            f"{what}: another run has been at work on it for {deadline.seconds:.0f} s",
            remedy="let the other run end, then run this again",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _who(holder: Path) -> str:
    try:
        row = json.loads(holder.read_text())
        return f"`{row['command']}`, process {row['pid']}, since {row['since']}"
    except (OSError, ValueError, KeyError):
        return "its holder has not said who it is"
