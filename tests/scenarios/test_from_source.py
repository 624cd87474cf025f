"""Clusters of what somebody has built: commits and checkouts, own files, CI builds; on modelled machines.

What is built is made up (see `tests.go_programs`), everything else is the product: resolution and its pins, the
catalogue, steps, images in their archives, transfers, and the models, which take versions from the programs.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from provision.app.made import Makers
from provision.app.resolve import Asked, resolve, with_chosen
from provision.artifacts.base import ArtifactSpec
from provision.artifacts.lock import ArtifactLock
from provision.build.base import Built, OnProgress, Source
from provision.clock import Deadline
from provision.errors import ArtifactError, StepFailed
from provision.facts.cluster import Nodes
from provision.guests.base import OnLine
from provision.knowledge import parse
from provision.rehearsal.published import published
from provision.settings.complete import complete
from provision.settings.model import Settings
from provision.steps.base import Missing, Plan
from provision.steps.build import program_of
from tests.go_programs import go_program
from tests.scenarios.inprocess import Rehearsed, complaint

BEFORE_WINDOWS = ("provider", "up@cp1", "card@cp1", "programs@cp1", "depot", "depot-built")
RELEASED = "1.36.5-rc.0.3+0123456789abcd"
MASTER = "1.38.0-alpha.0.12+0123456789abcd"


def source(version: str) -> Source:
    """A state of a source whose tree is another one for each version."""
    tree = hashlib.sha1(version.encode(), usedforsecurity=False).hexdigest()
    return Source(
        project="kubernetes", remote="", commit="0" * 40, tree=tree, dirty=version.endswith("-dirty"),
        version=version, committed=1_780_000_000, go="1.26.4",
    )  # fmt: skip


class MadeUp(Makers):
    """The product's makers with a repository and a compiler that are made up."""

    state_now: Source
    compiled: list[str]

    def source(self, asked: Asked) -> Source:
        state = self.state_now if asked.kind == "path" or asked.project == "kubernetes" else source(asked.value[1:])
        return replace(state, project=asked.project, remote=asked.remote)

    def _build(
        self,
        specs: Sequence[ArtifactSpec],
        deadline: Deadline,
        on_progress: OnProgress | None,
        on_line: OnLine,
        stop: threading.Event | None,
    ) -> dict[str, Built]:
        made = {}
        for spec in specs:
            name, version = program_of(spec), self.state(spec).version
            path = self.root / "programs" / version / name
            if not path.exists():
                self.compiled.append(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(go_program(name, version))
            made[spec.name] = Built(
                name=name, version=version, key="", path=path, sha256="", size=0, seconds=0, fresh=True
            )
            made[name] = made[spec.name]
        return made


@dataclass
class Workspace:
    """A folder in which `up` is run again and again, as the app does it.

    Attributes:
        state: what the repository or the checkout holds now.
        ci: whether CI builds are published.
    """

    folder: Path
    kubernetes: dict[str, Any]
    state: Source
    ci: bool = True
    compiled: list[str] = field(default_factory=list)
    more: Mapping[str, Any] = field(default_factory=dict)

    def cluster(self) -> Rehearsed:
        plain = complete(Settings.model_validate({"provider": "rehearsal", "kubernetes": self.kubernetes, **self.more}))
        word = str(self.kubernetes.get("version", "1.36"))
        lock = ArtifactLock(self.folder / "words.yaml", rehearsed=True)
        found = resolve(plain, word, lock, self.makers(plain), made=(self.folder / "made").exists())
        found.pin(lock)
        settings = with_chosen(plain, found.chosen)
        makers = self.makers(settings)
        return Rehearsed(self.folder / "cluster", settings, makers=makers.by_scheme(), builds=makers)

    def makers(self, settings: Settings) -> MadeUp:
        def ask(url: str) -> str:
            data = published(url.removeprefix("https://")) if self.ci else None
            if data is None:
                raise ArtifactError(f"{url} is not there")
            return data.decode()

        def lock() -> ArtifactLock:
            raise AssertionError("a rehearsal asks no registry")

        root = self.folder / "cache"
        made = MadeUp(settings, root, offline=False, rehearsed=True, ask=ask, lock=lock)
        made.state_now, made.compiled = self.state, self.compiled
        return made

    def up(self) -> list[str]:
        """One `up`, which must come to its end; returns the steps that had something to do."""
        cluster = self.cluster()
        (self.folder / "made").touch()
        result = cluster.up()
        assert not result.failures, complaint(result)
        return [end.step.name for end in result.applied if not end.step.transient]

    def missing(self) -> list[str]:
        """Steps that are not true by the machines' own word."""
        cluster = self.cluster()
        world = cluster.facts()
        judged = {step.name: step.judge(cluster.settings, world) for step in cluster.plan.steps if not step.transient}
        return [f"{name}: {found.reason}" for name, found in judged.items() if isinstance(found, Missing)]

    def kubelets(self) -> dict[str, str]:
        """What `kubectl get nodes` shows, by machine."""
        nodes = self.cluster().facts().cluster.get(Nodes).nodes
        return {node.name.removesuffix("-rehearsal"): node.kubelet_version for node in nodes}


def test_a_commit_of_a_released_minor_joins_its_release_and_a_second_run_does_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"sha": "0123456"}, source(RELEASED))
    workspace.up()
    assert workspace.kubelets() == {"cp1": "v1.36.4", "winw1": f"v{RELEASED}"}
    assert workspace.missing() == []
    assert workspace.up() == []
    assert workspace.compiled == ["kubelet.exe", "kube-proxy.exe"]


