"""Machines that were deleted behind our back and are made again under their old names."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.facts.cluster import Nodes
from provision.settings.model import Machine, Settings
from tests.scenarios.inprocess import Rehearsed, complaint
from tests.scenarios.test_whole_plan import missing

SETTINGS = Settings(machines=(*Settings().machines, Machine(name="lin1", os="linux")))


@pytest.mark.parametrize("name", ["winw1", "lin1"])
def test_a_worker_that_was_made_again_is_a_new_node(tmp_path: Path, name: str) -> None:
    first = Rehearsed(tmp_path, SETTINGS)
    result = first.up()
    assert not result.failures, complaint(result)
    old = node_made(first, name)
    first.park.destroy(name)
    again = Rehearsed(tmp_path, SETTINGS)
    result = again.up()
    assert not result.failures, complaint(result)
    assert missing(again) == []
    assert node_made(again, name) != old
    other = "join@lin1" if name == "winw1" else "join@winw1"
    assert result.ends[other].outcome == "already"


def test_a_control_plane_that_was_made_again_takes_its_workers_back(tmp_path: Path) -> None:
    """They leave the cluster that is gone; nothing is installed on them anew."""
    first = Rehearsed(tmp_path, SETTINGS)
    assert not first.up().failures
    first.park.destroy("cp1")
    again = Rehearsed(tmp_path, SETTINGS)
    result = again.up()
    assert not result.failures, complaint(result)
    assert missing(again) == []
    assert {node.name: node.ready for node in again.facts().cluster.get(Nodes).nodes} == {
        "cp1-rehearsal": True,
        "lin1-rehearsal": True,
        "winw1-rehearsal": True,
    }
    for machine in ("lin1", "winw1"):
        done = {end.step.name for end in result.applied if end.step.machine == machine}
        assert done <= {f"join@{machine}", f"kubernetes@{machine}", f"kubelet-service@{machine}", f"stamp@{machine}"}


def node_made(cluster: Rehearsed, name: str) -> str:
    """The identity of a machine's Node object."""
    with cluster.park.get("cp1").state.reading() as data:
        uid: str = data["etcd"]["objects"]["nodes"][f"/{name}-rehearsal"]["metadata"]["uid"]
    return uid
