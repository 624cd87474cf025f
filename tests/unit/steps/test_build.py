"""Steps that build: which files each builds, what waits for what, and what is told."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provision.artifacts.base import ArtifactSpec
from provision.artifacts.catalog import needed
from provision.build.base import OnProgress
from provision.clock import Deadline
from provision.facts.base import HostFacts, World
from provision.plan import plan
from provision.settings.complete import complete
from provision.settings.model import Chosen, Machine, OwnFile, Settings, SourceState
from provision.steps.base import Missing, Satisfied
from provision.steps.build import build_steps, step_of


def state(version: str, tree: str = "a" * 40) -> SourceState:
    return SourceState(
        remote="https://example.org/k",
        commit="c" * 40,
        tree=tree,
        dirty=False,
        version=version,
        committed=1,
        go="1.26.4",
    )


NODES = state("1.38.0-alpha.0.13+bbbbbbbbbbbbbb", "b" * 40)
PLANE = state("1.38.0-alpha.0.12+aaaaaaaaaaaaaa")


def settings(**chosen: Any) -> Settings:
    given = {"control_plane": "release", "version": "1.36.4", "nodes": "1.36.4", "why": "", **chosen}
    made = complete(Settings(machines=(*Settings().machines, Machine(name="lin1", os="linux"))))
    kubernetes = made.kubernetes.model_copy(update={"version": given["version"]})
    return made.model_copy(update={"kubernetes": kubernetes, "chosen": Chosen(**given)})


def urls(made: Settings) -> dict[str, str]:
    return {spec.name: spec.url for spec in needed(made)}


def test_beside_a_release_only_the_programs_of_windows_nodes_are_built() -> None:
    found = urls(settings(source=NODES, nodes=NODES.version))
    assert {name for name, url in found.items() if url.startswith("build:")} == {"kubelet.exe", "kube-proxy.exe"}
    assert found["kubelet.exe"] == f"build:kubernetes/{'b' * 40}/kubelet.exe"
    assert found["kubeadm.exe"] == "https://dl.k8s.io/release/v1.36.4/bin/windows/amd64/kubeadm.exe"


def test_of_a_ci_build_everything_but_what_is_built_comes_from_there() -> None:
    version = "1.38.0-alpha.0.40+0123456789abcd"
    found = urls(settings(control_plane="ci", version=version, source=NODES))
    assert found["kubelet"] == f"https://dl.k8s.io/ci/v{version}/bin/linux/amd64/kubelet"
    assert found["kube-log-runner.exe"].startswith(f"https://dl.k8s.io/ci/v{version}/")
    assert found["kube-proxy.exe"].startswith("build:")


def test_a_control_plane_from_source_is_built_and_its_images_are_made() -> None:
    made = settings(control_plane="source", version=PLANE.version, source=NODES, plane_source=PLANE)
    found = urls(made)
    assert not [url for name, url in found.items() if name.startswith("kube") and url.startswith("https:")]
    assert "/aaaa" in found["kubeadm.exe"] and "/bbbb" in found["kubelet.exe"]
    tag = PLANE.version.replace("+", "_")
    assert found["kube-apiserver.tar"] == f"image:registry.k8s.io/kube-apiserver:v{tag}?tree={'a' * 40}"
    linux, *windows = build_steps(needed(made))
    assert linux.title.startswith("kubelet, kubeadm, kubectl, kube-apiserver, kube-controller-manager, kube-scheduler")
    assert [step.needs for step in windows] == [(linux.name,), (windows[0].name,)]
    assert linux.costs == 2176 and all(step.costs == 1536 or step.costs == 1280 for step in windows)


def test_machines_start_while_it_is_built_and_only_what_is_built_waits() -> None:
    steps = {step.name: step for step in plan(settings(source=NODES, nodes=NODES.version)).steps}
    (build,) = (step for step in steps.values() if step.name.startswith("build-"))
    assert build.lane == "host" and not build.needs
    assert build.name not in steps["depot"].needs
    assert {"depot", build.name} <= set(steps["depot-built"].needs)
    assert "depot-built" in steps["deliver-kubernetes@winw1"].needs
    assert "depot-built" not in steps["deliver-containerd@winw1"].needs


def test_the_same_tree_under_another_commit_is_another_build() -> None:
    made = settings(control_plane="source", version=PLANE.version, source=state("1.38.0-x+1"), plane_source=PLANE)
    by_name = {spec.name: step_of(spec) for spec in needed(made)}
    assert by_name["kubelet.exe"] != by_name["kubeadm.exe"]


def test_own_files_take_the_place_of_what_would_be_fetched_or_built() -> None:
    own = OwnFile(path=Path("/home/me/kubelet.exe"), version="1.36.9", sha256="d" * 64)
    made = settings(source=NODES, binaries={"kubelet.exe": own})
    assert urls(made)["kubelet.exe"] == f"file:/home/me/kubelet.exe?sha256={'d' * 64}"


@dataclass
class Ctx:
    """What a build step works with, and what it said."""

    store: Any
    shared: dict[str, object]
    deadline: Deadline = field(default_factory=lambda: Deadline(5))
    stop: threading.Event = field(default_factory=threading.Event)
    said: list[str] = field(default_factory=list)

    def waits_for(self, what: str) -> None:
        self.said.append(what)

    def on_line(self, text: str) -> None:
        self.said.append(text)

    def note_host(self) -> None:
        self.said.append("noted")


class Store:
    def __init__(self) -> None:
        self.fetched: list[str] = []

    def fetch(self, name: str, deadline: Deadline, on_bytes: object = None, stop: object = None) -> None:
        self.fetched.append(name)


def test_a_step_builds_all_of_its_source_at_once_and_says_how_far_it_is() -> None:
    calls: list[list[str]] = []

    def builds(
        specs: Sequence[ArtifactSpec], deadline: Deadline, on_progress: OnProgress, on_line: Any, stop: threading.Event
    ) -> None:
        calls.append([spec.name for spec in specs])
        on_progress(612, 1804, "compiling")
        on_progress(0, None, "reading the source")
        assert stop is ctx.stop

    made = settings(source=NODES)
    (step,) = build_steps(needed(made))
    ctx = Ctx(Store(), {"builds": builds})
    assert step.apply is not None
    step.apply(ctx)  # type: ignore[arg-type]
    assert calls == [["kubelet.exe", "kube-proxy.exe"]] and ctx.store.fetched == calls[0]
    assert ctx.said == ["612 of 1,804 packages, compiling", "reading the source", "noted"]


@pytest.mark.parametrize(("cached", "true"), [({"kubelet.exe"}, False), ({"kubelet.exe", "kube-proxy.exe"}, True)])
def test_a_step_is_true_when_all_its_files_are_in_the_cache(cached: set[str], true: bool) -> None:
    made = settings(source=NODES)
    (step,) = build_steps(needed(made))
    world = World(host=HostFacts(digests=dict.fromkeys(cached, "e" * 64), cached=frozenset(cached)))
    assert isinstance(step.judge(made, world), Satisfied if true else Missing)
