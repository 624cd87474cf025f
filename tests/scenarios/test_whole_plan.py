"""The whole plan on modelled machines, without sockets: fresh, twice, disturbed, in pieces, and many settings."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from provision.errors import Refused
from provision.settings.complete import complete
from provision.settings.model import Machine, Settings
from provision.steps.base import Missing
from provision.steps.made_with import require_same
from tests.scenarios.inprocess import Rehearsed, complaint


def missing(cluster: Rehearsed) -> list[str]:
    """Steps that are not true by the machines' own word."""
    world = cluster.facts()
    judged = {step.name: step.judge(cluster.settings, world) for step in cluster.plan.steps if not step.transient}
    return [f"{name}: {found.reason}" for name, found in judged.items() if isinstance(found, Missing)]


def test_a_fresh_cluster_becomes_ready(tmp_path: Path) -> None:
    cluster = Rehearsed(tmp_path)
    result = cluster.up()
    assert not result.failures, complaint(result)
    assert missing(cluster) == []


def test_a_second_run_finds_nothing_to_do_with_one_command_a_machine(tmp_path: Path) -> None:
    Rehearsed(tmp_path).up()
    again = Rehearsed(tmp_path)
    result = again.up()
    assert [end.step.name for end in result.applied] == []
    assert again.tools.commands == {"cp1": 1, "winw1": 1}


def test_every_step_alone_in_turn_converges_and_none_runs_twice(tmp_path: Path) -> None:
    """As if the run were killed after each step: a new run each time goes on from what the machines say."""
    applied: list[str] = []
    plan = Rehearsed(tmp_path).plan
    for _ in range(len(plan.steps) + 1):
        cluster = Rehearsed(tmp_path)
        cluster.stop_after = 1
        result = cluster.up()
        done = [end.step.name for end in result.applied if not end.step.transient]
        applied += done
        assert not result.failures, complaint(result)
        if not done:
            break
    assert sorted(applied) == sorted(set(applied))
    assert missing(Rehearsed(tmp_path)) == []


_MORE = Settings(machines=(*Settings().machines, Machine(name="winw2", os="windows", memory=6144)))


def test_a_worker_that_comes_later_joins_and_its_token_goes(tmp_path: Path) -> None:
    first = Rehearsed(tmp_path)
    assert not first.up().failures
    later = Rehearsed(tmp_path, _MORE)
    result = later.up()
    assert not result.failures, complaint(result)
    assert "tokens-gone" in {end.step.name for end in result.applied}
    assert missing(later) == []


def test_a_machine_that_was_made_with_other_settings_is_refused_when_it_has_come_up(tmp_path: Path) -> None:
    assert not Rehearsed(tmp_path).up().failures
    other = Settings(network=Settings().network.model_copy(update={"pods": IPv4Network("10.200.0.0/16")}))
    changed = Rehearsed(tmp_path, other)
    for machine in changed.park.all():
        machine.power_off()
    result = changed.up()
    assert isinstance(result.failures[0].error, Refused)
    assert "network.pods was 10.244.0.0/16, now it is 10.200.0.0/16" in result.failures[0].error.details
    assert {end.step.name for end in result.applied} <= {"provider"}


def test_a_machine_taken_out_of_the_middle_leaves_the_others_where_they_are(tmp_path: Path) -> None:
    """Their addresses followed from the order: the refusal says which ones to write, and with them all is as it was."""
    master, *_ = Settings().machines
    workers = [Machine(name=f"lin{number}", os="linux") for number in (1, 2, 3)]
    assert not Rehearsed(tmp_path, Settings(machines=(master, *workers))).up().failures
    less = Rehearsed(tmp_path, Settings(machines=(master, workers[0], workers[2])))
    with pytest.raises(Refused) as refused:
        require_same(less.settings, less.facts(), "lin3")
    assert "machine.address was 192.168.56.13, now it is 192.168.56.12" in refused.value.details
    assert refused.value.remedy.endswith("add `address: 192.168.56.13` to lin3")
    kept = workers[2].model_copy(update={"address": IPv4Address("192.168.56.13")})
    written = Rehearsed(tmp_path, Settings(machines=(master, workers[0], kept)))
    result = written.up()
    assert not result.failures, complaint(result)
    assert not {end.step.name for end in result.applied if end.step.machine == "lin3"}


SHAPES: list[dict[str, Any]] = [
    {"machines": (Machine(name="cp1", os="linux", role="control-plane"),)},
    {
        "machines": (
            Machine(name="cp1", os="linux", role="control-plane"),
            Machine(name="lin1", os="linux"),
            Machine(name="winw1", os="windows", memory=6144),
            Machine(name="winw2", os="windows", memory=6144),
        )
    },
    {
        "machines": (
            Machine(name="cp1", os="linux", role="control-plane"),
            Machine(name="winw1", os="windows", transport="ssh"),
        )
    },
    {"network": Settings().network.model_copy(update={"egress": "none"})},
]


@pytest.mark.parametrize("shape", SHAPES, ids=["linux-only", "two-and-two", "windows-over-ssh", "no-egress"])
def test_other_shapes_become_ready(tmp_path: Path, shape: dict[str, Any]) -> None:
    cluster = Rehearsed(tmp_path, Settings(**shape))
    result = cluster.up()
    assert not result.failures, complaint(result)
    assert missing(cluster) == []


@pytest.mark.parametrize(
    ("kubernetes", "containerd", "calico"),
    [
        ("1.36", "2.3.4", "3.32.1"),
        ("1.35", "2.2", "3.32.1"),
        ("1.34", "2.2", "3.32.1"),
        ("1.33", "2.1", "3.31.7"),
        ("1.34", "1.7", "3.32.1"),
    ],
)
def test_other_versions_become_ready(tmp_path: Path, kubernetes: str, containerd: str, calico: str) -> None:
    base = Settings()
    settings = base.model_copy(
        update={
            "kubernetes": base.kubernetes.model_copy(update={"version": kubernetes}),
            "containerd": base.containerd.model_copy(update={"linux": containerd, "windows": containerd}),
            "calico": base.calico.model_copy(update={"version": calico}),
        }
    )
    cluster = Rehearsed(tmp_path, complete(settings))
    result = cluster.up()
    assert not result.failures, complaint(result)
    assert missing(cluster) == []