def test_what_was_built_waits_beside_the_depot_for_machines_that_come_later(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"sha": "0123456"}, source(RELEASED))
    cluster = workspace.cluster()
    # As if Windows took longer to boot than all of this takes.
    kept = [s for s in cluster.plan.steps if s.name in BEFORE_WINDOWS or s.name.startswith(("fetch-", "build-"))]
    result = cluster.up(Plan(tuple(kept)))
    assert not result.failures, complaint(result)
    assert "depot-built" in {end.step.name for end in result.applied}


def test_a_changed_line_changes_the_nodes_programs_and_nothing_else(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"path": "/src/kubernetes"}, source(RELEASED))
    workspace.up()
    workspace.state = source(f"{RELEASED}-dirty")
    applied = workspace.up()
    assert [name.split("-")[0] if name.startswith("build-") else name for name in applied] == [
        "build",
        "depot-built",
        "deliver-kubernetes@winw1",
        "kubernetes@winw1",
    ]
    assert workspace.kubelets() == {"cp1": "v1.36.4", "winw1": f"v{RELEASED}-dirty"}
    assert workspace.missing() == [] and workspace.up() == []


def test_the_old_kube_proxy_ends_before_it_is_replaced(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"path": "/src/kubernetes"}, source(RELEASED))
    first = workspace.cluster()
    assert not first.up().failures
    (old,) = first.park.get("winw1").proxies  # type: ignore[attr-defined]
    workspace.state = source(f"{RELEASED}-dirty")
    second = workspace.cluster()
    second.park = second.provider.park = first.park  # the same machines, with what runs on them
    result = second.up()
    assert not result.failures, complaint(result)
    assert old.killed.is_set()


def test_masters_commit_gets_a_control_plane_of_the_newest_ci_build(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"ref": "master"}, source(MASTER))
    workspace.up()
    kubelets = workspace.kubelets()
    assert parse(kubelets["cp1"]).line == "1.38" and "+" in kubelets["cp1"] and kubelets["cp1"] != kubelets["winw1"]
    assert kubelets["winw1"] == f"v{MASTER}"
    assert workspace.missing() == [] and workspace.up() == []


def test_without_a_ci_build_the_control_plane_is_built_and_stays_while_its_nodes_move_on(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"path": "/src/kubernetes"}, source(MASTER), ci=False)
    workspace.more = {
        "machines": [
            {"name": "cp1", "os": "linux", "role": "control-plane"},
            {"name": "lin1", "os": "linux"},
            {"name": "winw1", "os": "windows", "memory": 6144},
        ]
    }
    workspace.up()
    assert set(workspace.kubelets().values()) == {f"v{MASTER}"}
    assert workspace.missing() == []
    assert {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} <= set(workspace.compiled)
    workspace.compiled.clear()
    workspace.state = source(f"{MASTER}-dirty")
    workspace.up()
    assert workspace.compiled == ["kubelet.exe", "kube-proxy.exe"]
    assert workspace.kubelets() == {"cp1": f"v{MASTER}", "lin1": f"v{MASTER}", "winw1": f"v{MASTER}-dirty"}
    assert workspace.up() == []


def test_images_that_were_not_imported_end_the_control_plane_before_kubeadm_init(tmp_path: Path) -> None:
    cluster = Workspace(tmp_path, {"path": "/src/kubernetes"}, source(MASTER), ci=False).cluster()
    steps = tuple(
        replace(step, needs=tuple(need for need in step.needs if not need.startswith("images@")))
        for step in cluster.plan.steps
        if not step.name.startswith("images@")
    )
    result = cluster.up(Plan(steps))
    failed = next(end for end in result.failures if end.step.name == "control-plane")
    assert "kube-apiserver:v1.38.0-alpha.0.12_0123456789abcd was not imported" in str(failed.error)


