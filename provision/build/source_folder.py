"""Git folders of ours in the cache: one run at a time in each, and nothing left over from a killed one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from provision.build.source_git import Git
from provision.clock import Deadline
from provision.errors import ArtifactError


@contextmanager
def only_one(folder: Path, deadline: Deadline, what: str) -> Iterator[None]:
    """Two runs never change ``folder`` at once; a killed run's lock is free.

    Raises:
        ArtifactError: another run still holds it when the deadline passes.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock")
    try:
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


def clear_locks(repository: Path) -> None:
    """Take away what a killed git left; the caller has the repository to itself."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/**/tmp_obj_*"):
        for left in repository.glob(pattern):
            left.unlink(missing_ok=True)
    for pattern in ("objects/incoming-*", "objects/tmp_objdir-*"):
        for folder in repository.glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)


def ensure(git: Git, repository: Path, deadline: Deadline) -> None:
    """A bare repository at this place, made whole or not at all.

    Raises:
        HostError: it cannot be made.
    """
    if (repository / "HEAD").is_file():
        clear_locks(repository)
        return
    if repository.exists():
        shutil.rmtree(repository)
    repository.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{repository.name}.", dir=repository.parent) as half:
        fresh = Path(half) / "git"
        argv = ["init", "-q", "--bare", "--template=", str(fresh)]
        git.here(argv, deadline).require(f"a git repository in {repository.parent} cannot be made")
        fresh.rename(repository)
