"""Our Windows scripts, run in order on the modelled machine: the second time there is nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.rehearsal.models.windows_network import KUBE_INDEX, new_address
from provision.rehearsal.models.windows_scm import get
from provision.steps.base import Satisfied
from provision.steps.windows_node import windows_steps
from tests.scenarios.windows_bench import Bench, settings

FLAGS = "C:\\var\\lib\\kubelet\\kubeadm-flags.env"


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


def test_a_lease_that_goes_by_itself_is_no_error(tmp_path: Path) -> None:
    """A private network with a DHCP server, as VirtualBox makes one: the lease is seen, and gone a moment later."""
    bench = Bench(tmp_path)
    with bench.machine.state.change() as data:
        data["addresses"].append(new_address(KUBE_INDEX, "192.168.56.101", 24, "Dhcp"))
    bench.all("card")
    assert "removing 192.168.56.101/24" in bench.said
    assert [a["address"] for a in bench.machine.state.data["addresses"] if a["index"] == KUBE_INDEX] == [
        "192.168.56.11"
    ]


def test_a_newer_kubelet_is_not_given_a_flag_that_is_gone(tmp_path: Path) -> None:
    """kubeadm up to 1.34 writes --pod-infra-container-image; a kubelet from 1.35 on does not start with it."""
    bench = Bench(tmp_path, settings=settings("1.34.11"))
    bench.all()
    assert "--pod-infra-container-image=" in bench.machine.files.read(FLAGS).decode()
    # It stood in the command line from the start: the kubelet is not restarted for it.
    assert not any(line.startswith("the kubelet gets") for line in bench.said)
    bench.moves_on(settings("1.36.4"))
    # The control plane was made again: the node leaves what is not there any more, and joins.
    bench.all()
    assert any("does not start as it is registered" in line for line in bench.said)
    assert "--pod-infra-container-image" not in get(bench.machine, "kubelet")["path"]
    report = bench.machine.node()
    assert report is not None
    assert report.kubelet_version == "v1.36.4"


def test_a_flag_that_the_settings_name_no_more_is_gone(tmp_path: Path) -> None:
    more = settings().model_copy(
        update={"kubernetes": settings().kubernetes.model_copy(update={"extra_args": {"kubelet": {"max-pods": "50"}}})}
    )
    bench = Bench(tmp_path, settings=more)
    bench.all()
    assert get(bench.machine, "kubelet")["path"].endswith(" --max-pods=50")
    bench.settings = settings()
    bench.steps = windows_steps(bench.settings, bench.settings.machine("winw1"))
    bench.all()
    assert "--max-pods" not in get(bench.machine, "kubelet")["path"]
