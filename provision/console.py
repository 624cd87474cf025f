"""The screen: one live line a machine on a terminal, plain lines with times elsewhere. The only door to rich."""

from __future__ import annotations

import os
import re
import sys
import textwrap
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TextIO

from rich.console import Console as RichConsole
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from provision.clock import monotonic
from provision.errors import as_typed
from provision.secrets import MASKER

# Terminal sequences (colours, titles, cursor movements) and control characters in other programs' output.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_STEP_WIDTH = 31  # of the column with step@machine; longer names shift their own line only
_NAME_WIDTH = 16  # the same of a step's name on a machine's live line
_TIMES_WIDTH = 16  # and of its times
_SEGMENT = 26  # the least that one of several steps of a machine gets on its line
_BREAKABLE = 28  # a table's cells longer than this, or with spaces, may be broken where the terminal is too narrow
_STYLES = {"Ready": "green", "NotReady": "red", "no node": "red", "true": "green", "missing": "yellow"}
_BEAT = 60.0  # seconds after which a plain log says again what is at work


def duration(seconds: float) -> str:
    """Seconds as people say them: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``2 h 03 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole // 60 % 60:02d} min"


def roughly(seconds: float) -> str:
    """An estimate, as coarse as it is: ``8 s``, ``40 s``, ``4 min``."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 5) * 5} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _ticking(seconds: float) -> str:
    return duration(int(seconds)) if seconds >= 10 else f"{int(seconds)} s"


def clean(text: str) -> str:
    """A masked text without terminal sequences; of a line drawn over and over, the last state."""
    plain = _SEQUENCE.sub("", MASKER(text)).replace("\t", " ")
    lines = [next((part for part in reversed(line.split("\r")) if part.strip()), "") for line in plain.split("\n")]
    return "\n".join(_CONTROL.sub(" ", line) for line in lines)


