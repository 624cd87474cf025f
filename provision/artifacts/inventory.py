"""What is in the cache, who needs it, and what may go."""

from __future__ import annotations

import functools
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from provision import clock
from provision.artifacts.cache import Cache
from provision.artifacts.lock import digests_in

Kind = Literal["file", "build", "toolchain", "repository", "compiler cache", "unfinished"]

_HOUR, _DAY = 3600.0, 86400.0
# A download that nobody has gone on with for so long is not wanted any more.
_UNFINISHED = 7 * _DAY
# What belongs to everybody who builds: folder of the cache -> what each thing in it is.
_SHARED: dict[str, Kind] = {"go": "toolchain", "git": "repository"}
_COMPILER = ("gocache", "gopath", "worktrees")


@dataclass(frozen=True)
class Item:
    """One thing of the cache.

    Attributes:
        size: bytes on the disk.
        used: when it was last used, seconds since 1970.
        needed: why it stays: lock files that name it, runs at work.
        paths: what is deleted with it.
    """

    kind: Kind
    name: str
    version: str
    size: int
    used: float
    needed: tuple[str, ...]
    paths: tuple[Path, ...]

    @property
    def age(self) -> float:
        """Seconds since its last use."""
        return max(0.0, clock.utc_now().timestamp() - self.used)


@dataclass(frozen=True)
class Pruned:
    """What went, and what stayed only because somebody is at work."""

    gone: tuple[Item, ...]
    held: tuple[Item, ...]

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(item.size for item in self.gone)


def inventory(cache: Cache, locks: Sequence[Path] = ()) -> list[Item]:
    """Everything that is in the cache, by kind and name.

    Args:
        locks: lock files that count beside those that files are labelled with, such as this folder's.
    """
    found = [*_files(cache, locks), *_shared(cache), *_unfinished(cache)]
    return sorted(found, key=lambda item: (item.kind, item.name, item.version, -item.used))


def prune(cache: Cache, locks: Sequence[Path], *, older_than: float | None = None, everything: bool = False) -> Pruned:
    """Delete what is not needed; never what a run at work holds.

    Args:
        locks: as for `inventory`.
        older_than: seconds; then what was not used for so long goes, whoever needs it, and nothing else.
        everything: then all goes, repositories, toolchains and the compiler's cache included.
    """
    busy = at_work(cache.root)
    gone, held = [], []
    for item in inventory(cache, locks):
        if not _may_go(item, older_than, everything):
            continue
        if _is_held(item, busy):
            held.append(item)
            continue
        for path in item.paths:
            _delete(path)
        gone.append(item)
    return Pruned(tuple(gone), tuple(held))


def at_work(root: Path) -> bool:
    """Whether any run fetches, builds or uses files of this cache now."""
    marks = (*root.glob("locks/*"), *root.glob("uses/*.lock"), *root.glob("git/*.lock"), *root.glob("tmp/*/in-use"))
    return any(_is_locked(mark) for mark in marks)


def _may_go(item: Item, older_than: float | None, everything: bool) -> bool:
    if everything:
        return True
    if older_than is not None:
        return item.age >= older_than
    if item.kind == "unfinished":
        return item.age >= _UNFINISHED
    # Without a word about them, what makes builds quick stays.
    return item.kind in ("file", "build") and not item.needed


def _is_held(item: Item, busy: bool) -> bool:
    if item.kind in ("file", "build"):
        wanted = any(reason.startswith("process ") for reason in item.needed)
        # Between a file's arrival and its line in a lock no file names it yet.
        return wanted or (busy and item.age < _HOUR)
    return busy


def _files(cache: Cache, locks: Sequence[Path]) -> Iterator[Item]:
    builds = _builds(cache)

    @functools.cache
    def read(lock: Path) -> frozenset[str] | None:
        return digests_in(lock)

    def names(lock: Path, digest: str) -> bool:
        found = read(lock)
        return found is None or digest in found  # one that cannot be read names all that is labelled with it

    users = {f"process {pid}": lock for pid, lock in cache.users().items()}
    for path in sorted(cache.root.glob("sha256/*")):
        digest = path.name
        with suppress(OSError):  # pruned meanwhile
            size = path.stat().st_size
            label, (record, row) = cache.label(digest), builds.get(digest, ((), {}))
            known = {Path(lock) for lock in label.locks} if label else set()
            needed = [str(lock) for lock in sorted({*known, *(p.resolve() for p in locks)}) if names(lock, digest)]
            needed += [user for user, lock in users.items() if names(lock, digest)]
            name = row.get("name") or (label.name if label else "") or f"{digest[:12]} (without a label)"
            version = row.get("version") or (label.version if label else "")
            yield Item(
                "build" if record else "file",
                str(name),
                str(version),
                size,
                cache.last_use(digest),
                tuple(needed),
                (path, cache.label_path(digest), *record),
            )


def _builds(cache: Cache) -> dict[str, tuple[tuple[Path, ...], dict[str, object]]]:
    """Digest -> the records of builds that gave it, and what the last of them says."""
    found: dict[str, tuple[tuple[Path, ...], dict[str, object]]] = {}
    for path in sorted(cache.root.glob("builds/*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            row = json.loads(path.read_text())
            before = found.get(row["sha256"], ((), {}))
            found[row["sha256"]] = ((*before[0], path), row)
    return found


def _shared(cache: Cache) -> Iterator[Item]:
    for folder, kind in _SHARED.items():
        for path in sorted(p for p in (cache.root / folder).glob("*") if p.is_dir()):
            size, used = _measure(path)
            yield Item(kind, path.name, "", size, used, (), (path,))
    for name in _COMPILER:
        path = cache.root / name
        if path.is_dir():
            size, used = _measure(path)
            yield Item("compiler cache", name, "", size, used, (), (path,))


def _unfinished(cache: Cache) -> Iterator[Item]:
    for path in sorted((*cache.root.glob("partial/*"), *cache.root.glob("tmp/*"))):
        size, used = _measure(path)
        if path.suffix != ".json":
            mark = path.with_name(path.name + ".json")
            yield Item("unfinished", path.name[:12], "", size, used, (), (path, mark))


def _measure(path: Path) -> tuple[int, float]:
    """Bytes on the disk of a file or folder, and its newest time of change."""
    size, used, todo = 0, 0.0, [path]
    while todo:
        current = todo.pop()
        with suppress(OSError):  # others may delete meanwhile
            found = current.lstat()
            # Git makes its objects read-only and keeps hard links: blocks say what would be freed.
            size += found.st_blocks * 512
            used = max(used, found.st_mtime)
            if stat.S_ISDIR(found.st_mode):
                todo.extend(Path(entry.path) for entry in os.scandir(current))
    return size, used


def _delete(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    # Go's module cache makes its folders read-only, so that nothing in them can be deleted.
    for folder, _, _ in os.walk(path):
        with suppress(OSError):
            Path(folder).chmod(0o700)
    shutil.rmtree(path)


def _is_locked(mark: Path) -> bool:
    try:
        lock = FileLock(mark, timeout=0)
        with lock:
            return False
    except Timeout:
        return True
    except OSError:
        return False
