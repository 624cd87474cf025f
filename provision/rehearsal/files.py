"""A modelled machine's file system, for Linux and for Windows paths.

Entries live in the machine's state under ``files``: key -> {path, sha256|part|link|folder, size, mtime,
mode}.  Windows keys are lower-cased, so that paths are case-insensitive and keep the spelling of their
first writer, as NTFS does.
"""

from __future__ import annotations

import errno
import ntpath
import posixpath
from collections.abc import Callable, Sequence
from typing import Any

from provision.clock import utc_now
from provision.guests.base import Os
from provision.rehearsal.contract import FileStat
from provision.rehearsal.state import MachineState

_MOST_LINKS = 20


class StateFiles:
    """`contract.Files` over a machine's state; every method is atomic and on disk when it returns.

    Args:
        space: called with the number of bytes about to be written; raises OSError(ENOSPC) when full.
    """

    def __init__(self, state: MachineState, os: Os, space: Callable[[int], None] = lambda _: None) -> None:
        self.state = state
        self.os = os
        self.space = space
        # Called with a path that is about to be written over or removed; raises PermissionError when it is in use.
        self.guard: Callable[[str], None] = lambda _: None
        # Called with the old and the new path of a file that was renamed.
        self.moved: Callable[[str, str], None] = lambda _, __: None

    # Paths

    def normal(self, path: str) -> str:
        """The absolute path in the machine's own spelling.

        Raises:
            FileNotFoundError: it is not absolute, or names a drive that this machine does not have.
        """
        if self.os == "linux":
            if not path.startswith("/"):
                raise FileNotFoundError(errno.ENOENT, "not an absolute path", path)
            return posixpath.normpath("/" + path.lstrip("/"))
        plain = ntpath.normpath(path.replace("/", "\\"))
        drive, rest = ntpath.splitdrive(plain)
        if drive.lower() != "c:" or not rest.startswith("\\"):
            raise FileNotFoundError(errno.ENOENT, "no such drive or not an absolute path", path)
        return "C:" + rest

    def _key(self, normal: str) -> str:
        return normal if self.os == "linux" else normal.lower()

    def parent(self, normal: str) -> str:
        return posixpath.dirname(normal) if self.os == "linux" else ntpath.dirname(normal)

    def base(self, normal: str) -> str:
        return posixpath.basename(normal) if self.os == "linux" else ntpath.basename(normal)

    def _root(self, normal: str) -> bool:
        return normal in ("/", "C:\\")

    def _entries(self) -> dict[str, Any]:
        return self.state.section("files")

    def resolve(self, path: str, *, follow: bool = True) -> str:
        """The normal path with links followed (the last one only when ``follow``)."""
        normal = self.normal(path)
        entries = self._entries()
        for _ in range(_MOST_LINKS):
            walk = normal
            chain = []
            while not self._root(walk):
                chain.append(walk)
                walk = self.parent(walk)
            for place in reversed(chain):
                entry = entries.get(self._key(place))
                if entry and "link" in entry and (follow or place != normal):
                    rest = normal[len(place) :]
                    target = entry["link"]
                    if self.os == "linux" and not target.startswith("/"):
                        target = posixpath.join(self.parent(place), target)
                    normal = self.normal(target + rest)
                    break
            else:
                return normal
        raise OSError(errno.ELOOP, "too many levels of symbolic links", path)

    def _find(self, path: str, *, follow: bool = True) -> tuple[str, dict[str, Any]]:
        normal = self.resolve(path, follow=follow)
        if self._root(normal):
            return normal, {"path": normal, "folder": True, "mtime": 0.0}
        entry = self._entries().get(self._key(normal))
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return normal, entry

    def _place(self, path: str) -> str:
        """Where a new file may be made: its folder must be there.

        Raises:
            FileNotFoundError: the folder is missing.
            NotADirectoryError: it is a file.
            IsADirectoryError: the path is a folder.
        """
        normal = self.resolve(path)
        _, above = self._find(self.parent(normal))
        if not above.get("folder"):
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory", path)
        entry = self._entries().get(self._key(normal))
        if self._root(normal) or (entry and entry.get("folder")):
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        return normal

    # contract.Files

    def stat(self, path: str) -> FileStat:
        with self.state.reading():
            _, entry = self._find(path)
            if entry.get("folder"):
                return FileStat(0, entry["mtime"], True, entry.get("mode", 0o755))
            if "part" in entry:
                real = self.state.blobs.part(entry["part"]).stat()
                return FileStat(real.st_size, real.st_mtime, False, entry["mode"])
            return FileStat(entry["size"], entry["mtime"], False, entry["mode"])

    def read(self, path: str) -> bytes:
        with self.state.reading():
            _, entry = self._find(path)
            if entry.get("folder"):
                raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
            if "part" in entry:
                return self.state.blobs.part(entry["part"]).read_bytes()
            digest = entry["sha256"]
        return self.state.blobs.get(digest)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self.space(len(data))
        digest = self.state.blobs.put(data)
        with self.state.change():
            normal = self._place(path)
            self.guard(normal)
            self._set(normal, digest, len(data), mode)

    def append(self, path: str, data: bytes) -> None:
        self.space(len(data))
        with self.state.reading():
            normal = self._place(path)
            entry = self._entries().get(self._key(normal))
        if entry is None or "part" not in entry:
            with self.state.change():
                part = self.state.blobs.new_part(entry["sha256"] if entry else None)
                mode = entry["mode"] if entry else 0o644
                name = entry["path"] if entry else normal
                entry = {"path": name, "part": part, "mtime": now(), "mode": mode}
                self._entries()[self._key(normal)] = entry
        with self.state.reading(), self.state.blobs.part(entry["part"]).open("ab") as stream:
            stream.write(data)

    def rename(self, old: str, new: str) -> None:
        """Move a file or a folder; a file replaces a file. A folder never replaces anything."""
        with self.state.change():
            entries = self._entries()
            source, entry = self._find(old, follow=False)
            target = self.resolve(new, follow=False)
            _, above = self._find(self.parent(target))
            if not above.get("folder"):
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory", new)
            there = entries.get(self._key(target))
            if there:
                self.guard(target)
            if entry.get("folder"):
                if there and self._key(source) != self._key(target):
                    raise FileExistsError(errno.EEXIST, "File exists", new)
                for key in (self._key(source), *self._below(source)):
                    moved = entries.pop(key)
                    moved["path"] = target + moved["path"][len(source) :]
                    entries[self._key(moved["path"])] = moved
                return
            if there and there.get("folder"):
                raise IsADirectoryError(errno.EISDIR, "Is a directory", new)
            if there and "part" in there and there is not entry:
                self._drop(there)
            entries.pop(self._key(source))
            if "part" in entry:
                # Whoever renames has finished writing.
                self._drop(entry)
                mtime = self.state.blobs.part(entry["part"]).stat().st_mtime
                digest, size = self.state.blobs.seal(entry.pop("part"))
                entry.update(sha256=digest, size=size, mtime=mtime)
            entry["path"] = target
            entries[self._key(target)] = entry
            self.moved(source, target)

    def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder."""
        with self.state.change():
            normal, entry = self._find(path, follow=False)
            self.guard(normal)
            if entry.get("folder") and (self._root(normal) or self.list(normal)):
                raise OSError(errno.ENOTEMPTY, "Directory not empty", path)
            self._drop(self._entries().pop(self._key(normal)))

    def make_folder(self, path: str) -> None:
        """Make one folder; its parent must be there, it must not."""
        with self.state.change():
            normal = self.resolve(path)
            if self._root(normal) or self._key(normal) in self._entries():
                raise FileExistsError(errno.EEXIST, "File exists", path)
            _, above = self._find(self.parent(normal))
            if not above.get("folder"):
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory", path)
            self._entries()[self._key(normal)] = {"path": normal, "folder": True, "mtime": now(), "mode": 0o755}

    def list(self, path: str) -> list[str]:
        with self.state.reading():
            normal, entry = self._find(path)
            if not entry.get("folder"):
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory", path)
            found = [self._entries()[key]["path"] for key in self._below(normal)]
            return sorted({self.base(p) for p in found if self._key(self.parent(p)) == self._key(normal)})

    # More than the contract: what shells need

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder (a link counts by its target)."""
        try:
            self.stat(path)
        except OSError:
            return False
        return True

    def is_folder(self, path: str) -> bool:
        try:
            return self.stat(path).folder
        except OSError:
            return False

    def make_folders(self, path: str) -> None:
        """Make a folder and all above it; quiet about those that are there."""
        with self.state.change():
            missing = []
            walk = self.resolve(path)
            while not self._root(walk) and self._key(walk) not in self._entries():
                missing.append(walk)
                walk = self.parent(walk)
            if not self.is_folder(walk):
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory", walk)
            for folder in reversed(missing):
                self.make_folder(folder)

    def remove_tree(self, path: str) -> None:
        """Remove a file, or a folder with all below it."""
        with self.state.change():
            normal, _ = self._find(path, follow=False)
            entries = self._entries()
            for key in (self._key(normal), *self._below(normal)):
                if key in entries:
                    self._drop(entries.pop(key))

    def digest(self, path: str) -> str:
        """SHA-256 (hex) of a file, without reading it where it is known."""
        with self.state.reading():
            _, entry = self._find(path)
            if entry.get("folder"):
                raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
            if "part" in entry:
                return self.state.blobs.seal(entry["part"])[0]
            found: str = entry["sha256"]
            return found

    def spelling(self, path: str) -> str:
        """The path as it was first written (Windows keeps upper and lower case)."""
        with self.state.reading():
            found: str = self._find(path, follow=False)[1]["path"]
            return found

    def chmod(self, path: str, mode: int) -> None:
        with self.state.change():
            self._find(path)[1]["mode"] = mode

    def touch_time(self, path: str, mtime: float) -> None:
        """Set the time of the last change (seconds since 1970)."""
        with self.state.change():
            normal, entry = self._find(path)
            if "part" in entry:
                digest, size = self.state.blobs.seal(entry["part"])
                self._set(normal, digest, size, entry["mode"])
                _, entry = self._find(path)
            entry["mtime"] = mtime

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link; the target need not be there."""
        with self.state.change():
            normal = self.resolve(path, follow=False)
            if self._key(normal) in self._entries():
                raise FileExistsError(errno.EEXIST, "File exists", path)
            self._find(self.parent(normal))
            self._entries()[self._key(normal)] = {"path": normal, "link": target, "mtime": now(), "mode": 0o777}

    def read_link(self, path: str) -> str | None:
        """The target of a symbolic link; None for anything else."""
        with self.state.reading():
            found: str | None = self._find(path, follow=False)[1].get("link")
            return found

    def walk(self, path: str) -> Sequence[str]:
        """All paths below a folder, sorted."""
        with self.state.reading():
            normal, _ = self._find(path)
            return sorted(self._entries()[key]["path"] for key in self._below(normal))

    def _below(self, folder: str) -> Sequence[str]:
        """The keys of everything below a folder."""
        prefix = self._key(folder)
        separator = "/" if self.os == "linux" else "\\"
        if not prefix.endswith(separator):
            prefix += separator
        return [key for key in self._entries() if key.startswith(prefix)]

    def _set(self, normal: str, digest: str, size: int, mode: int) -> None:
        entries = self._entries()
        old = entries.get(self._key(normal))
        name = old["path"] if old else normal
        entries[self._key(normal)] = {"path": name, "sha256": digest, "size": size, "mtime": now(), "mode": mode}
        if old:
            self._drop(old)

    def _drop(self, entry: dict[str, Any]) -> None:
        """Let go of an entry's part, once no stored state names it."""
        if "part" in entry:
            part = entry["part"]
            self.state.afterwards(lambda: self.state.blobs.drop(part))


def now() -> float:
    """Seconds since 1970."""
    return utc_now().timestamp()
