"""The journal of runs: for people, for the time left, and for the report. Facts stay the truth.

A run's folder is ``runs/<id>/`` with ``journal.jsonl`` (one event a line), ``steps/<step>.log`` (what the
step's scripts said, masked) and ``error.txt`` when it failed.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from provision.clock import utc_now
from provision.errors import HostError
from provision.secrets import MASKER

_KEPT = 20  # folders of the last runs
_TEACHING = 5  # folders of the last runs in which something was done: the time left is learnt from them
_FOLDER = re.compile(r"\d{8}T\d{6}(?:-\d+)?")


class Journal:
    """Writes one run's folder; every method may be called from any thread.

    Raises:
        HostError: the folder cannot be written (any method): no space, no permission.
    """

    def __init__(self, runs: Path, command: str, **header: Any) -> None:
        self._lock = threading.Lock()
        with _writing(runs):
            self.folder = _fresh_folder(runs, utc_now().strftime("%Y%m%dT%H%M%S"))
            (self.folder / "steps").mkdir()
            self._stream: TextIO = (self.folder / "journal.jsonl").open("a", encoding="utf-8")
        self.event("run-started", command=command, **header)
        _prune(runs)

    @property
    def id(self) -> str:
        return self.folder.name

    def event(self, what: str, **values: Any) -> None:
        """Append one event; a line is whole or absent."""
        # Masked before it becomes JSON, where a secret's quotes would be escaped.
        line = json.dumps(_masked({"at": utc_now().isoformat(), "what": what, **values}))
        with self._lock, _writing(self.folder):
            self._stream.write(line + "\n")
            self._stream.flush()

    def step_line(self, step: str, text: str) -> None:
        """Append a line of output to the step's own log."""
        with self._lock, _writing(self.folder), self.step_log(step).open("a", encoding="utf-8") as log:
            log.write(MASKER(text) + "\n")

    def step_log(self, step: str) -> Path:
        """The file with a step's output; there is none while it has said nothing."""
        return self.folder / "steps" / f"{step}.log"

    def close(self) -> None:
        self._stream.close()


def _fresh_folder(runs: Path, stamp: str) -> Path:
    runs.mkdir(parents=True, exist_ok=True)
    # After the last one of this second: an earlier name may be free again, and names are the order.
    number = max((_number(path) + 1 for path in run_folders(runs) if path.name.startswith(stamp)), default=0)
    while True:
        folder = runs / (f"{stamp}-{number}" if number else stamp)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        return folder


def _number(folder: Path) -> int:
    return int(folder.name[16:] or 0)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(
            f"cannot write the run's records in {folder}: {error.strerror or error}",
            remedy="free some space, or make the folder yours",
        ) from error


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else MASKER(str(value))


def _prune(runs: Path) -> None:
    """Forget the oldest runs, but not what the time left is learnt from."""
    folders = run_folders(runs)
    teaching = (folder for folder in reversed(folders) if _teaches(folder))
    kept = {*folders[-_KEPT:], *(folder for folder, _ in zip(teaching, range(_TEACHING), strict=False))}
    for folder in folders:
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _teaches(folder: Path) -> bool:
    return any(_done(event) for event in read(folder))


def _done(event: Event) -> bool:
    return event.what == "step-ended" and event.values.get("outcome") == "done"


@dataclass(frozen=True)
class Event:
    """One line of a journal."""

    at: str
    what: str
    values: dict[str, Any]


def read(folder: Path) -> Iterator[Event]:
    """The events of a run; a line cut by a kill is left out."""
    path = folder / "journal.jsonl"
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            event = Event(row.pop("at"), row.pop("what"), row)
            datetime.fromisoformat(event.at)
        except (ValueError, KeyError, AttributeError, TypeError):
            continue
        yield event


def run_folders(runs: Path) -> list[Path]:
    """The folders of all runs, oldest first."""
    if not runs.is_dir():
        return []
    found = [path for path in runs.iterdir() if _FOLDER.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: (path.name[:15], _number(path)))


def learnt_seconds(runs: Path) -> dict[str, float]:
    """Median seconds of each applied step in the kept runs, under its name and under its name without machine.

    A run in a rehearsal teaches only rehearsals: the folders are apart.
    """
    seen: dict[str, list[float]] = {}
    for event in (event for folder in run_folders(runs) for event in read(folder) if _done(event)):
        step, seconds = str(event.values["step"]), float(event.values["seconds"])
        for name in {step, step.split("@")[0]}:
            seen.setdefault(name, []).append(seconds)
    return {name: statistics.median(values) for name, values in seen.items()}
