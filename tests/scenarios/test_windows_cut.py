"""A script that is killed after any one of its changes: the next run brings about that what runs is what is on disk.

Facts show files and registrations, not what a process read when it was started.  So a script that replaces either has
to leave no running process behind that still goes by the old one, wherever it is cut off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from provision.rehearsal.contract import Streams
from provision.rehearsal.models.windows_registry import MachineRegistry
from provision.rehearsal.models.windows_scm import get, start, stop
from provision.rehearsal.standin import standin
from provision.render.engine import render
from provision.steps.base import Satisfied
from provision.steps.components import wanted_digests
from provision.steps.windows_files import KUBERNETES_FILES, containerd_files
from tests.scenarios import effects_spoil as spoil
from tests.scenarios.effects import Snapshot
from tests.scenarios.windows_bench import Bench

FLAGS = "C:\\var\\lib\\kubelet\\kubeadm-flags.env"
SERVICE = "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\containerd"
SCRIPT = "C:\\scripts\\x.ps1"


class Nothing:
    def read(self, size: int = -1) -> bytes:
        return b""


class Proxy:
    """A kube-proxy.exe that was started from what lay in C:\\k."""

    def __init__(self) -> None:
        self.killed = threading.Event()


@dataclass(frozen=True)
class Case:
    """An old thing that runs, the step that brings the new one, and what must run in the end."""

    step: str
    old: Callable[[Bench], None]
    new: Callable[[Bench], bool]


def running(bench: Bench, part: str) -> dict[str, Any]:
    found: dict[str, Any] = bench.machine.state.data[part]
    return found


def again(bench: Bench, *names: str) -> None:
    """Services end and start, so that what runs is what is on disk now."""
    for name in names:
        stop(bench.machine, name, force=True)
    for name in reversed(names):
        start(bench.machine, name)


def old_config(bench: Bench) -> None:
    path = f"{spoil.CONTAINERD}\\config.toml"
    text = bench.machine.files.read(path).replace(b"pause:3.10.2", b"pause:3.9")
    bench.machine.files.write(path, text)
    again(bench, "kubelet", "containerd")
    assert running(bench, "containerd")["sandbox"].endswith("pause:3.9")


def old_environment(bench: Bench) -> None:
    with bench.machine.state.change():
        MachineRegistry(bench.machine.state).put(SERVICE, "Environment", ["HTTP_PROXY=http://old"], "MultiString")
    again(bench, "kubelet", "containerd")
    assert running(bench, "containerd")["environment"] == ["HTTP_PROXY=http://old"]


def old_command(bench: Bench) -> None:
    service = get(bench.machine, "kubelet")
    service["path"] = service["path"].replace(":NoSchedule", ":NoExecute")
    again(bench, "kubelet")
    assert running(bench, "kubelet")["taints"] == ["os=windows:NoExecute"]


def fewer_flags(bench: Bench) -> None:
    text = bench.machine.files.read(FLAGS).decode().rstrip().removesuffix('"')
    bench.machine.files.write(FLAGS, f'{text} --node-labels=a=b"\n'.encode())


def old_programs(bench: Bench) -> None:
    stop(bench.machine, "kubelet", force=True)
    for name in ("kubelet", "kube-proxy"):
        bench.machine.files.write(f"C:\\k\\{name}.exe", standin(name, "v1.36.3", "windows"))
    start(bench.machine, "kubelet")
    assert running(bench, "kubelet")["version"] == "v1.36.3"


def nobody_starts_the_old_kubelet(bench: Bench) -> None:
    """As `old_programs`, but somebody has stopped the kubelet; kube-proxy, whose container lives on, runs."""
    old_programs(bench)
    stop(bench.machine, "kubelet", force=True)


def new_programs(bench: Bench) -> bool:
    return running(bench, "kubelet")["version"] == "v1.36.4" and not bench.machine.proxies


CASES = {
    "config": Case("containerd", old_config, lambda b: running(b, "containerd")["sandbox"].endswith("pause:3.10.2")),
    "environment": Case("containerd", old_environment, lambda b: running(b, "containerd")["environment"] == []),
    "command": Case(
        "kubelet-service", old_command, lambda b: running(b, "kubelet")["taints"] == ["os=windows:NoSchedule"]
    ),
    "flags": Case("join", fewer_flags, lambda b: running(b, "kubelet")["labels"] == {"a": "b"}),
    "programs": Case("kubernetes", old_programs, new_programs),
    "programs-of-a-stopped-kubelet": Case("kubernetes", nobody_starts_the_old_kubelet, new_programs),
}


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Snapshot]:
    bench = Bench(tmp_path_factory.mktemp("cut"), saver=None)
    bench.all()
    return bench, Snapshot.of(bench)


@contextmanager
def cut_after(bench: Bench, changes: int) -> Iterator[threading.Event]:
    """An event that is set when the machine has changed so often."""
    state, killed = bench.machine.state, threading.Event()
    whole, left = state.save, [changes]

    def save() -> None:
        whole()
        left[0] -= 1
        if left[0] == 0:
            killed.set()

    state.save = save  # type: ignore[method-assign]
    try:
        yield killed
    finally:
        state.save = whole  # type: ignore[method-assign]


def text_of(bench: Bench, step: str) -> str:
    call = bench.named(step).scripts[-1]
    runtime: dict[str, object] = {"leave": False, "join_config": ""} if step == "join" else {}
    names = {"containerd": containerd_files(bench.settings), "kubernetes": KUBERNETES_FILES}.get(step)
    if names:
        runtime["digests"] = wanted_digests(bench.world, names)
    return render(call.template, sections=[], **call.parameters, **runtime)


@pytest.mark.parametrize("name", CASES)
def test_after_a_cut_what_runs_is_what_is_on_disk(joined: tuple[Bench, Snapshot], name: str) -> None:
    bench, finished = joined
    case = CASES[name]
    cuts = 0
    while True:
        cuts += 1
        finished.restore(bench)
        case.old(bench)
        proxy = Proxy()
        bench.machine.proxies[:] = [proxy]  # type: ignore[list-item]
        bench.machine.files.make_folders("C:\\scripts")
        bench.machine.files.write(SCRIPT, text_of(bench, case.step).encode())
        said = bytearray()
        with cut_after(bench, cuts) as killed:
            streams = Streams(Nothing(), said.extend, said.extend, killed)
            bench.machine.execute(f"powershell.exe -NoProfile -ExecutionPolicy Bypass -File {SCRIPT}", streams)
        if proxy.killed.is_set():
            bench.machine.proxies.clear()
        before = said.decode()
        bench.refresh()
        for step in bench.steps:
            judged = bench.apply(step.name.partition("@")[0])
            assert isinstance(judged, Satisfied), f"cut {cuts}, {step.name}: {judged.reason}\n{before}"
        if proxy.killed.is_set():
            bench.machine.proxies.clear()
        bench.refresh()
        assert case.new(bench), f"cut after change {cuts}, which had said:\n{before}"
        if not killed.is_set():
            break
    assert cuts > 3
