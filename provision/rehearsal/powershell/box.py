"""The door between the interpreter and the machine it runs on: what a model of Windows implements.

The interpreter owns the language, the parameter binder, the text, object and JSON commands, and the commands on
files (through `Box.files`).  Everything else that a script does reaches the machine through `Box.command` and
`Box.program`.  Commands on registry paths (``HKLM:\\...``) also come through `Box.command`;
`provision.rehearsal.powershell.registry` answers them from a small `Registry`.

Values that cross the door, both ways: None, bool, int, float, str, bytes, list, `datetime`, `timedelta`, and
`Record`, `Hashtable`, `EnumValue`, `SecureString` of `provision.rehearsal.powershell.values`.  A plain dict that a
box returns becomes a `Record`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from provision.rehearsal.contract import Files


class CommandError(Exception):
    """A command's failure, as the script will see it.

    Args:
        message: `$_.Exception.Message`.
        id: the part of `FullyQualifiedErrorId` before the comma, such as ``NoServiceFoundForGivenName``.
        terminating: ends the statement and is caught by ``try`` whatever the preferences say; otherwise the
            error is reported, and the command may still have results: `partial`.
        category: `CategoryInfo.Category`.
        exception: .NET type name of the exception.
        partial: what the command had already given when a non-terminating error was met.
    """

    def __init__(
        self,
        message: str,
        id: str = "Exception",
        *,
        terminating: bool = False,
        category: str = "NotSpecified",
        exception: str = "System.Exception",
        partial: Iterable[object] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.id = id
        self.terminating = terminating
        self.category = category
        self.exception = exception
        self.partial = tuple(partial)


@dataclass(frozen=True)
class Bound:
    """The arguments of one call of a command after binding.

    Args:
        values: canonical parameter name -> converted value, common parameters included; switches are bools.
        parameter_set: the chosen set, None when the command has only one.
        line: line of the script, from 1.
    """

    values: Mapping[str, object] = field(default_factory=dict)
    parameter_set: str | None = None
    line: int = 0

    def get(self, name: str, default: object = None) -> object:
        """The value of a parameter by its canonical name."""
        return self.values.get(name, default)

    def text(self, name: str, default: str = "") -> str:
        """A parameter as text; ``default`` when it was not given."""
        value = self.values.get(name)
        return default if value is None else str(value)

    def texts(self, name: str) -> list[str]:
        """A parameter as a list of texts, empty when it was not given."""
        value = self.values.get(name)
        if value is None:
            return []
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]

    def on(self, name: str) -> bool:
        """Whether a switch (or Boolean) is set."""
        return bool(self.values.get(name, False))

    def __contains__(self, name: object) -> bool:
        return name in self.values


class Box(Protocol):
    """One Windows machine as the interpreter sees it.

    Attributes:
        files: the file system; paths are absolute and spelled with backslashes (``C:\\k\\kubelet.exe``).
        environment: variables of this process, names in any case (the box folds them); a script changes them.
        folder: the current folder at the start, such as ``C:\\Windows\\System32``.
        killed: set when the process is to end; looked at before every statement and in every sleep.
        overrides: names of commands that `command` answers although the interpreter has them.
    """

    environment: MutableMapping[str, str]
    folder: str
    killed: threading.Event
    overrides: frozenset[str]

    @property
    def files(self) -> Files: ...

    def command(self, name: str, bound: Bound) -> Iterable[object]:
        """Run one Windows command; called once for each pipeline object, which is bound in ``bound``.

        Raises:
            CommandError: the failure that Windows would report.
        """
        ...

    def find_program(self, name: str) -> str | None:
        """The full path of a program by name (``sc.exe``) or path, as PATH and the file system have it; else None."""
        ...

    def program(
        self,
        name: str,
        arguments: Sequence[str],
        stdin: bytes | None,
        on_stdout: Callable[[bytes], None],
        on_stderr: Callable[[bytes], None],
    ) -> int:
        """Run a program to its end and return its exit code (32 bits).

        ``name`` is as `find_program` found it; ``arguments`` are what the C runtime makes of the command line;
        ``stdin`` is None when nothing is piped in.  The callbacks are called in the caller's thread; what they raise
        (a later command wants no more, an error under Stop) goes through.
        """
        ...

    def write(self, data: bytes) -> None:
        """Bytes for the script's standard output."""
        ...

    def write_error(self, data: bytes) -> None:
        """Bytes for the script's standard error."""
        ...

    def read_input(self) -> bytes:
        """All of the script's standard input; blocks until its end."""
        ...

    def now(self) -> datetime:
        """The machine's wall clock, aware, UTC (the modelled machines live in UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds on the machine's clock that never goes back, at the rehearsal's scale."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of the machine's time pass; returns early when `killed` is set."""
        ...
