"""SFTP over the files of a modelled machine."""

from __future__ import annotations

import posixpath
import stat as stat_bits

import asyncssh

from provision.rehearsal.contract import Files, FileStat

# A model may keep its state on disk: bytes are handed on in pieces of this size, not of the packets' size.
FLUSH = 4 * 1024 * 1024


class _Handle:
    """An open file. Uploads come in order and are appended; a reader sees the file as it was opened."""

    def __init__(self, files: Files, path: str, *, writable: bool, truncate: bool) -> None:
        self._files = files
        self._path = path
        self._writable = writable
        self._buffer = bytearray()
        self._early: dict[int, bytes] = {}
        self._content: bytes | None = None
        if truncate:
            files.write(path, b"")
        self._size = files.stat(path).size

    def read(self, offset: int, size: int) -> bytes:
        if self._content is None:
            self._content = self._files.read(self._path)
        return self._content[offset : offset + size]

    def write(self, offset: int, data: bytes) -> None:
        if not self._writable:
            raise PermissionError(self._path)
        self._early[offset] = data
        # Packets of one upload may be handled in another order than they were sent.
        while (following := self._early.pop(self._size, None)) is not None:
            self._buffer += following
            self._size += len(following)
            if len(self._buffer) >= FLUSH:
                self.flush()

    def flush(self) -> None:
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            self._files.append(self._path, data)

    @property
    def has_holes(self) -> bool:
        return bool(self._early)


class ModelSftp(asyncssh.SFTPServer):
    """The SFTP subsystem; every error of the model's files becomes the SFTP status of the same meaning."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], files: Files) -> None:
        super().__init__(channel)
        self._files = files

    @staticmethod
    def _path(raw: bytes) -> str:
        path = raw.decode("utf-8")
        # OpenSSH for Windows spells C:\x as /C:/x.
        if len(path) > 2 and path[0] == "/" and path[2] == ":":
            return path[1:].replace("/", "\\")
        if len(path) > 1 and path[1] == ":":
            return path.replace("/", "\\")
        return posixpath.normpath(path)

    @staticmethod
    def _attributes(found: FileStat) -> asyncssh.SFTPAttrs:
        kind = stat_bits.S_IFDIR if found.folder else stat_bits.S_IFREG
        return asyncssh.SFTPAttrs(
            size=found.size, permissions=kind | found.mode, mtime=int(found.mtime), atime=int(found.mtime), uid=0, gid=0
        )

    def realpath(self, path: bytes) -> bytes:
        return self._path(path).encode()

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return self._attributes(self._files.stat(self._path(path)))

    def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return self.stat(path)

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:  # noqa: ARG002
        name = self._path(path)
        writable = bool(pflags & (asyncssh.FXF_WRITE | asyncssh.FXF_APPEND))
        if writable and pflags & asyncssh.FXF_CREAT and pflags & asyncssh.FXF_EXCL:
            try:
                self._files.stat(name)
            except FileNotFoundError:
                pass
            else:
                raise asyncssh.SFTPFileAlreadyExists(name)
        truncate = writable and bool(pflags & asyncssh.FXF_TRUNC)
        if writable and not truncate and pflags & asyncssh.FXF_CREAT:
            try:
                self._files.stat(name)
            except FileNotFoundError:
                truncate = True
        return _Handle(self._files, name, writable=writable, truncate=truncate)

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        assert isinstance(file_obj, _Handle)
        return file_obj.read(offset, size)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        assert isinstance(file_obj, _Handle)
        file_obj.write(offset, data)
        return len(data)

    def close(self, file_obj: object) -> None:
        assert isinstance(file_obj, _Handle)
        file_obj.flush()
        if file_obj.has_holes:
            raise asyncssh.SFTPFailure("the file was closed before all of it had come")

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        assert isinstance(file_obj, _Handle)
        file_obj.flush()
        return self._attributes(self._files.stat(file_obj._path))

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:  # noqa: ARG002
        self._files.stat(self._path(path))

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """Modes and times of an open file are not modelled."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        new = self._path(newpath)
        try:
            self._files.stat(new)
        except FileNotFoundError:
            self._files.rename(self._path(oldpath), new)
            return
        # As real servers do: plain rename does not overwrite.
        raise asyncssh.SFTPFailure(f"{new} exists")

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        self._files.rename(self._path(oldpath), self._path(newpath))

    def remove(self, path: bytes) -> None:
        self._files.remove(self._path(path))

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:  # noqa: ARG002
        self._files.make_folder(self._path(path))
