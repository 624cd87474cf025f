"""What a guest is: our connection to one machine, over SSH or WinRM, the same to all above."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from provision.clock import Deadline
from provision.errors import StepFailed
from provision.secrets import MASKER, Secret

Os = Literal["linux", "windows"]
Transport = Literal["ssh", "winrm"]
OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Endpoint:
    """Where a machine is reached from here, and as whom.

    Attributes:
        machine: the machine's name in the settings.
        host: address or name to connect to (often loopback with a forwarded port).
        known_hosts: the cluster's file of pinned SSH host keys (SSH only).
        certificate: SHA-256 fingerprint (hex) of the pinned HTTPS certificate; None means HTTP with
            NTLM message encryption (WinRM only).
    """

    machine: str
    os: Os
    transport: Transport
    host: str
    port: int
    user: str
    password: Secret | None = None
    key_file: Path | None = None
    known_hosts: Path | None = None
    certificate: str | None = None
    https: bool = False


@dataclass(frozen=True)
class Script:
    """A rendered script: PowerShell for Windows, bash for Linux.

    ``name`` is for people (logs, errors, the file name on the machine); nothing decides by it.
    """

    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """A remote command that has ended. The streams are text, decoded as UTF-8."""

    machine: str
    what: str
    code: int
    out: str
    err: str

    def require(self, remedy: str = "") -> Result:
        """Return self, or raise with machine, script, exit code and both tails.

        Raises:
            StepFailed: the exit code is not 0.
        """
        if self.code == 0:
            return self

        def tail(text: str) -> str:
            return "\n".join(f"  {line}" for line in text.splitlines()[-12:] if line.strip())

        raise StepFailed(
            f"{self.machine}: {self.what} ended with exit code {self.code}",
            details=MASKER(f"stderr:\n{tail(self.err)}\nstdout:\n{tail(self.out)}"),
            remedy=remedy,
        )


@dataclass(frozen=True)
class Boot:
    """One life of a machine: ``id`` changes with each boot, ``pending`` says why another restart is due, if one is."""

    id: str
    pending: str = ""


@dataclass
class Traffic:
    """What a guest has cost so far; `invoke bench` and tests read it."""

    commands: int = 0
    connects: int = 0
    bytes_up: int = 0
    scripts: list[str] = field(default_factory=list)


class Guest(Protocol):
    """One connection to one machine. Not shared between threads: each lane opens its own.

    Every method raises `Unreachable`, `AuthenticationRefused` or `HostChanged` for a connection that
    cannot be had, and `DeadlineExceeded` (with the last output) when the deadline passes; then the
    remote command has been stopped as far as the machine allows.
    """

    endpoint: Endpoint
    traffic: Traffic

    def run(self, script: Script, deadline: Deadline, on_line: OnLine | None = None) -> Result:
        """Run a script to its end in one remote command; lines of stdout are streamed to ``on_line``."""
        ...

    def run_detached(self, script: Script, deadline: Deadline, on_line: OnLine | None = None) -> Result:
        """Run work that outlives the connection and follow it to its end.

        The work is named by the script's digest: called again while it runs (by this process or a later
        one), it is picked up at its offset; called after it ended, its recorded end is returned once and
        then forgotten. A dropped connection is mended within the deadline, and following goes on.
        """
        ...

    def put(
        self, source: Path | bytes, target: str, deadline: Deadline, on_bytes: Callable[[int], None] | None = None
    ) -> None:
        """Put a file on the machine, checked by digest, written beside and renamed. SSH only.

        Raises:
            Refused: over WinRM, which carries commands and scripts, never artifacts.
        """
        ...

    def put_all(
        self,
        files: Mapping[str, Path | bytes],
        deadline: Deadline,
        on_bytes: Callable[[str, int], None] | None = None,
        then: Script | None = None,
        on_line: OnLine | None = None,
    ) -> Result:
        """Put several files (target -> source) as `put` does, checked and renamed by one remote command.

        Args:
            on_bytes: told the target and the bytes of it that were sent so far.
            then: a script that the same command runs once the files are in their places; the result is its.
        """
        ...

    def get(self, source: str, target: Path, deadline: Deadline, on_bytes: Callable[[int], None] | None = None) -> str:
        """Bring a file from the machine here, written beside and renamed; returns its SHA-256, in hex. SSH only.

        Raises:
            Refused: over WinRM, which carries commands and scripts, never artifacts.
            StepFailed: the machine does not have the file, or does not let us read it.
        """
        ...

    def boot_id(self, deadline: Deadline) -> str:
        """A text that changes with each boot (boot time on Windows, boot_id on Linux)."""
        ...

    def reboot(
        self,
        deadline: Deadline,
        on_line: OnLine | None = None,
        ask: Callable[[Guest, Deadline], Boot] | None = None,
    ) -> Boot:
        """Restart and return once the machine answers in another boot and nothing is pending.

        The restart's own answer says the boot that it ends. What is still pending a minute into the new boot waits
        for another restart: the caller sees it in the answer.

        Args:
            ask: what to ask the machine until it answers in its new boot; a short question by default.
        """
        ...

    def close(self) -> None:
        """Let go of the connection; never raises."""
        ...
