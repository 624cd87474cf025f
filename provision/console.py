"""The screen: one live line a machine on a terminal, plain lines with times elsewhere. The only door to rich."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from provision.clock import monotonic
from provision.secrets import MASKER


def duration(seconds: float) -> str:
    """Seconds as people say them: ``0.4 s``, ``12 s``, ``3 min 05 s``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def is_live(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Live lines only on a real terminal that nobody records."""
    return stream.isatty() and not environment.get("CI") and environment.get("TERM", "") not in ("", "dumb")


@dataclass
class _Row:
    """What one machine (or this host) is doing."""

    step: str = ""
    since: float = 0.0
    waits: str = ""


class Screen:
    """Prints a run. Every method may be called from any thread.

    Args:
        rehearsed: every heading and closing line says *rehearsal*.
        verbose: show every line that scripts print.
    """

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        environment: Mapping[str, str] | None = None,
        rehearsed: bool = False,
        verbose: bool = False,
        quiet: bool = False,
    ) -> None:
        environment = os.environ if environment is None else environment
        stream = stream or sys.stdout
        self.live = is_live(stream, environment) and not quiet
        self.rehearsed = rehearsed
        self.verbose = verbose
        self.quiet = quiet
        # Not a terminal: no wrapping, so that a log can be searched.
        width = None if self.live else int(environment.get("COLUMNS", "0") or 0) or (None if stream.isatty() else 200)
        self._console = RichConsole(
            file=stream,
            width=width,
            highlight=False,
            no_color=True if environment.get("NO_COLOR") else None,
            soft_wrap=not self.live,
        )
        self._lock = threading.RLock()
        self._rows: dict[str, _Row] = {}
        self._started = monotonic()
        self._left = 0.0
        self._live: Live | None = None

    # -- words -------------------------------------------------------------------------------------------

    def say(self, text: str, style: str = "") -> None:
        """One line for people."""
        if not self.quiet:
            with self._lock:
                self._console.print(Text(MASKER(text), style=style))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A small table."""
        if self.quiet:
            return
        made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            # The last column takes what is left; the others are never cut.
            made.add_column(column, overflow="fold", no_wrap=number < len(columns) - 1)
        for row in rows:
            made.add_row(*(Text(MASKER(cell)) for cell in row))
        with self._lock:
            self._console.print(made)

    # -- a run -------------------------------------------------------------------------------------------

    def begin(self, machines: Sequence[str]) -> None:
        """Open the live part: one row for this host and one a machine."""
        self._started = monotonic()
        for name in ("host", *machines):
            self._rows[name] = _Row()
        if self.live:
            self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8, transient=True)
            self._live.start()

    def end(self) -> None:
        """Close the live part."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def time_left(self, seconds: float) -> None:
        """What earlier runs teach about the time that is left; 0: not known."""
        self._left = seconds

    def started(self, row: str, step: str, reason: str) -> None:
        with self._lock:
            self._rows[row] = _Row(step, monotonic(), reason)
        if not self.live:
            self._plain(f"{row}: {step}: {reason}")

    def ended(self, row: str, step: str, mark: str, reason: str, seconds: float, style: str) -> None:
        with self._lock:
            if self._rows.get(row, _Row()).step == step:
                self._rows[row] = _Row()
        line = f"{mark} {row}: {step} ({duration(seconds)}): {reason}"
        if self.live:
            self.say(line, style)
        else:
            self._plain(line)

    def line(self, row: str, step: str, text: str) -> None:
        """A line that a script printed."""
        with self._lock:
            found = self._rows.get(row)
            if found is not None and found.step == step:
                found.waits = text
        if self.verbose and not self.live:
            self._plain(f"{row}: {step} | {text}")
        elif self.verbose:
            self.say(f"  {row} | {text}", "dim")

    def waits(self, row: str, step: str, text: str) -> None:
        """What a step waits for."""
        with self._lock:
            found = self._rows.get(row)
            if found is not None and found.step == step:
                found.waits = text

    def _plain(self, text: str) -> None:
        elapsed = monotonic() - self._started
        self.say(f"[{elapsed:7.1f}] {text}")

    def _render(self) -> RenderableType:
        now = monotonic()
        grid = Table.grid(padding=(0, 2), expand=False)
        for _ in range(2):
            grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        with self._lock:
            for name, row in self._rows.items():
                if row.step:
                    grid.add_row(
                        Text(name, "bold"), row.step, duration(now - row.since), Text(MASKER(row.waits), "dim")
                    )
                else:
                    grid.add_row(Text(name, "bold"), Text("-", "dim"), "", "")
        elapsed = duration(now - self._started)
        left = max(0.0, self._left - (now - self._started)) if self._left else 0.0
        more = f", about {duration(left)} left" if left >= 1 else ""
        label = "rehearsal, " if self.rehearsed else ""
        return Group(grid, Text(f"{label}{elapsed}{more}", "dim"))
