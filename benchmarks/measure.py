"""What all benchmarks share: rows with budgets, workspaces, and runs of `up` in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from provision.host.workspace import PRODUCT

# Seconds for one run of the product; one that takes longer hangs.
LIMIT = 1800.0


class Failed(Exception):
    """A run of the product did not end well; one line that says which and why."""


@dataclass(frozen=True)
class Row:
    """One measured figure and its budget."""

    what: str
    value: float
    budget: float
    at_most: bool = True
    unit: str = ""
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.budget if self.at_most else self.value >= self.budget


@dataclass(frozen=True)
class Timed:
    """A process that has ended: its answer, wall seconds, processor seconds, peak memory in MB."""

    answer: dict[str, Any]
    seconds: float
    processor: float
    peak_mb: float


@contextmanager
def as_installed() -> Iterator[None]:
    """Measure as users have it, who keep compiled modules: also where this is switched off for the developer.

    SIGTERM ends a measurement as Ctrl-C does.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    environment = dict(os.environ)
    try:
        with tempfile.TemporaryDirectory(prefix="hybrid-bench-modules-") as folder:
            if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
                os.environ["PYTHONPYCACHEPREFIX"] = folder
            yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        signal.signal(signal.SIGTERM, before)


@contextmanager
def workspace(**settings: object) -> Iterator[Path]:
    """A folder with a variables.yaml; the rehearsal in it is ended afterwards, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="hybrid-bench-") as name:
        folder = Path(name)
        (folder / "variables.yaml").write_text(json.dumps(settings))
        try:
            yield folder
        finally:
            _end(folder)


def _end(folder: Path) -> None:
    """Destroy the cluster; a second Ctrl-C does not leave its process behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with suppress(subprocess.TimeoutExpired):
            _run(["-m", "invoke", "--search-root", str(PRODUCT), "destroy", "--yes"], folder, limit=60)
        # What destroy could not end, its process's own mark names.
        for mark in folder.glob(".cluster/*/rehearsal/process.json"):
            with suppress(OSError, ValueError, KeyError):
                os.kill(int(json.loads(mark.read_text())["pid"]), signal.SIGKILL)
    finally:
        signal.signal(signal.SIGINT, before)


def _run(words: Sequence[str], folder: Path, limit: float = LIMIT) -> subprocess.CompletedProcess[str]:
    # In a session of its own: Ctrl-C is for us, and we end the child.
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "CI": "true", "NO_COLOR": "1", "PYTHONPATH": str(PRODUCT)},
        check=False,
        timeout=limit,
        start_new_session=True,
    )


def up(folder: Path, *words: str, module: str = "benchmarks.one_up") -> Timed:
    """Run `up` once in a process of its own.

    Raises:
        Failed: it did not end with 0.
    """
    started = perf_counter()
    try:
        done = _run(["-m", module, *words], folder)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"up did not end within {LIMIT:.0f} s") from error
    seconds = perf_counter() - started
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise Failed(f"up ended with {done.returncode}: {said[-1].strip()}")
    answer = json.loads(done.stdout)
    return Timed(answer, seconds, float(answer.pop("processor", 0.0)), float(answer.pop("peak_kb", 0.0)) / 1024)


def windows_machines(count: int) -> list[dict[str, object]]:
    """One control plane and ``count`` Windows workers."""
    workers: list[dict[str, object]] = [{"name": f"winw{number}", "os": "windows"} for number in range(1, count + 1)]
    return [{"name": "cp1", "os": "linux", "role": "control-plane"}, *workers]


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    lines = [f"{'what':58} {'value':>9}  {'budget':>9}"]
    for row in rows:
        sign = "<=" if row.at_most else ">="
        mark = "ok" if row.met else "OVER" if row.at_most else "UNDER"
        lines.append(
            f"{row.what:58} {row.value:>8.2f}{row.unit:1}  {sign} {row.budget:<7g} {mark:5} {row.note}".rstrip()
        )
    return "\n".join(lines)
