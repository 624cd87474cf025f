"""A process on a modelled Windows: what the PowerShell interpreter and the programs see of the machine."""

from __future__ import annotations

import ntpath
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provision.clock import monotonic
from provision.rehearsal.contract import Files
from provision.rehearsal.models.windows_cmd import join_arguments
from provision.rehearsal.models.windows_registry import SYSTEM_ENVIRONMENT, MachineRegistry
from provision.rehearsal.models.windows_table import COMMANDS, PROGRAMS, ProgramError
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.registry import COMMANDS as REGISTRY_COMMANDS
from provision.rehearsal.powershell.registry import registry_command, registry_key
from provision.rehearsal.standin import StandIn, read_standin

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

Write = Callable[[bytes], None]
# Code pages: what a console of an English Windows has, and what it can be told to have.
OEM, UTF8 = 437, 65001
SYSTEM32 = "C:\\Windows\\System32"


class Environment(MutableMapping[str, str]):
    """Environment variables: names in any case, the first spelling is kept."""

    def __init__(self, values: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, tuple[str, str]] = {}
        for name, value in values:
            self[name] = value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()][1]

    def __setitem__(self, name: str, value: str) -> None:
        known = self._values.get(name.lower())
        self._values[name.lower()] = (known[0] if known else name, value)

    def __delitem__(self, name: str) -> None:
        del self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._values.values()])

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values


class Either(threading.Event):
    """Set when one of two events is: the command was killed, or its machine went down."""

    def __init__(self, *events: threading.Event) -> None:
        super().__init__()
        self._events = events

    def is_set(self) -> bool:
        return super().is_set() or any(event.is_set() for event in self._events)

    def wait(self, timeout: float | None = None) -> bool:
        end = None if timeout is None else monotonic() + timeout
        while not self.is_set():
            # Two events cannot be waited for at once; whoever waits without an end is in no hurry.
            left = 0.25 if end is None else min(0.05, end - monotonic())
            if left <= 0:
                return False
            self._events[0].wait(left)
        return True


@dataclass
class Console:
    """What a process and its children share; ``page`` is the code page of their output."""

    page: int = OEM


@dataclass
class Program:
    """One running program.

    Attributes:
        what: what its file stands for.
        path: the file.
        arguments: without the program's name.
        stdin: what is piped in, None for nothing.
    """

    process: WindowsProcess
    what: StandIn
    path: str
    arguments: list[str]
    stdin: bytes | None
    on_stdout: Write
    on_stderr: Write

    @property
    def machine(self) -> WindowsMachine:
        return self.process.machine

    def out(self, text: str) -> None:
        """A line (or lines) on standard output."""
        self.on_stdout(text.replace("\n", "\r\n").encode() + b"\r\n")

    def err(self, text: str) -> None:
        self.on_stderr(text.replace("\n", "\r\n").encode() + b"\r\n")

    def path_of(self, argument: str) -> str:
        """An argument as an absolute path, from the process's folder."""
        return self.process.absolute(argument)


