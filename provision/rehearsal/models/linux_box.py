"""A process of the modelled Linux machine: how programs are found and run, how its time passes, how it ends."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from provision.rehearsal.models import linux_program
from provision.rehearsal.models.linux_program import Program
from provision.rehearsal.shell import Call, run_script
from provision.rehearsal.standin import StandIn, read_standin

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAMS: dict[str, Program] = {}


def register(programs: Mapping[str, Program]) -> None:
    """Make programs known by the name in their stand-in."""
    _PROGRAMS.update(programs)


def known() -> frozenset[str]:
    """The names of all programs that have a model."""
    return frozenset(_PROGRAMS)


@dataclass
class Skipped:
    """Seconds that passed on the machine's clock and not on ours, because the rehearsal scales its waits."""

    seconds: float = 0.0


@dataclass
class Endings:
    """What ends a process: any of the events, or its deadline."""

    events: list[threading.Event]
    now: Callable[[], float]
    deadline: float | None = None

    def is_set(self) -> bool:
        if any(event.is_set() for event in self.events):
            return True
        return self.deadline is not None and self.now() >= self.deadline


@dataclass
class LinuxBox:
    """One process on the machine; implements `ShellBox`, and is what programs get as their host.

    Attributes:
        user: who it runs as.
        standin: the binary that is running, once a program runs.
    """

    machine: LinuxMachine
    user: str
    pid: int
    events: list[threading.Event]
    skipped: Skipped = field(default_factory=Skipped)
    deadline: float | None = None
    standin: StandIn | None = None

    def __post_init__(self) -> None:
        self.files = self.machine.files
        self.killed = Endings(self.events, self.now, self.deadline)

    @property
    def hostname(self) -> str:
        return self.machine.hostname

    def child(self, *, user: str | None = None, seconds: float | None = None) -> LinuxBox:
        """A process of its own, ended with this one or by its number.

        Args:
            seconds: how long it may live.
        """
        pid, event = self.machine.new_process()
        deadline = self.deadline
        if seconds is not None:
            deadline = min(self.now() + seconds, deadline or float("inf"))
        return LinuxBox(self.machine, user or self.user, pid, [*self.events, event], self.skipped, deadline)

    # Time

    def clock(self) -> float:
        return self.machine.clock()

    def now(self) -> float:
        """Seconds as this session counts them: waits count in full, however short the rehearsal makes them."""
        return self.machine.clock() + self.skipped.seconds

    def sleep(self, seconds: float) -> None:
        """Wait as a script asks for it."""
        scale = self.machine.latencies.scale
        if not self.machine.booting_up:
            self.machine.pause(seconds * scale, self.events)
        self.skipped.seconds += seconds * max(0.0, 1 - scale)

    def latency(self, row: str, times: float = 1.0) -> None:
        """Take as long as the row of the latencies says."""
        if self.machine.booting_up:
            return
        scaled = self.machine.latencies.seconds(row) * times
        real = self.machine.latencies.table[row].seconds * times
        self.machine.pause(scaled, self.events)
        self.skipped.seconds += max(0.0, real - scaled)

    # Programs

    def is_link(self, path: str) -> bool:
        return self.files.read_link(path) is not None

    def which(self, name: str, path: str = PATH) -> str | None:
        """The file that would run."""
        candidates = [name] if "/" in name else [posixpath.join(folder, name) for folder in path.split(":")]
        for candidate in candidates:
            try:
                found = self.files.stat(candidate)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if not found.folder and found.mode & 0o111:
                return candidate
        return None

    def program(self, call: Call) -> int:
        name = call.argv[0]
        if "/" in name and not name.startswith("/"):
            name = posixpath.normpath(posixpath.join(call.cwd, name))
        path = self.which(name, call.env.get("PATH", PATH))
        if path is None:
            if "/" in name and self.files.exists(name):
                raise PermissionError(13, "Permission denied", name)
            raise FileNotFoundError(name)
        return self.run_file(path, call)

    def identify(self, path: str) -> StandIn:
        """What an executable file is, scripts not counted.

        Raises:
            FileNotFoundError: it is not there.
            PermissionError: it may not run, or is no program of this system.
        """
        if self.which(path) is None:
            if not self.files.exists(path):
                raise FileNotFoundError(2, "No such file or directory", path)
            raise PermissionError(13, "Permission denied", path)
        found = read_standin(self.files.read(path))
        if found is None or found.os != "linux" or found.arch != "amd64" or found.program not in _PROGRAMS:
            raise PermissionError(8, "cannot execute binary file: Exec format error", path)
        return found

    def run_file(self, path: str, call: Call) -> int:
        """Run an executable file: a stand-in as its program, a script by its first line.

        Raises:
            PermissionError: it is neither.
        """
        data = self.files.read(path)
        if data.startswith(b"#!"):
            interpreter = data.split(b"\n", 1)[0][2:].decode().split()
            argv = (*interpreter, path, *call.argv[1:])
            return self.program(Call(argv, call.env, call.stdin, call.stdout, call.stderr, call.cwd))
        found = self.identify(path)
        before, self.standin = self.standin, found
        try:
            return linux_program.run(_PROGRAMS[found.program], self, call)
        finally:
            self.standin = before

    @property
    def version(self) -> str:
        """Of the running binary, as its stand-in says."""
        assert self.standin is not None
        return self.standin.version

    def bash(self, text: str, call: Call, name: str, arguments: tuple[str, ...]) -> int:
        """Run a script in this process."""
        env = {"PATH": PATH, **call.env}
        return run_script(
            text,
            box=self,
            arguments=arguments,
            name=name,
            stdin=call.stdin,
            stdout=call.stdout,
            stderr=call.stderr,
            env=env,
            cwd=call.cwd,
        )
