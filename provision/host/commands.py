"""Local child processes. Every one has its standard input closed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.clock import Deadline
from provision.errors import DeadlineExceeded, HostError
from provision.secrets import MASKER


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
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Completed:
    """Run a program to its end, both streams drained, output line by line to ``on_line``.

    Args:
        argv: program and arguments; never a shell.
        timeout: seconds until the process group is killed.
        env: variables added to (not replacing) this process's environment.
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
            env={**os.environ, **(env or {})},
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

    def drain(stream: object, into: list[str]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            into.append(line)
            if on_line:
                on_line(MASKER(line.rstrip("\r\n")))

    readers = [
        threading.Thread(target=drain, args=(process.stdout, out), daemon=True),
        threading.Thread(target=drain, args=(process.stderr, err), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        while True:
            try:
                process.wait(timeout=min(0.2, deadline.remaining()) if stop else deadline.remaining())
                break
            except subprocess.TimeoutExpired:
                if deadline.expired:
                    kill_group(process.pid)
                    process.wait()
                    raise DeadlineExceeded(
                        f"{deadline.what} did not end within {timeout:.0f} s and was killed",
                        details=MASKER("\n".join(tail("".join(err)) + tail("".join(out)))),
                    ) from None
                if stop is not None and stop.is_set():
                    kill_group(process.pid, signal.SIGTERM)
                    process.wait(timeout=10)
                    break
    except BaseException:
        if process.poll() is None:
            kill_group(process.pid)
            process.wait()
        raise
    for reader in readers:
        # A grandchild may have inherited the pipe and keep it open: what it says later is not ours.
        reader.join(timeout=5)
    return Completed(tuple(argv), process.returncode, "".join(out), "".join(err))


def kill_group(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Signal a child and everything it started."""
    try:
        os.killpg(pid, how)
    except ProcessLookupError:
        return


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


def passthrough(argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run a program whose output goes straight to our own streams; returns its exit code."""
    try:
        return subprocess.call(list(argv), cwd=cwd, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    except OSError as error:
        raise HostError(f"cannot run {argv[0]}: {error.strerror or error}", remedy=f"install {argv[0]}") from error
