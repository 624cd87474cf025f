"""What the shell asks of the machine it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from provision.rehearsal.contract import Files
from provision.rehearsal.shell.streams import Sink, Source


@dataclass(frozen=True)
class Call:
    """One program call: what a process gets."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdin: Source
    stdout: Sink
    stderr: Sink
    cwd: str

    def out(self, text: str | bytes) -> None:
        self.stdout.write(text.encode() if isinstance(text, str) else text)

    def err(self, text: str) -> None:
        self.stderr.write(text.encode())


class Ending(Protocol):
    """Says whether a session has to end."""

    def is_set(self) -> bool: ...


class ShellBox(Protocol):
    """The machine under the shell: its files, its programs, its clock."""

    @property
    def files(self) -> Files: ...

    @property
    def hostname(self) -> str: ...

    @property
    def pid(self) -> int:
        """The number of this process."""
        ...

    @property
    def killed(self) -> Ending:
        """Set when what runs here has to end."""
        ...

    def which(self, name: str) -> str | None:
        """The path of a program as PATH would find it (a name with a slash: itself when it can run)."""
        ...

    def is_link(self, path: str) -> bool:
        """Whether the path itself is a symbolic link."""
        ...

    def program(self, call: Call) -> int:
        """Run a program; returns its exit code.

        Raises:
            FileNotFoundError: there is none of that name (the shell says so and gives 127).
            PermissionError: the file is there and cannot be run (126).
            Unsupported: the program is known and its model does not know this use.
        """
        ...

    def now(self) -> float:
        """Seconds since 1970 on the machine's own clock."""
        ...
