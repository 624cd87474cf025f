"""Every Windows script may run again on a finished machine: it says little and changes nothing."""

from __future__ import annotations

from pathlib import Path

from provision.clock import Deadline
from provision.steps.context import Connections, StepContext
from tests.scenarios.inprocess import Rehearsed, complaint

# What a second run of a script may still say: what it looked at or set to what it was.
QUIET = ("is in use", "profile is Private", "setting hybrid-", "containerd answers", "networks: ", "joined before")


def test_a_second_run_of_each_script_changes_nothing(tmp_path: Path) -> None:
    cluster = Rehearsed(tmp_path)
    result = cluster.up()
    assert not result.failures, complaint(result)
    worker = cluster.settings.windows[0].name
    before = dict(cluster.facts().machine(worker).sections)
    ran = []
    for step in cluster.plan.steps:
        # A delivery asks the depot, which has ended with the run.
        if step.machine != worker or not step.scripts or step.name.startswith("deliver-"):
            continue
        context = StepContext(cluster.tools, step, Connections(cluster.tools), Deadline(60))
        cluster.heard.lines.clear()
        if step.apply:
            step.apply(context)
        else:
            context.run(step.scripts[0], detached=step.detached)
        said = cluster.heard.lines.get(step.name, [])
        assert [line for line in said if not any(word in line for word in QUIET)] == [], step.name
        ran.append(step.name)
    after = dict(cluster.facts().machine(worker).sections)
    assert len(ran) == 13
    # The time goes on; nothing else does.
    del before["os"], after["os"]
    assert after == before
