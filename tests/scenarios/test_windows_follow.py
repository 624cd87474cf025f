"""Detached work on Windows: what happens between the questions of the script that follows it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from provision.guests.powershell import WindowsRecipes, kept_digest
from provision.rehearsal.models import windows_tasks
from provision.rehearsal.models.windows import WindowsMachine
from tests.scenarios.effects_guests import KEPT, SAYS, invoke
from tests.scenarios.windows_bench import Bench


@pytest.mark.parametrize("offset", [0, 3])
def test_work_that_ends_while_it_is_asked_for_is_neither_lost_nor_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    bench = Bench(tmp_path)
    state = f"{KEPT}\\{kept_digest(SAYS)}"
    asked: list[str] = []

    def ends_when_asked(machine: WindowsMachine, *_: object, **__: object) -> list[str]:
        asked.append("asked")
        for end, data in (("log", b"said\n"), ("err", b""), ("exit", b"7")):
            machine.files.write(f"{state}.{end}", data)
        return []

    monkeypatch.setattr(windows_tasks, "_pick", ends_when_asked)
    said, wrong = bytearray(), bytearray()
    code = invoke(bench, WindowsRecipes().follow(SAYS, offset, ()), said.extend, wrong.extend, threading.Event())
    assert asked and code == 7, wrong.decode()
    assert said.decode().splitlines()[-1] == "end 5"
    assert not windows_tasks.tasks(bench.machine)
