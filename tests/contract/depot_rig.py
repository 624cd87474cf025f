"""The depot's one file in a process of its own, as it runs on the control plane; for tests and nothing else."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provision.depot import PROGRAM
from provision.settings.complete import defaults
from provision.steps.delivery import Depot, depot_list
from tests.waiting import PATIENCE, until

WORD = "kJ3-unguessable_word"


@dataclass
class Running:
    """A depot in a process of its own."""

    process: subprocess.Popen[str]
    host: str
    port: int

    def url(self, name: str) -> str:
        return Depot(f"http://{self.host}:{self.port}/{WORD}").url(name)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def get(self, name: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.ask(f"/{WORD}/{name}", **headers)

    def said(self) -> list[str]:
        """What it has printed; it is ended for that."""
        self.process.terminate()
        self.process.wait(timeout=PATIENCE)
        assert self.process.stdout is not None
        return self.process.stdout.read().splitlines()


Start = Callable[..., Running]


@contextmanager
def depots(folder: Path, files: Mapping[str, Path]) -> Iterator[Start]:
    """Starts depots for these files; keyword arguments replace what is in their lists."""
    running: list[subprocess.Popen[str]] = []

    def run(**changes: Any) -> Running:
        plan = depot_list(defaults(), WORD, {name: str(path) for name, path in files.items()})
        ready = folder / f"ready{len(running)}"
        plan |= {"address": "127.0.0.1", "port": 0, "clients": ["127.0.0.1"], "ready": str(ready)} | changes
        listed = folder / "list.json"
        listed.write_text(json.dumps(plan))
        # As on the machine: the file alone, no package around it, an interpreter without site packages.
        alone = folder / "depot.py"
        alone.write_bytes(PROGRAM.read_bytes())
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", alone, listed],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        running.append(process)
        until(lambda: ready.exists() or process.poll() is not None, "the depot")
        assert ready.exists(), process.stdout.read() if process.stdout else ""
        host, port = ready.read_text().strip().split(":")
        return Running(process, host, int(port))

    try:
        yield run
    finally:
        for process in running:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
