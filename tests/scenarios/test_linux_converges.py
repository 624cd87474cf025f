"""What happens to Linux machines and to Calico on real clusters between two runs, and what the next run makes of it."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from provision.facts.cluster import Calico, Workloads
from provision.rehearsal.contract import Streams
from provision.rehearsal.latency import Latencies
from provision.render.engine import render
from provision.settings.complete import complete
from provision.settings.model import Containerd, Machine, Settings
from provision.steps.base import Missing, Plan, Satisfied
from tests.scenarios.inprocess import Rehearsed, complaint
from tests.scenarios.once import copied
from tests.scenarios.test_whole_plan import missing

LINUX = Settings(machines=(*Settings().machines[:1], Machine(name="lin1", os="linux")))
TWO_WINDOWS = Settings(machines=(*Settings().machines, Machine(name="winw2", os="windows", memory=6144)))


def made(tmp_path: Path, settings: Settings) -> Rehearsed:
    """A run that ends well in this folder, whatever is in it."""
    cluster = Rehearsed(tmp_path, settings)
    result = cluster.up()
    assert not result.failures, complaint(result)
    return cluster


def finished(tmp_path: Path, settings: Settings) -> Rehearsed:
    """A cluster that a run has finished: the run is made once for all tests, its folder copied."""
    copied(f"cluster {settings.model_dump_json()}", tmp_path, tmp_path.parent, lambda folder: made(folder, settings))
    return Rehearsed(tmp_path, settings)


def by_hand(cluster: Rehearsed, machine: str, command: str) -> None:
    """What somebody does on a machine, as root."""
    streams = Streams(io.BytesIO(command.encode()), lambda _: None, lambda _: None, threading.Event())
    assert cluster.park.get(machine).execute("sudo -n bash -s", streams) == 0


@pytest.mark.parametrize("machine", ["cp1", "lin1"])
def test_a_kubelet_that_somebody_stopped_is_started(tmp_path: Path, machine: str) -> None:
    by_hand(finished(tmp_path, LINUX), machine, "systemctl stop kubelet.service")
    again = Rehearsed(tmp_path, LINUX)
    result = again.up()
    assert not result.failures, complaint(result)
    assert missing(again) == []


def test_a_plugin_that_is_gone_is_installed_again_and_one_of_another_build_stays(tmp_path: Path) -> None:
    cluster = finished(tmp_path, LINUX)
    by_hand(cluster, "lin1", "rm -f /opt/cni/bin/portmap")
    again = Rehearsed(tmp_path, LINUX)
    result = again.up()
    assert not result.failures, complaint(result)
    assert {end.step.name for end in result.applied} == {"cni-plugins@lin1"}
    assert b"Calico" in again.park.get("cp1").files.read("/opt/cni/bin/loopback")


def test_half_an_authority_of_an_init_that_was_killed_is_thrown_away(tmp_path: Path) -> None:
    """kubeadm takes what it finds for the user's own, and does not get over a key without its certificate."""
    first = Rehearsed(tmp_path, LINUX)
    names = [step.name for step in first.plan.steps]
    assert not first.up(Plan(first.plan.steps[: names.index("control-plane")])).failures
    by_hand(first, "cp1", "mkdir -p /etc/kubernetes/pki && printf 'half' > /etc/kubernetes/pki/ca.key")
    assert missing(made(tmp_path, LINUX)) == []


def test_updates_that_a_fresh_machine_is_installing_are_waited_for(tmp_path: Path) -> None:
    first = Rehearsed(tmp_path, LINUX)
    names = [step.name for step in first.plan.steps]
    assert not first.up(Plan(first.plan.steps[: names.index("card@cp1")])).failures
    by_hand(first, "cp1", "mkdir -p /var/lib/apt/lists /var/lib/dpkg && touch /var/lib/apt/lists/bookworm")
    by_hand(first, "cp1", "touch /var/lib/dpkg/lock-frontend; rm -f /usr/sbin/losetup /usr/bin/losetup")
    assert missing(made(tmp_path, LINUX)) == []


