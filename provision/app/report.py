"""`invoke report`: a run as one HTML file that needs nothing else: timeline, versions, log tails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from provision import journal as journals
from provision.app.session import open_session
from provision.console import clean, duration
from provision.errors import HostError, Refused
from provision.host.files import write_atomically
from provision.render.engine import render_page

_TAIL = 40  # lines of a step's log
_COLLECTED = 80  # lines of what was collected from a machine after a failure
_MARKS = 8  # at most so many on the scale of time
_ROUND = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)  # seconds


@dataclass(frozen=True)
class Bar:
    """One step on the timeline; positions in percent of the run.

    Attributes:
        outcome: ``done``, ``failed``, or ``cut`` for one that has no end.
    """

    step: str
    title: str
    lane: str
    left: float
    width: float
    seconds: str
    outcome: str
    reason: str
    log: str

    @property
    def short(self) -> str:
        """Its name without the machine, which stands above it."""
        return self.step.split("@")[0]


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    header: dict[str, Any]
    run: str
    started: str
    outcome: str
    seconds: str
    error: str
    rows: list[tuple[str, list[Bar]]]
    already: list[tuple[str, str]]
    marks: list[tuple[float, str]]
    collected: list[tuple[str, str]]


def report(
    variables: str = "",
    set: Sequence[str] = (),
    run: str = "",
    to: str = "",
) -> int:
    """Write the page of a run; returns 0."""
    session = open_session(variables, set)
    folders = journals.run_folders(session.runs)
    chosen = [folder for folder in folders if folder.name == run] if run else folders[-1:]
    if not chosen:
        known = ", ".join(folder.name for folder in folders[-5:]) or "none"
        raise Refused(
            f"there is no run {run}" if run else "there is no run of this cluster yet",
            details=f"runs: {known}",
            remedy="invoke up",
        )
    folder = chosen[0]
    if not any(event.what == "run-started" for event in journals.read(folder)):
        raise HostError(
            f"{folder / 'journal.jsonl'} is damaged: no run begins in it",
            remedy="look at another run (`invoke report --run=...`); this one's own logs are beside it",
        )
    target = Path(to).resolve() if to else folder / "report.html"
    write_atomically(target, render_page("report/run.html", page=page_of(folder)))
    label = " (rehearsal)" if session.rehearsed else ""
    print(f"{target}{label}")
    return 0


def page_of(folder: Path) -> Page:
    """The page of a run's folder; works for a run that was killed, too."""
    events = list(journals.read(folder))
    header = next((dict(event.values) for event in events if event.what == "run-started"), {})
    start = _seconds(events[0].at) if events else 0.0
    total = max(_seconds(events[-1].at) - start, 0.001) if events else 0.001
    rows: dict[str, list[Bar]] = {}
    already: list[tuple[str, str]] = []
    open_: dict[str, journals.Event] = {}

    def bar(event: journals.Event, begin: float, seconds: float, outcome: str) -> None:
        step = str(event.values["step"])
        made = Bar(
            step=step,
            title=str(event.values.get("title", "")),
            lane=str(event.values.get("lane", "")),
            left=round(100 * begin / total, 3),
            width=round(max(100 * seconds / total, 0.2), 3),
            seconds=duration(seconds),
            outcome=outcome,
            reason=str(event.values.get("reason", "")),
            log=_tail(folder / "steps" / f"{step}.log", _TAIL),
        )
        rows.setdefault(str(event.values.get("machine") or "host"), []).append(made)

    for event in events:
        if event.what == "step-started":
            open_[str(event.values["step"])] = event
        elif event.what == "step-ended":
            open_.pop(str(event.values["step"]), None)
            if event.values["outcome"] == "already":
                already.append((str(event.values["step"]), str(event.values["reason"])))
                continue
            # From the step's own length: waiting in a lane's queue is not work.
            seconds = float(event.values["seconds"])
            begin = max(0.0, _seconds(event.at) - start - seconds)
            bar(event, begin, seconds, str(event.values["outcome"]))
    for event in open_.values():
        begin = _seconds(event.at) - start
        bar(event, begin, total - begin, "cut")
    end = next((event for event in reversed(events) if event.what == "run-ended"), None)
    error = folder / "error.txt"
    return Page(
        header=header,
        run=folder.name,
        started=f"{datetime.fromisoformat(events[0].at):%Y-%m-%d %H:%M:%S %Z}" if events else "",
        outcome=str(end.values["outcome"]) if end else "no end (killed, or still at work)",
        seconds=duration(total),
        error=_tail(error, 1000),
        rows=[
            (machine, sorted(bars, key=lambda bar: bar.left))
            for machine, bars in sorted(rows.items(), key=lambda row: (row[0] != "host", row[1][0].left, row[0]))
        ],
        already=already,
        marks=_marks(total),
        collected=[(path.stem, _tail(path, _COLLECTED)) for path in sorted(folder.glob("*.log"))],
    )


def _marks(total: float) -> list[tuple[float, str]]:
    """Percent and words of the scale's round moments."""
    every = next((step for step in _ROUND if total / step <= _MARKS), _ROUND[-1])
    return [
        (round(100 * at / total, 3), duration(at).replace(".0 s", " s").replace(" min 00 s", " min"))
        for at in range(0, int(total) + 1, every)
    ]


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _tail(path: Path, lines: int) -> str:
    if not path.is_file():
        return ""
    # Cleaned when it was written for secrets; here for terminal sequences.
    return "\n".join(clean(path.read_text(encoding="utf-8", errors="replace")).splitlines()[-lines:])
