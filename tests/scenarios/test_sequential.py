"""One step at a time: nothing in the plan relies on what happens to run beside it."""

from __future__ import annotations

from pathlib import Path

from provision.steps.observe import observe
from provision.steps.runner import Runner
from tests.scenarios.inprocess import Rehearsed, complaint


def test_the_plan_converges_one_step_at_a_time(tmp_path: Path) -> None:
    cluster = Rehearsed(tmp_path)
    runner = Runner(cluster.plan, cluster.tools, cluster.heard, sequential=True)
    observe(cluster.tools, runner)
    result = runner.run()
    assert not result.failures, complaint(result)
    assert len(result.ends) == len(cluster.plan.steps)
