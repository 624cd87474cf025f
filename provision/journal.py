"""The journal of runs: for people, for the time left, and for the report. Facts stay the truth.

A run's folder is ``runs/<id>/`` with ``journal.jsonl`` (one event a line), ``steps/<step>.log`` (what the
step's scripts said, masked) and ``error.txt`` when it failed.
"""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from provision.clock import utc_now
from provision.secrets import MASKER

_KEPT = 20  # folders of earlier runs


class Journal:
    """Writes one run's folder; every method may be called from any thread."""

    def __init__(self, runs: Path, command: str, **header: Any) -> None:
        now = utc_now()
        self.folder = _fresh_folder(runs, now.strftime("%Y%m%dT%H%M%S"))
        (self.folder / "steps").mkdir()
        self._lock = threading.Lock()
        self._stream: TextIO = (self.folder / "journal.jsonl").open("a", encoding="utf-8")
        self.event("run-started", command=command, **header)
        _prune(runs)

    @property
    def id(self) -> str:
        return self.folder.name

    def event(self, what: str, **values: Any) -> None:
        """Append one event; a line is whole or absent."""
        line = json.dumps({"at": utc_now().isoformat(), "what": what, **values}, default=str)
        with self._lock:
            self._stream.write(MASKER(line) + "\n")
            self._stream.flush()

    def step_line(self, step: str, text: str) -> None:
        """Append a line of output to the step's own log."""
        with self._lock, (self.folder / "steps" / f"{step}.log").open("a", encoding="utf-8") as log:
            log.write(MASKER(text) + "\n")

    def step_log(self, step: str) -> Path:
        return self.folder / "steps" / f"{step}.log"

    def close(self) -> None:
        self._stream.close()


def _fresh_folder(runs: Path, stamp: str) -> Path:
    runs.mkdir(parents=True, exist_ok=True)
    for number in range(1000):
        folder = runs / (stamp if number == 0 else f"{stamp}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{runs} has a thousand runs of this second")


def _prune(runs: Path) -> None:
    import shutil  # only here

    for old in sorted(p for p in runs.iterdir() if p.is_dir())[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


@dataclass(frozen=True)
class Event:
    """One line of a journal."""

    at: str
    what: str
    values: dict[str, Any]


def read(folder: Path) -> Iterator[Event]:
    """The events of a run; a last line cut by a kill is left out."""
    path = folder / "journal.jsonl"
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        yield Event(row.pop("at"), row.pop("what"), row)


def run_folders(runs: Path) -> list[Path]:
    """The folders of all runs, oldest first."""
    return sorted(p for p in runs.iterdir() if p.is_dir()) if runs.is_dir() else []


def learnt_seconds(runs: Path) -> dict[str, float]:
    """Median seconds of each applied step in the kept runs; names without their machine.

    A run in a rehearsal teaches only rehearsals: the folders are apart.
    """
    seen: dict[str, list[float]] = {}
    for folder in run_folders(runs):
        for event in read(folder):
            if event.what == "step-ended" and event.values.get("outcome") == "done":
                name = str(event.values["step"]).split("@")[0]
                seen.setdefault(name, []).append(float(event.values["seconds"]))
    return {name: statistics.median(values) for name, values in seen.items()}
