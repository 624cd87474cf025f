"""Vagrant's output as lines for people, for the log and for errors."""

from __future__ import annotations

import re
from typing import TextIO

from provision.clock import utc_now
from provision.guests.base import OnLine
from provision.host.commands import tail
from provision.secrets import MASKER

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PERCENT = re.compile(r"^(?:\S+: )?Progress: (\d+)%")
_PASSWORD = re.compile(r"^(\s*(?:RDP)?Password)\s.*$")
# A frame of a Ruby backtrace; the error itself stands before the frames.
_FRAME = re.compile(r"^(?:\d+: )?from \S+:\d+:in ")


def plain(line: str) -> str:
    """A line without terminal control sequences."""
    return _ESCAPES.sub("", line).strip()


def is_progress(line: str) -> bool:
    """Whether a plain line is one of a progress bar's many."""
    return line.startswith("Progress:") or bool(_PERCENT.match(line))


class Heard:
    """Takes a process's lines: all of them to the log, of progress one in ten percent to ``on_line``.

    Lines come from two threads; a line lost to a race between two progress lines is no loss.
    """

    def __init__(self, log: TextIO, on_line: OnLine) -> None:
        self._log = log
        self._on_line = on_line
        self._last = -10

    def note(self, text: str) -> None:
        """Write a line of our own into the log."""
        self._log.write(f"{utc_now():%Y-%m-%dT%H:%M:%SZ} {MASKER(text)}\n")
        self._log.flush()

    def __call__(self, line: str) -> None:
        text = plain(line)
        if not text:
            return
        match = _PERCENT.match(text)
        if match:
            percent = int(match.group(1))
            if percent < self._last:
                self._last = -10
            if percent < self._last + 10:
                return
            self._last = percent
        elif not is_progress(text):
            self.note(_PASSWORD.sub(r"\1 ********", text))
        self._on_line(text)


def told(out: str, err: str) -> tuple[str, str]:
    """(everything, what an error shows) of a process that failed: no control sequences, progress or frames."""
    lines = [text for line in f"{out}\n{err}".splitlines() if (text := plain(line))]
    kept = [line for line in lines if not is_progress(line) and not _FRAME.match(line)]
    return "\n".join(lines), MASKER("\n".join(tail("\n".join(kept))))
