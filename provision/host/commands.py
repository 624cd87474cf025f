"""Local child processes. Every one has its standard input closed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from provision.clock import Deadline
from provision.errors import DeadlineExceeded, HostError
from provision.secrets import MASKER

_GRACE = 5.0  # seconds between asking a process group to end and killing it
_DRAIN = 2.0  # seconds for the rest of the output after the end

# Groups that `run` waits for; added and taken by their own threads (both are atomic).
_CHILDREN: set[int] = set()


@dataclass(frozen=True)
class Completed:
    """A child process that has ended."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    def require(self, what: str, remedy: str = "") -> Completed:
        """Return self, or raise `HostError` with both tails when the exit code is not 0."""
        if self.code != 0:
            raise HostError(
                f"{what}: {self.argv[0]} ended with exit code {self.code}",
                details=MASKER("\n".join(tail(self.err) + tail(self.out))),
                remedy=remedy,
            )
        return self


def tail(text: str, lines: int = 15) -> list[str]:
    """The last non-empty lines of a text."""
    return [line for line in text.splitlines() if line.strip()][-lines:]


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    env: Mapping[str, str | None] | None = None,
    on_line: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Completed:
    """Run a program to its end, both streams drained, output line by line to ``on_line``.

    Args:
        argv: program and arguments; never a shell.
        timeout: seconds until the process group is killed.
        env: variables added to (not replacing) this process's environment; None takes one away.
        on_line: called with each line of stdout and stderr, as it comes, from two threads.
        stop: when set, the process group is terminated.

    Raises:
        HostError: the program does not exist or may not be run.
        DeadlineExceeded: it did not end in time; it has been killed.
    """
    deadline = Deadline(timeout, f"{argv[0]} {' '.join(argv[1:3])}".strip())
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={name: value for name, value in {**os.environ, **(env or {})}.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise HostError(
            f"cannot run {argv[0]}: {error.strerror or error}", remedy=f"install {argv[0]} or put it on PATH"
        ) from error
    out: list[str] = []
    err: list[str] = []
    deaf: list[Exception] = []

    def drain(stream: IO[str], into: list[str]) -> None:
        for line in stream:
            into.append(line)
            if on_line and not deaf:
                try:
                    on_line(MASKER(line.rstrip("\r\n")))
                except Exception as error:  # noqa: BLE001 - raised below; an unread pipe would stop the program
                    deaf.append(error)

    readers = [
        threading.Thread(target=drain, args=(process.stdout, out), daemon=True),
        threading.Thread(target=drain, args=(process.stderr, err), daemon=True),
    ]
    _CHILDREN.add(process.pid)
    try:
        for reader in readers:
            reader.start()
        late = _wait(process, deadline, stop)
    except BaseException:
        kill_group(process.pid)
        process.wait()
        raise
    finally:
        _CHILDREN.discard(process.pid)
    # A grandchild may have inherited the pipe and keep it open: what it says later is not ours.
    drained = Deadline(_DRAIN)
    for reader in readers:
        reader.join(timeout=drained.remaining())
    if late:
        raise DeadlineExceeded(
            f"{deadline.what} did not end within {timeout:.0f} s and was killed",
            details=MASKER("\n".join(tail("".join(err)) + tail("".join(out)))),
            remedy="run the same command again; raise `timeouts` if this computer is only slow",
        )
    if deaf:
        raise deaf[0]
    return Completed(tuple(argv), process.returncode, "".join(out), "".join(err))


def _wait(process: subprocess.Popen[str], deadline: Deadline, stop: threading.Event | None) -> bool:
    """Until it has ended, by itself, at the event, or killed at its deadline: then True."""
    while process.poll() is None:
        if deadline.expired:
            kill_group(process.pid)
            process.wait()
            return True
        if stop is not None and stop.is_set():
            kill_group(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=_GRACE)
            except subprocess.TimeoutExpired:
                kill_group(process.pid)
                process.wait()
        else:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=min(0.2, deadline.remaining()) if stop else deadline.remaining())
    return False


def interrupt_children() -> None:
    """Pass a Ctrl-C on to what `run` has started: each child is in a group of its own and did not get it."""
    for pid in list(_CHILDREN):
        kill_group(pid, signal.SIGINT)


def kill_group(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Signal a child and everything it started."""
    try:
        os.killpg(pid, how)
    except ProcessLookupError:
        return  # it has ended meanwhile


def spawn_background(argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> int:
    """Start a process that outlives us, its output appended to ``log``; returns its process id."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            close_fds=True,
        )
    return process.pid


def has_failed(pid: int) -> bool:
    """Whether a process of `spawn_background` has ended, and not well."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return False  # asked before, or not ours: nobody knows
    return ended == pid and os.waitstatus_to_exitcode(status) != 0


def passthrough(argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run a program whose output goes straight to our own streams; returns its exit code.

    It shares our terminal, so Ctrl-C reaches it as well: it is given a moment to end on its own words.

    Raises:
        HostError: the program does not exist or may not be run.
    """
    try:
        process = subprocess.Popen(
            list(argv), cwd=cwd, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, text=True
        )
    except OSError as error:
        raise HostError(f"cannot run {argv[0]}: {error.strerror or error}", remedy=f"install {argv[0]}") from error
    try:
        return process.wait()
    except BaseException:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_GRACE)
        if process.poll() is None:
            process.kill()
        raise
