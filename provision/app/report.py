"""`invoke report`: a run as one HTML file that needs nothing else: timeline, versions, log tails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from provision import journal as journals
from provision.app.session import open_session
from provision.console import duration
from provision.errors import Refused
from provision.host.files import write_atomically
from provision.render.engine import render_page

_TAIL = 40  # lines of a step's log


@dataclass(frozen=True)
class Bar:
    """One step on the timeline; positions in percent of the run."""

    step: str
    title: str
    lane: str
    left: float
    width: float
    seconds: str
    outcome: str
    reason: str
    log: str


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
    last = _seconds(events[-1].at) if events else 0.0
    total = max(last - start, 0.001)
    began: dict[str, float] = {}
    rows: dict[str, list[Bar]] = {}
    already: list[tuple[str, str]] = []
    for event in events:
        step = str(event.values.get("step", ""))
        if event.what == "step-started":
            began[step] = _seconds(event.at) - start
        elif event.what == "step-ended" and event.values["outcome"] == "already":
            already.append((step, str(event.values["reason"])))
        elif event.what == "step-ended":
            seconds = float(event.values["seconds"])
            # From the step's own length: waiting in a lane's queue is not work.
            left = max(0.0, _seconds(event.at) - start - seconds)
            machine = str(event.values.get("machine") or "host")
            bar = Bar(
                step=step,
                title=str(event.values.get("title", "")),
                lane=str(event.values.get("lane", "")),
                left=round(100 * left / total, 3),
                width=round(max(100 * seconds / total, 0.2), 3),
                seconds=duration(seconds),
                outcome=str(event.values["outcome"]),
                reason=str(event.values["reason"]),
                log=_tail(folder / "steps" / f"{step}.log"),
            )
            rows.setdefault(machine, []).append(bar)
            began.pop(step, None)
    end = next((event for event in reversed(events) if event.what == "run-ended"), None)
    error = folder / "error.txt"
    return Page(
        header=header,
        run=folder.name,
        started=events[0].at if events else "",
        outcome=str(end.values["outcome"]) if end else "killed: it has no end",
        seconds=duration(total),
        error=error.read_text(encoding="utf-8") if error.exists() else "",
        rows=sorted(rows.items(), key=lambda row: (row[0] != "host", row[0])),
        already=already,
        marks=[(25.0 * quarter, duration(total * quarter / 4)) for quarter in range(5)],
    )


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _tail(path: Path) -> str:
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:])
