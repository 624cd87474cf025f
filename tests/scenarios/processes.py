"""The product as a user runs it: `invoke` in a folder of its own, real servers, real clients, a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from provision import journal
from provision.host.workspace import PRODUCT
from provision.rehearsal.client import Client
from tests.scenarios.once import copied
from tests.waiting import PATIENCE


class Folder:
    """A workspace with a rehearsed cluster."""

    def __init__(self, path: Path, **settings: object) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.settings(**settings)
        self.runs = path / ".cluster" / "hybrid" / "rehearsal" / "runs"

    def settings(self, **settings: object) -> None:
        """Write the settings anew."""
        written = {"provider": "rehearsal", "rehearsal": {"scale": 0.0}, **settings}
        (self.path / "variables.yaml").write_text(json.dumps(written))

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command; its output goes to pipes."""
        return subprocess.Popen(
            [sys.executable, "-m", "invoke", "--search-root", str(PRODUCT), *words],
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CI": "true", "NO_COLOR": "1", "COLUMNS": "120"},
        )

    def run(self, *words: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; a hang is a failure of the test."""
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            pytest.fail(f"{' '.join(words)} hung for {timeout} s:\n{out[-2000:]}\n{err[-2000:]}")
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def up(self, *words: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """`up` that has to end well; its JSON answer."""
        done = self.run("up", "--json", *words, timeout=timeout)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def kill_after_next_step(self, timeout: float = PATIENCE) -> bool:
        """Start `up` and SIGKILL it once one more step has been done; False when it ended by itself."""
        seen = len(self.done_steps())
        process = self.start("up")
        give_up = monotonic() + timeout
        while process.poll() is None:
            if len(self.done_steps()) > seen:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                return True
            assert monotonic() < give_up, "no step was done in time"
            sleep(0.002)
        out, err = process.communicate()
        assert process.returncode == 0, f"{out[-3000:]}\n{err[-3000:]}"
        return False

    def requests(self) -> dict[str, int]:
        """What the rehearsal's origin was asked for since its process started: address -> how often."""
        asked: dict[str, int] = Client(self.runs.parent).call("requests")
        return asked

    def events(self) -> list[journal.Event]:
        """The events of all runs, oldest first."""
        return [event for folder in journal.run_folders(self.runs) for event in journal.read(folder)]

    def done_steps(self) -> list[str]:
        """Steps that were applied and became true, in all runs together."""
        return [
            str(event.values["step"])
            for event in self.events()
            if event.what == "step-ended" and event.values["outcome"] == "done"
        ]

    def switch_off(self) -> None:
        """End the rehearsal's process where it stands."""
        Client(self.runs.parent).kill()


@contextmanager
def folder(path: Path, **settings: object) -> Iterator[Folder]:
    """A workspace whose rehearsal is ended afterwards."""
    made = Folder(path, **settings)
    try:
        yield made
    finally:
        made.switch_off()


@contextmanager
def finished(path: Path, **settings: object) -> Iterator[Folder]:
    """A workspace whose cluster is Ready: one `up` for all tests, its folder copied. Its process does not run."""

    def make(first: Path) -> None:
        with folder(first, **settings) as made:
            made.up()

    copied(f"workspace {json.dumps(settings)}", path, path.parent.parent, make)
    with folder(path, **settings) as made:
        yield made