class WindowsProcess:
    """Implements `powershell.box.Box` on a machine.

    Args:
        killed: set when the client's command is to end.
        read: gives all of the standard input.
        user: the account, ``SYSTEM`` for tasks and services.
    """

    overrides: frozenset[str] = frozenset()

    def __init__(
        self,
        machine: WindowsMachine,
        *,
        killed: threading.Event,
        write: Write,
        write_error: Write,
        read: Callable[[], bytes] = lambda: b"",
        user: str = "SYSTEM",
        environment: MutableMapping[str, str] | None = None,
        folder: str = SYSTEM32,
        console: Console | None = None,
    ) -> None:
        self.machine = machine
        self.console = console or Console()
        self.files: Files = machine.files
        self.user = user
        self.folder = folder
        self.killed: threading.Event = Either(killed, machine.down)
        self.environment: MutableMapping[str, str] = (
            Environment(environment.items()) if environment is not None else machine_environment(machine, user)
        )
        self._write = write
        self._write_error = write_error
        self._read = read
        self._slept = 0.0

    # Box

    def command(self, name: str, bound: Bound) -> Iterable[object]:
        if name in REGISTRY_COMMANDS:
            paths = bound.texts("LiteralPath") or bound.texts("Path")
            if paths and registry_key(paths[0]) is not None:
                with self.machine.state.change():
                    return list(registry_command(MachineRegistry(self.machine.state), name, bound))
        found = COMMANDS.get(name.lower())
        if found is None:
            raise CommandError(
                f"rehearsal: the command '{name}' is not known to the modelled Windows",
                "CommandNotFoundException",
                terminating=True,
                category="ObjectNotFound",
                exception="System.Management.Automation.CommandNotFoundException",
            )
        return list(found(self, bound))

    def find_program(self, name: str) -> str | None:
        if not name:
            return None
        tries = [name] if ntpath.splitext(name)[1] else [name + ".exe", name + ".cmd", name]
        if any(separator in name for separator in "\\/"):
            places = [""]
        else:
            places = [entry.strip('"') for entry in self.environment.get("PATH", "").split(";") if entry]
        for place in places:
            for one in tries:
                path = self.absolute(ntpath.join(place, one))
                if self.machine.files.exists(path) and not self.machine.files.is_folder(path):
                    return self.machine.files.spelling(path)
        return None

    def program(
        self,
        name: str,
        arguments: Sequence[str],
        stdin: bytes | None,
        on_stdout: Write,
        on_stderr: Write,
    ) -> int:
        path = self.absolute(name)
        what = read_standin(self.files.read(path))
        if what is None or what.os != "windows" or what.arch != "amd64":
            raise CommandError(
                f"Program '{ntpath.basename(path)}' failed to run: The specified executable is not a valid"
                " application for this OS platform.",
                "NativeCommandFailed",
                terminating=True,
                category="ResourceUnavailable",
                exception="System.Management.Automation.ApplicationFailedException",
            )
        run = PROGRAMS.get(what.program)
        running = Program(self, what, path, list(arguments), stdin, on_stdout, on_stderr)
        if run is None:
            running.err(f"rehearsal: {what.program} is not modelled")
            return 1
        try:
            return run(running) & 0xFFFFFFFF
        except ProgramError as error:
            if error.text:
                running.err(error.text)
            return error.code & 0xFFFFFFFF

    def write(self, data: bytes) -> None:
        self._write(data)

    def write_error(self, data: bytes) -> None:
        self._write_error(data)

    def divert_errors(self, write: Write) -> Write:
        """Send standard error elsewhere; returns where it went so far."""
        before, self._write_error = self._write_error, write
        return before

    def read_input(self) -> bytes:
        return self._read()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.machine.clock(), UTC)

    def monotonic(self) -> float:
        # Sleeping is scaled, computing is not: the machine's time is what went by and what was slept away.
        return monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        before = monotonic()
        self.machine.sleeps(seconds, self.killed)
        self._slept += max(0.0, seconds - (monotonic() - before))

    # For models

    def write_by_code_page(self) -> None:
        """Write as .NET does: by the code page that the console has when the first thing is written to a stream."""
        self._write = self._paged(self._write)
        self._write_error = self._paged(self._write_error)

    def _paged(self, write: Write) -> Write:
        pages: list[int] = []

        def paged(data: bytes) -> None:
            if not pages:
                pages.append(self.console.page)
            same = pages[0] == UTF8
            write(data if same else data.decode("utf-8", "replace").encode(f"cp{pages[0]}", "replace"))

        return paged

    def absolute(self, path: str) -> str:
        """An absolute path from this process's folder."""
        plain = path.replace("/", "\\")
        if plain.startswith("\\") and not plain.startswith("\\\\"):
            plain = "C:" + plain
        return ntpath.normpath(ntpath.join(self.folder, plain))

    def command_line(self, name: str, arguments: Sequence[str]) -> str:
        """What the process list shows."""
        return join_arguments([name, *arguments])


def machine_environment(machine: WindowsMachine, user: str) -> Environment:
    """The environment of a new process: the machine's variables from the registry, then the account's own."""
    with machine.state.reading():
        stored = dict(MachineRegistry(machine.state).values(SYSTEM_ENVIRONMENT))
    environment = Environment(
        [
            ("SystemDrive", "C:"),
            ("SystemRoot", "C:\\Windows"),
            ("ProgramData", "C:\\ProgramData"),
            ("ALLUSERSPROFILE", "C:\\ProgramData"),
            ("ProgramFiles", "C:\\Program Files"),
            ("COMPUTERNAME", machine.computer_name),
        ]
    )
    for name, value in stored.items():
        environment[name] = str(value)
    system = user.upper() == "SYSTEM"
    profile = "C:\\Windows\\system32\\config\\systemprofile" if system else f"C:\\Users\\{user}"
    environment["USERPROFILE"] = profile
    environment["USERNAME"] = f"{machine.computer_name}$" if system else user
    environment["APPDATA"] = profile + "\\AppData\\Roaming"
    environment["LOCALAPPDATA"] = profile + "\\AppData\\Local"
    environment["TEMP"] = "C:\\Windows\\TEMP" if system else profile + "\\AppData\\Local\\Temp"
    environment["TMP"] = environment["TEMP"]
    return environment
