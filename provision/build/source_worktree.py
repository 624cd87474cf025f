"""Where a source lies as files to be built: a few folders a project, kept from build to build.

A folder is changed from the tree that it holds to the one that is wanted, so the second commit costs what differs,
and the files that are the same keep their place and time, which Go's cache likes.  A folder says what it holds only
while that is true; one that was left in the middle is emptied.  Two builds at once have two folders.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from provision.build.source_git import Git
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.host.commands import tail
from provision.host.files import write_atomically
from provision.host.lock import only_one

_FOLDERS = 4


@dataclass(frozen=True)
class Worktrees:
    """The folders of one project, ``FOLDER/1`` and so on; the files are in ``tree`` of each."""

    git: Git
    folder: Path
    say: Callable[[str], None]

    @contextmanager
    def holding(
        self, tree: str, repository: Path, deadline: Deadline, env: Mapping[str, str | None] | None = None
    ) -> Iterator[Path]:
        """A folder with exactly the files of a tree, for the caller alone.

        Args:
            tree: digest of a git tree.
            repository: a git folder that has it, with ``env``.

        Raises:
            ArtifactError: objects are missing, the disk is full, or all folders stayed in use.
        """
        with self._own(tree, deadline) as slot:
            self._fill(slot, tree, repository, deadline, env or {})
            yield slot / "tree"

    @contextmanager
    def _own(self, tree: str, deadline: Deadline) -> Iterator[Path]:
        slots = [self.folder / str(number) for number in range(1, _FOLDERS + 1)]
        for slot in slots:
            slot.mkdir(parents=True, exist_ok=True)
        for slot in sorted(slots, key=lambda slot: _holds(slot) != tree):
            lock = FileLock(f"{slot}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield slot
            finally:
                lock.release()
            return
        self.say(f"waiting for another build: all {_FOLDERS} folders in {self.folder} are in use")
        with only_one(Path(f"{slots[0]}.lock"), deadline, f"all folders in {self.folder}"):
            yield slots[0]

    def _fill(self, slot: Path, tree: str, repository: Path, deadline: Deadline, env: Mapping[str, str | None]) -> None:
        files = slot / "tree"
        if not _holds(slot):
            _empty(slot)
        files.mkdir(exist_ok=True)
        (slot / "holds").unlink(missing_ok=True)
        (slot / "index.lock").unlink(missing_ok=True)
        where = {**env, "GIT_WORK_TREE": str(files), "GIT_INDEX_FILE": str(slot / "index")}
        config = {"core.bare": "false", "checkout.workers": "0"}
        try:
            for argv in (["clean", "-ffdxq"], ["read-tree", "--reset", "-u", tree]):
                done = self.git.here(argv, deadline, repository=repository, env=where, cwd=files, config=config)
                if done.code != 0:
                    raise ArtifactError(
                        f"the source cannot be laid out in {files}",
                        details="\n".join(tail(done.err)),
                        remedy="see that the disk has room; of a checkout that is a partial clone, fetch all files "
                        "first (`git fetch --refetch --filter=blob:limit=1g`); after a power failure take "
                        f"{repository} away; then run it again",
                    )
        except BaseException:
            _empty(slot)  # half of a source would only take room
            raise
        write_atomically(slot / "holds", tree)


def _holds(slot: Path) -> str:
    note = slot / "holds"
    return note.read_text(errors="replace") if note.is_file() else ""


def _empty(slot: Path) -> None:
    (slot / "holds").unlink(missing_ok=True)
    for name in ("index", "index.lock"):
        (slot / name).unlink(missing_ok=True)
    shutil.rmtree(slot / "tree", ignore_errors=True)
