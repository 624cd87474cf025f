"""What the rehearsal's servers ask of a modelled machine, and nothing more.

The SSH and WS-Management servers know only `ModelledMachine`; the models know nothing of protocols.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from provision.guests.base import Os


class Stdin(Protocol):
    """A command's standard input, as bytes arrive."""

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes (all to the end when negative); blocks; ``b""`` at the end."""
        ...


@dataclass(frozen=True)
class Streams:
    """A running command's streams. Writing to a gone client raises BrokenPipeError."""

    stdin: Stdin
    stdout: Callable[[bytes], None]
    stderr: Callable[[bytes], None]
    killed: threading.Event


@dataclass(frozen=True)
class FileStat:
    """What a machine says of one of its files; the size in bytes, the time in seconds since 1970."""

    size: int
    mtime: float
    folder: bool = False
    mode: int = 0o644


class Files(Protocol):
    """The machine's file system, by absolute path in the machine's own spelling; thread-safe.

    Missing paths raise FileNotFoundError, a full disk OSError(ENOSPC) as a real system would.
    """

    def stat(self, path: str) -> FileStat: ...
    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes, mode: int = 0o644) -> None: ...
    def append(self, path: str, data: bytes) -> None: ...
    def rename(self, old: str, new: str) -> None: ...
    def remove(self, path: str) -> None: ...
    def make_folder(self, path: str) -> None: ...
    def list(self, path: str) -> list[str]: ...


class ModelledMachine(Protocol):
    """One machine of the rehearsal."""

    name: str
    os: Os

    @property
    def files(self) -> Files:
        """The machine's file system."""
        ...

    @property
    def answers(self) -> bool:
        """False while it is off or booting: the servers accept nothing and drop what is open."""
        ...

    @property
    def boot_count(self) -> int:
        """Changes with each boot; connections of an earlier boot are dropped."""
        ...

    def authorized_key(self, user: str, public_key: str) -> bool:
        """Whether this OpenSSH public key may log in as the user."""
        ...

    def password(self, user: str) -> str | None:
        """The user's password, None for an unknown user."""
        ...

    def execute(self, command_line: str, streams: Streams) -> int:
        """Run a command line as the login shell would (bash on Linux, cmd.exe rules on Windows).

        Called in a thread of its own; returns the exit code.  Must return soon after ``killed`` is set
        or the machine goes down.
        """
        ...
