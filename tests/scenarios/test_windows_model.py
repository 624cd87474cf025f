"""Our Windows scripts, run in order on the modelled machine: the second time there is nothing to do."""

from __future__ import annotations

import pytest

from provision.steps.base import Satisfied
from tests.scenarios.windows_bench import Bench


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("joined"))
    bench.all()
    return bench


def test_all_steps_make_a_node(joined: Bench) -> None:
    report = joined.machine.node()
    assert report is not None
    assert report.address == "192.168.56.11"
    assert report.kubelet_version == "v1.36.4"
    assert report.network_ready
    assert report.taints == ("os=windows:NoSchedule",)
    assert list(joined.master.api.nodes) == [report.name]
    assert not joined.machine.files.exists("C:\\ProgramData\\hybrid\\join.yaml")


def test_a_second_time_nothing_is_to_do(joined: Bench) -> None:
    joined.refresh()
    judged = {step.name: step.judge(joined.settings, joined.world) for step in joined.steps}
    assert {name: j.reason for name, j in judged.items() if not isinstance(j, Satisfied)} == {}


def test_the_node_survives_a_restart(joined: Bench) -> None:
    joined.reboot(joined.deadline)
    joined.refresh()
    judged = {step.name: step.judge(joined.settings, joined.world) for step in joined.steps}
    assert {name: j.reason for name, j in judged.items() if not isinstance(j, Satisfied)} == {}
    assert joined.machine.node() is not None


TWICE = [
    "card",
    "settings",
    "host-name",
    "features",
    "firewall",
    "containerd",
    "kubernetes",
    "kubelet-service",
    "egress",
]


@pytest.mark.parametrize("name", TWICE)
def test_a_script_may_run_twice(joined: Bench, name: str) -> None:
    joined.step = joined.named(name)
    if joined.step.apply is None:
        joined.run(joined.step.scripts[0])
    else:
        joined.step.apply(joined)  # type: ignore[arg-type]
    assert isinstance(joined.judge(name), Satisfied)
