"""`invoke --list` of this project against a tasks.py with one task."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.measure import Row
from provision.host.workspace import PRODUCT

_ONE = "from invoke.tasks import task\n\n\n@task\ndef one(c):\n    pass\n"


def _seconds(folder: Path) -> float:
    started = perf_counter()
    subprocess.run(
        [sys.executable, "-m", "invoke", "--list"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return perf_counter() - started


def rows() -> list[Row]:
    """Measure both in turn, nine times."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "tasks.py").write_text(_ONE)
        ours, one = [], []
        for _ in range(9):
            ours.append(_seconds(PRODUCT))
            one.append(_seconds(Path(name)))
    return [Row("invoke --list / one task's", median(ours) / median(one), 1.5)]