@pytest.mark.parametrize("version", ["1.36", "1.33"])
def test_a_node_that_comes_later_than_kubeadm_ends_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    plain = Latencies.seconds
    monkeypatch.setattr(Latencies, "seconds", lambda self, name: 0.6 if name == "node-registers" else plain(self, name))
    base = Settings()
    calico = base.calico.model_copy(update={"version": "3.31.7" if version == "1.33" else "3.32.1"})
    kubernetes = base.kubernetes.model_copy(update={"version": version})
    settings = complete(base.model_copy(update={"kubernetes": kubernetes, "calico": calico}))
    assert missing(made(tmp_path, settings)) == []


def test_more_windows_nodes_than_typha_has_linux_nodes_for(tmp_path: Path) -> None:
    """The operator calls itself degraded; that its pods run is what counts, and a second run finds nothing to do."""
    cluster = made(tmp_path, TWO_WINDOWS)
    assert not cluster.facts().cluster.get(Calico).status["calico"].available
    assert missing(cluster) == []
    assert [end.step.name for end in Rehearsed(tmp_path, TWO_WINDOWS).up().applied] == []
    ready = cluster.plan["calico-ready"]
    assert isinstance(ready.judge(cluster.settings, cluster.facts()), Satisfied)
    with cluster.park.get("cp1").state.change() as data:
        found = data["etcd"]["objects"]["daemonsets"]["calico-system/calico-node"]
        found["spec"]["template"]["spec"]["nodeSelector"] = {"no": "where"}
    world = cluster.facts()
    judged = ready.judge(cluster.settings, world)
    assert isinstance(judged, Missing), judged.reason
    assert judged.reason == "not ready: calico-system/calico-node"


def test_another_version_of_calico_replaces_the_one_that_runs(tmp_path: Path) -> None:
    base = Settings()
    kubernetes = base.kubernetes.model_copy(update={"version": "1.35"})

    def settings(version: str) -> Settings:
        calico = base.calico.model_copy(update={"version": version})
        return complete(base.model_copy(update={"kubernetes": kubernetes, "calico": calico}))

    made(tmp_path, settings("3.31.7"))
    again = made(tmp_path, settings("3.32.1"))
    assert missing(again) == []
    workloads = again.facts().cluster.get(Workloads).workloads
    assert workloads["calico-system/calico-node"].image == "quay.io/calico/node:v3.32.1"


@pytest.mark.parametrize("machine", ["cp1", "lin1", "winw1"])
def test_a_node_that_somebody_deleted_is_made_again_by_a_kubelet_that_starts_anew(tmp_path: Path, machine: str) -> None:
    settings = Settings(machines=(*LINUX.machines, *Settings().machines[1:]))
    cluster = finished(tmp_path, settings)
    name = cluster.settings.node_name(machine)
    by_hand(cluster, "cp1", f"kubectl --kubeconfig=/etc/kubernetes/admin.conf delete node {name}")
    again = Rehearsed(tmp_path, settings)
    assert any(f"{name} is no node" in line for line in missing(again))
    result = again.up()
    assert not result.failures, complaint(result)
    assert missing(again) == []


def test_containerd_never_goes_on_with_a_configuration_that_is_not_on_disk_any_more(tmp_path: Path) -> None:
    """Its script is cut off once the new configuration is written: facts show files, not what a process has read."""
    finished(tmp_path, LINUX)
    other = LINUX.model_copy(update={"containerd": Containerd(config={"oom_score": -100})})
    cut = Rehearsed(tmp_path, other)
    (call,) = next(step for step in cut.plan.steps if step.name == "containerd@lin1").scripts
    whole = render(call.template, sections=[], **call.parameters)
    by_hand(cut, "lin1", whole[: whole.index("systemctl daemon-reload")])
    before = cut.park.get("lin1").units.since("containerd.service")  # type: ignore[attr-defined]
    again = Rehearsed(tmp_path, other)
    result = again.up()
    assert not result.failures, complaint(result)
    assert "containerd@lin1" in {end.step.name for end in result.applied}
    machine = again.park.get("lin1")
    assert machine.units.is_active("containerd.service")  # type: ignore[attr-defined]
    assert machine.units.since("containerd.service") > before  # type: ignore[attr-defined]
    assert missing(again) == []
