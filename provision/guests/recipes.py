"""What differs between the operating systems when a script is run, whatever carries it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provision.guests.base import Script
from provision.guests.output import Output

# Exit codes of our own bootstraps; their stderr says the same in words.
NOT_WHOLE = 97
STOPPED = 98
WRONG_UPLOAD = 96


@dataclass(frozen=True)
class Invocation:
    """One remote command: its command line and what goes through its standard input."""

    command: str
    stdin: bytes = b""


@dataclass(frozen=True)
class Upload:
    """A file that has been sent: where it lies, where it belongs, and the SHA-256 that it was sent with."""

    part: str
    target: str
    digest: str


class LogReader(ABC):
    """Takes a followed log as it comes over the wire and knows how far it has got."""

    stdout: Callable[[bytes], None]

    @property
    @abstractmethod
    def offset(self) -> int:
        """Bytes of the log taken so far."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether the end was told and nothing was lost on the way; otherwise follow again from the offset."""

    @abstractmethod
    def resume(self) -> None:
        """Expect the log to come again from the offset."""


class Recipes(ABC):
    """The ways to run things on one operating system."""

    @abstractmethod
    def run(self, script: Script, seconds: float, forget: Sequence[Script]) -> Invocation:
        """Run a script to its end, at most so long; forget the recorded ends of detached ones."""

    @abstractmethod
    def follow(self, script: Script, offset: int, forget: Sequence[Script]) -> Invocation:
        """Start a script as detached work unless it runs or has ended, and follow it from an offset."""

    @abstractmethod
    def log_reader(self, output: Output) -> LogReader:
        """What takes the stdout of `follow`."""

    @abstractmethod
    def stop_detached(self, script: Script) -> Script:
        """End detached work."""

    @abstractmethod
    def boot(self) -> Script:
        """Print one JSON line: ``boot`` changes with each boot, ``pending`` names why a restart is pending."""

    @abstractmethod
    def restart(self) -> Script:
        """Print the line of `boot`, then restart the machine without waiting for it."""

    @abstractmethod
    def kill(self, stderr: bytes) -> str | None:
        """The command line that ends a running script, if one is needed and can be known."""

    @abstractmethod
    def clean_stderr(self, text: str) -> str:
        """Stderr without what belongs to the transport."""

    incoming: str
    """The folder for uploads, as SFTP spells it."""

    @abstractmethod
    def prepare_upload(self) -> Script:
        """The script that makes the folder for uploads; the login may write there, nobody else."""

    @abstractmethod
    def finish_upload(self, uploads: Sequence[Upload]) -> Script:
        """The script that checks every upload's digest and renames each to its target.

        It ends with `WRONG_UPLOAD` when one is wrong, with the target alone on a line of stdout.
        """
