"""Git folders of ours in the cache: made whole, and nothing left over from a killed run."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from provision.build.source_git import Git
from provision.clock import Deadline


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
    head = repository / "HEAD"
    # Empty after a power failure: git calls that no repository, ever after.
    if head.is_file() and head.read_bytes().startswith(b"ref: "):
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