@pytest.mark.parametrize("word", ["ci/latest", "ci/latest-1.38"])
def test_a_cluster_of_a_ci_build(tmp_path: Path, word: str) -> None:
    workspace = Workspace(tmp_path, {"version": word}, source(MASTER))
    workspace.up()
    (version,) = set(workspace.kubelets().values())
    assert parse(version).line == "1.38" and workspace.up() == []


def test_own_binaries_are_used_and_read_again_when_they_change(tmp_path: Path) -> None:
    file = tmp_path / "kubelet.exe"
    file.write_bytes(go_program("kubelet.exe", "1.36.1"))
    workspace = Workspace(tmp_path, {"binaries": {"kubelet.exe": str(file)}}, source(MASTER))
    workspace.up()
    assert workspace.kubelets() == {"cp1": "v1.36.4", "winw1": "v1.36.1"}
    file.write_bytes(go_program("kubelet.exe", "1.36.2"))
    assert "kubernetes@winw1" in workspace.up()
    assert workspace.kubelets()["winw1"] == "v1.36.2" and workspace.compiled == []


def test_a_kubelet_that_is_newer_than_the_control_plane_is_refused_by_the_machines_too(tmp_path: Path) -> None:
    """As if our own rule had let it through."""
    workspace = Workspace(tmp_path, {"sha": "0123456", "control_plane": "release"}, source(MASTER))
    failed = workspace.cluster().up().failures[0]
    assert failed.step.name == "join@winw1" and isinstance(failed.error, StepFailed)
    assert f"the kubelet version v{MASTER} does not fit the control plane v1.36.4" in str(failed.error)


def test_a_program_for_another_system_does_not_run(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"sha": "0123456"}, source(RELEASED))
    wrong = workspace.folder / "cache" / "programs" / RELEASED / "kubelet.exe"
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(go_program("kubelet", RELEASED))
    failed = workspace.cluster().up().failures[0]
    assert "@winw1" in failed.step.name and "kubelet" in str(failed.error)


def test_a_containerd_that_was_built_takes_the_place_of_its_release(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {}, source(MASTER), more={"containerd": {"from_source": True}})
    workspace.up()
    assert set(workspace.compiled) == {"containerd", "containerd-shim-runc-v2", "ctr", "containerd.exe", "ctr.exe"}
    park = workspace.cluster().park
    linux = park.get("cp1").files.read("/usr/local/bin/containerd")
    windows = park.get("winw1").files.read("C:\\Program Files\\containerd\\containerd.exe")
    assert (linux, windows) == (go_program("containerd", "2.3.4"), go_program("containerd.exe", "2.3.4"))
    assert workspace.missing() == [] and workspace.up() == []


def test_a_shim_of_ones_own_replaces_the_releases_and_changes_in_place(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {}, source("0.15.0-rc.2"), more={"hcsshim": {"path": "/src/hcsshim"}})
    workspace.up()
    assert workspace.compiled == ["containerd-shim-runhcs-v1.exe"]
    workspace.state = source("0.15.0-rc.2-dirty")
    assert {"depot-built", "deliver-containerd@winw1", "containerd@winw1"} <= set(workspace.up())
    folder = "C:\\Program Files\\containerd"
    files = workspace.cluster().park.get("winw1").files
    name = "containerd-shim-runhcs-v1.exe"
    assert files.read(f"{folder}\\{name}") == go_program(name, "0.15.0-rc.2-dirty")
    assert [one for one in files.list(folder) if ".old" in one] == []
    assert workspace.missing() == [] and workspace.up() == []


def test_kubeadms_patches_reach_the_control_plane_and_the_linux_kubelets(tmp_path: Path) -> None:
    patches = {
        "kube-apiserver0+merge.yaml": {"metadata": {"annotations": {"example.org/mine": "yes"}}},
        "kubeletconfiguration.yaml": "maxPods: 42\n",
    }
    workspace = Workspace(tmp_path, {"kubeadm_patches": patches}, source(MASTER))
    workspace.more = {
        "machines": [{"name": "cp1", "os": "linux", "role": "control-plane"}, {"name": "lin1", "os": "linux"}]
    }
    workspace.up()
    park = workspace.cluster().park
    assert b"example.org/mine" in park.get("cp1").files.read("/etc/kubernetes/manifests/kube-apiserver.yaml")
    for name in ("cp1", "lin1"):
        assert b"maxPods: 42" in park.get(name).files.read("/var/lib/kubelet/config.yaml")
    assert workspace.missing() == []
