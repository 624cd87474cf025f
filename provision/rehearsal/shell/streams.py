"""What commands read from and write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from provision.rehearsal.contract import Files, Stdin


class Sink(Protocol):
    """Where output goes."""

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class Source:
    """A standard input that can also be read line by line without taking more than the line."""

    def __init__(self, stream: Stdin | bytes) -> None:
        self._stream: Stdin | None = None if isinstance(stream, bytes) else stream
        self._buffer = stream if isinstance(stream, bytes) else b""

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; all when negative."""
        if size < 0:
            parts = [self._buffer]
            self._buffer = b""
            while self._stream is not None and (more := self._stream.read(65536)):
                parts.append(more)
            return b"".join(parts)
        if not self._buffer and self._stream is not None:
            self._buffer = self._stream.read(max(size, 4096))
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def line(self, end: bytes = b"\n") -> bytes:
        """Up to and with the next line end; what is left at the end of the input."""
        while end not in self._buffer and self._stream is not None:
            more = self._stream.read(4096)
            if not more:
                break
            self._buffer += more
        at = self._buffer.find(end)
        cut = len(self._buffer) if at < 0 else at + len(end)
        taken, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return taken


class Collected:
    """Output kept in memory."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.parts.append(data)

    def close(self) -> None:
        return

    @property
    def data(self) -> bytes:
        return b"".join(self.parts)


class Passed:
    """Output handed on as it comes."""

    def __init__(self, to: Callable[[bytes], None]) -> None:
        self._to = to

    def write(self, data: bytes) -> None:
        if data:
            self._to(data)

    def close(self) -> None:
        return


class Discarded(Collected):
    """``/dev/null``."""

    def write(self, data: bytes) -> None:  # noqa: ARG002
        return


class ToFile:
    """Output into a file of the machine: the file is there at once, its content when enough has come or at the end.

    Attributes:
        kept: opened by ``exec``, so nobody says when it ends: every write goes to the file.
    """

    def __init__(self, files: Files, path: str, *, append: bool) -> None:
        self._files, self._path = files, path
        self._waiting: list[bytes] = []
        self._size = 0
        self.kept = False
        mode = _mode(files, path)
        if mode is None or not append:
            files.write(path, b"", 0o644 if mode is None else mode)

    def write(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)
        if self.kept or self._size > 1 << 16:
            self.close()

    def close(self) -> None:
        if self._waiting:
            self._files.append(self._path, b"".join(self._waiting))
            self._waiting, self._size = [], 0


def _mode(files: Files, path: str) -> int | None:
    try:
        return files.stat(path).mode
    except FileNotFoundError:
        return None


Descriptors = dict[int, "Source | Sink"]