def is_live(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Live lines only on a real terminal that nobody records."""
    return stream.isatty() and not environment.get("CI") and environment.get("TERM", "") not in ("", "dumb")


def error_lines(what: str, details: str, remedy: str, *, width: int | None = None) -> list[tuple[str, str]]:
    """An error as people read it: what, the details below it, what to do; each line with its part's name.

    Args:
        width: of the terminal; None: nothing is broken, so that a log can be searched.
    """

    def broken(text: str, first: str, rest: str) -> list[str]:
        if width is None or len(first) + len(text) < width:
            return [first + text]
        return textwrap.wrap(
            text,
            max(width - 1, 20),
            initial_indent=first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )

    lines: list[tuple[str, str]] = []
    for part, label, text in (("what", "error: ", what), ("details", "", details), ("remedy", "to do: ", remedy)):
        for number, line in enumerate(as_typed(clean(text)).splitlines()):
            own = len(line) - len(line.lstrip())
            first = label if number == 0 and label else " " * ((len(label) or 2) + own)
            rest = " " * (len(label) or 4 + own)
            lines += [(part, piece) for piece in broken(line.strip(), first, rest)] if line.strip() else [(part, "")]
    return lines


def silence(stream: IO[str]) -> None:
    """Let what is still written to a stream without a reader go nowhere, its last flush included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Console(RichConsole):
    def on_broken_pipe(self) -> None:
        """The reader (``head``, ``less``) has gone: a run goes on without words."""
        self.quiet = True
        silence(self.file)


@dataclass
class _Work:
    """One step at work.

    Attributes:
        usual: seconds that it took in earlier runs; 0: not known.
        says: what it waits for, or the last line that it printed.
    """

    since: float
    usual: float = 0.0
    says: str = ""

    def times(self, now: float, *, short: bool = False) -> str:
        """Seconds so far, and what is left of the usual time."""
        passed = now - self.since
        if short or not self.usual:
            return _ticking(passed)
        left = self.usual - passed
        return f"{_ticking(passed)}, {f'~{roughly(left)} left' if left > 0 else f'usually {roughly(self.usual)}'}"


@dataclass
class _Row:
    """What one machine (or this host) is doing: a step a lane, or nothing and why."""

    work: dict[str, _Work] = field(default_factory=dict)
    idle: str = ""


class Screen:
    """Prints a run. Every method may be called from any thread.

    No lock is held while rich prints: its own refreshing thread asks for our rows with its lock held.

    Args:
        rehearsed: every heading and closing line says *rehearsal*.
        verbose: show every line that scripts print.
        quiet: say nothing at all.
        beat: seconds after which a plain log says again what is at work.
    """

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        environment: Mapping[str, str] | None = None,
        rehearsed: bool = False,
        verbose: bool = False,
        quiet: bool = False,
        beat: float = _BEAT,
    ) -> None:
        environment = os.environ if environment is None else environment
        stream = stream or sys.stdout
        self.live = is_live(stream, environment) and not quiet
        self.rehearsed = rehearsed
        self.verbose = verbose
        self.quiet = quiet
        self._terminal = stream.isatty()
        self._console = _Console(file=stream, highlight=False, no_color=bool(environment.get("NO_COLOR")) or None)
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._started = monotonic()
        self._left: tuple[float, bool, float] | None = None
        self._count = ""
        self._live: Live | None = None
        self._beat = beat
        self._over = threading.Event()

    # -- words -------------------------------------------------------------------------------------------

    def say(self, text: str, style: str = "") -> None:
        """One line for people; the terminal breaks it, nobody else does."""
        if not self.quiet:
            self._console.print(Text(as_typed(clean(text)), style=style), soft_wrap=not self._terminal)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A small table; only a terminal's width breaks its cells."""
        if self.quiet:
            return
        cells = [[clean(cell) for cell in row] for row in rows]
        if not self._terminal:
            self._plain_table(title, columns, cells)
            return
        made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for number, column in enumerate(columns):
            # Names stay whole: the first columns, and whatever is short.
            breakable = number and any(len(row[number]) > _BREAKABLE or " " in row[number] for row in cells)
            made.add_column(column, overflow="fold", no_wrap=not breakable)
        for row in cells:
            made.add_row(*(Text(cell, _STYLES.get(cell, "")) for cell in row))
        self._console.print(made)

    def _plain_table(self, title: str, columns: Sequence[str], rows: list[list[str]]) -> None:
        widths = [max(len(row[number]) for row in [list(columns), *rows]) for number in range(len(columns))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        head = "  ".join(column.ljust(width) for column, width in zip(columns, widths, strict=True))
        for line in [*([title] if title else []), head, *lines]:
            self.say(line.rstrip())

    # -- a run -------------------------------------------------------------------------------------------

    def begin(self, machines: Sequence[str]) -> None:
        """Open the live part: one row for this host and one a machine."""
        self._started = monotonic()
        with self._lock:
            self._rows = {"host": _Row()} | {name: _Row(idle="being read") for name in machines}
        if self.live:
            self._live = Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=8,
                transient=True,
                # What others print goes above the live lines, unless it goes somewhere else anyway.
                redirect_stdout=sys.stdout.isatty(),
                redirect_stderr=sys.stderr.isatty(),
            )
            self._live.start()
        elif not self.quiet:
            threading.Thread(target=self._repeat, name="still", daemon=True).start()

    def end(self) -> None:
        """Close the live part; may be called twice."""
        self._over.set()
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def time_left(self, seconds: float, *, at_least: bool = False) -> None:
        """What earlier runs teach about the time that is left from now; 0: nothing.

        Args:
            at_least: not every step that is left has been seen before.
        """
        self._left = (seconds, at_least, monotonic()) if seconds > 0 else None

    def steps_done(self, done: int, of: int) -> None:
        """How far the plan is."""
        self._count = f"{done} of {of} steps"

    def idle(self, row: str, text: str) -> None:
        """Why a machine does nothing."""
        with self._lock:
            self._rows.setdefault(row, _Row()).idle = text

    def started(self, row: str, step: str, reason: str, usual: float = 0.0) -> None:
        """A step is at work. ``usual``: seconds that it took in earlier runs; 0: not known."""
        with self._lock:
            self._rows.setdefault(row, _Row()).work[step] = _Work(monotonic(), usual, reason)
        if not self.live:
            self._plain("start", step, reason)

    def ended(self, row: str, step: str, outcome: str, reason: str, seconds: float) -> None:
        """A step is over: ``done`` or ``failed``."""
        with self._lock:
            self._rows.setdefault(row, _Row()).work.pop(step, None)
        mark, style = ("ok", "green") if outcome == "done" else (outcome.upper(), "red")
        if not self.live:
            self._plain(mark, step, reason, duration(seconds))
            return
        text = Text.assemble(
            (f"{mark:<6}", style),
            f" {duration(seconds):>10}  {step:<{_STEP_WIDTH}}  ",
            (clean(reason).replace("\n", " "), "dim" if outcome == "done" else style),
        )
        self._console.print(text, no_wrap=True, overflow="ellipsis")

    def line(self, row: str, step: str, text: str) -> None:
        """A line that a script printed."""
        self.waits(row, step, text)
        if self.verbose and not self.live:
            self._plain("|", step, text)
        elif self.verbose:
            self.say(f"  {step} | {text}", "dim")

    def waits(self, row: str, step: str, text: str) -> None:
        """What a step waits for."""
        with self._lock:
            work = self._rows.get(row, _Row()).work.get(step)
            if work is not None:
                work.says = text

    def _plain(self, mark: str, step: str, text: str, took: str = "") -> None:
        after = f" ({took})" if took else ""
        self.say(f"[{monotonic() - self._started:7.1f} s] {mark:<6} {step}{after}: {text}")

    def _repeat(self) -> None:
        while not self._over.wait(self._beat):
            now = monotonic()
            with self._lock:
                works = [(step, work) for row in self._rows.values() for step, work in row.work.items()]
            for step, work in works:
                if now - work.since >= self._beat:
                    self._plain("still", step, work.says, work.times(now))

    # -- the live lines ----------------------------------------------------------------------------------

    def _render(self) -> RenderableType:
        now = monotonic()
        width, height = self._console.size
        with self._lock:
            rows = {name: _Row(dict(row.work), row.idle) for name, row in self._rows.items()}
        room = max(1, height - 3)
        hidden: list[_Row] = []
        if len(rows) > room:
            # Those at work first; the order of the plan otherwise.
            order = sorted(rows, key=lambda name: not rows[name].work)
            hidden = [rows[name] for name in order[room - 1 :]]
            shown = set(order[: room - 1])
            rows = {name: row for name, row in rows.items() if name in shown}
        names = max((len(name) for name in rows), default=0)
        lines = [_fit(Text.assemble((f"{name:<{names}}  ", "bold"), _told(row, now, width - names - 2)), width)
                 for name, row in rows.items()]  # fmt: skip
        if hidden:
            busy = sum(1 for row in hidden if row.work)
            lines.append(Text(f"and {len(hidden)} more machines: {busy} at work, {len(hidden) - busy} waiting", "dim"))
        lines.append(_fit(Text(self._footer(now), "dim"), width))
        return Group(*lines)

    def _footer(self, now: float) -> str:
        parts = ["rehearsal"] if self.rehearsed else []
        parts.append(_ticking(now - self._started))
        if self._left is not None:
            seconds, at_least, at = self._left
            left = seconds - (now - at)
            if left >= 1:
                parts.append(f"{'at least' if at_least else 'about'} {roughly(left)} left")
        return ", ".join([*parts, *([self._count] if self._count else [])])


def _fit(text: Text, width: int) -> Text:
    text.no_wrap = True
    text.truncate(width, overflow="ellipsis")
    return text


def _told(row: _Row, now: float, width: int) -> Text:
    """A machine's line after its name: its steps side by side, each with its times and what it says."""
    if not row.work:
        return Text(clean(row.idle).replace("\n", " ") or "-", "dim")
    works = list(row.work.items())
    fits = max(1, min(len(works), (width + 3) // (_SEGMENT + 3)))
    more = f" +{len(works) - fits}" if len(works) > fits else ""
    each = (width - len(more) - 3 * (fits - 1)) // fits
    told = Text()
    for number, (step, work) in enumerate(works[:fits]):
        name = step.split("@")[0]
        if number:
            told.append(" | ", "dim")
        alone = len(works) == 1
        part = Text(f"{name:<{_NAME_WIDTH}}  " if alone else f"{name} ")
        part.append(f"{work.times(now):<{_TIMES_WIDTH}}" if alone else work.times(now, short=True), "cyan")
        says = clean(work.says).replace("\n", " ")
        if says:
            part.append("  " + says, "dim")
        told.append_text(_fit(part, each))
    return told.append(more, "dim")
