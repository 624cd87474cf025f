"""What all benchmarks share: rows with budgets, workspaces, and runs of `up` in processes of their own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from provision.host.workspace import PRODUCT


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
    """A process that has ended: its answer, wall seconds, peak memory in MB."""

    answer: dict[str, Any]
    seconds: float
    peak_mb: float


@contextmanager
def workspace(**settings: object) -> Iterator[Path]:
    """A folder with a variables.yaml; the rehearsal in it is ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="hybrid-bench-") as name:
        folder = Path(name)
        (folder / "variables.yaml").write_text(json.dumps(settings))
        try:
            yield folder
        finally:
            invoke(folder, "destroy", "--yes")


def invoke(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the product's own command in a workspace."""
    return subprocess.run(
        [sys.executable, "-m", "invoke", "--search-root", str(PRODUCT), *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "CI": "true", "NO_COLOR": "1"},
        check=False,
    )


def up(folder: Path, *words: str, module: str = "benchmarks.one_up") -> Timed:
    """Run `up` once in a process of its own.

    Raises:
        RuntimeError: it did not end with 0; its words are in the text.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    started = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "CI": "true", "NO_COLOR": "1", "PYTHONPATH": str(PRODUCT)},
        check=False,
    )
    seconds = perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"up ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    answer = json.loads(done.stdout)
    peak = float(answer.pop("peak_kb", before)) / 1024
    return Timed(answer, seconds, peak)


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
