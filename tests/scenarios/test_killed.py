"""`invoke up` killed after each of its steps: every run goes on, and no finished step runs twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.scenarios.processes import folder

# Judged by their own success: they live as long as a run, so a later run does them again.
TRANSIENT = {"provider", "depot"}


def test_killed_after_each_step_every_run_goes_on_and_no_finished_step_runs_twice(tmp_path: Path) -> None:
    with folder(tmp_path / "w") as work:
        kills = 0
        while work.kill_after_next_step():
            kills += 1
            assert kills < 200
        assert kills > 20
        counted = Counter(step for step in work.done_steps() if step not in TRANSIENT)
        assert [step for step, times in counted.items() if times > 1] == []
        last = work.up()
        assert last["applied"] == []
        assert [node["status"] for node in last["nodes"]] == ["Ready", "Ready"]
