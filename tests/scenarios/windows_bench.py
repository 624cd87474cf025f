"""A modelled Windows on its own: its steps run on it without sockets, beside a control plane that is a fake."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from provision.artifacts import catalog
from provision.clock import Deadline
from provision.facts.base import HostFacts, MachineFacts, World, parse_facts
from provision.guests.base import Boot, Result
from provision.rehearsal.contract import Streams
from provision.rehearsal.faults import MachineFaults
from provision.rehearsal.machine import Machine
from provision.rehearsal.models.cluster import make_ca
from provision.rehearsal.models.neighbours import HttpAnswer, HttpRequest, HttpService, JoinRefused, NodeReport
from provision.rehearsal.models.windows import WindowsMachine
from provision.rehearsal.park import Park
from provision.rehearsal.published import published
from provision.rehearsal.state import MachineState, Saver
from provision.render.engine import render
from provision.settings.complete import complete
from provision.settings.model import Kubernetes, Settings
from provision.settings.model import Machine as MachineSettings
from provision.steps.base import Missing, Satisfied, ScriptCall, Step
from provision.steps.probe import probe_script
from provision.steps.windows_node import windows_steps
from tests.scenarios.inprocess import Batched

TOKEN, CA_HASH, MASTER = "abcdef.0123456789abcdef", "sha256:" + "a" * 64, "192.168.56.10"


class Api:
    """A cluster that takes one token."""

    def __init__(self, version: str) -> None:
        self.kubernetes_version = version
        self.nodes: dict[str, NodeReport] = {}
        self.ca = make_ca("kubernetes")

    def cluster_info(self, token: str, ca_hashes: Iterable[str], moment: float) -> str:
        if token != TOKEN:
            raise JoinRefused("invalid token")
        if list(ca_hashes) and CA_HASH not in ca_hashes:
            raise JoinRefused(
                "cluster CA found in cluster-info ConfigMap is invalid: none of the public keys is pinned"
            )
        return self.ca

    def cluster_configuration(self) -> Mapping[str, object]:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "cgroupDriver": "systemd",
            "authentication": {"x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}},
            "clusterDNS": ["10.96.0.10"], "staticPodPath": "/etc/kubernetes/manifests",
        }  # fmt: skip
        return {"KubeletConfiguration": config}

    def has_node(self, name: str) -> bool:
        return name in self.nodes

    def register(self, machine: Machine, report: NodeReport) -> None:
        self.nodes[report.name] = report


class ControlPlane(Machine):
    """Serves files and the API at its address."""

    os = "linux"
    files_served: dict[str, bytes]
    api: Api
    refuses = False

    def addresses(self) -> list[str]:
        return [MASTER]

    def http(self, address: str, port: int) -> HttpService | None:
        return None if self.refuses or port != 8080 else self._answer

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        if request.body is not None:
            self.files_served[request.path] = request.body
            return HttpAnswer(201)
        data = self.files_served.get(request.path.rsplit("/", 1)[-1])
        if data is None:
            return HttpAnswer(404)
        start = int(request.headers.get("range", "bytes=0-")[6:-1])
        if start >= len(data):
            return HttpAnswer(416)
        body = data[start:]
        return HttpAnswer(206 if start else 200, body, {"content-length": str(len(body))})

    def cluster_api(self, address: str, port: int) -> Api | None:
        return self.api if port == 6443 else None


def settings(version: str = "1.36.4") -> Settings:
    return complete(
        Settings(
            provider="rehearsal",
            kubernetes=Kubernetes(version=version),
            machines=(
                MachineSettings(name="cp1", os="linux", role="control-plane", address=IPv4Address(MASTER)),
                MachineSettings(name="winw1", os="windows", address=IPv4Address("192.168.56.11")),
            ),
        )
    )


@dataclass
class Bench:
    """One Windows machine, switched on, and what its steps need."""

    folder: Path
    faults: tuple[str, ...] = ()
    settings: Settings = field(default_factory=settings)
    world: World = field(default_factory=World)
    said: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    scale: float = 0.0
    join_material: dict[str, Any] = field(default_factory=dict)
    # Without one, every change of the machine's state is written when it ends.
    saver: Saver | None = field(default_factory=Batched)

    def __post_init__(self) -> None:
        self.park = Park(self.folder, self.scale, self.faults, saver=self.saver)
        self.artifacts = self._published()
        state = MachineState(self.folder, "cp1", self.saver)
        spec = {"name": "cp1", "os": "linux", "user": "vagrant"}
        self.master = ControlPlane(state, spec, self.park.latencies, MachineFaults(state, "linux"), self.park)
        self.master.files_served = self.artifacts
        self.master.api = Api(f"v{self.settings.kubernetes.version}")
        self.master.start()
        self.park._machines["cp1"] = self.master
        windows = self.settings.machine("winw1")
        made = self.park.create(
            {"name": "winw1", "os": "windows", "role": "worker", "user": "vagrant", "transport": "winrm",
             "mac": windows.mac, "address": str(windows.address), "windows_version": "2022", "memory": 6144, "cpus": 2}
        )  # fmt: skip
        assert isinstance(made, WindowsMachine)
        self.machine = made
        made.start()
        self.shared: dict[str, object] = {"depot": self}
        self._look_around()
        self.deadline = Deadline(120)

    def _look_around(self) -> None:
        """The world without this machine's facts, and its steps."""
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in self.artifacts.items()}
        authority = hashlib.sha256(self.master.api.ca.encode()).hexdigest()
        kubeadm = {"initialised": True, "joined": False, "manifests": [], "config_digest": "", "authority": authority}
        self.world = World(
            machines={"cp1": MachineFacts("running", {"kubeadm": kubeadm})},
            cluster=MachineFacts("running", {"cluster.nodes": {"nodes": []}}),
            host=HostFacts(digests=digests, cached=frozenset(digests)),
        )
        self.steps = windows_steps(self.settings, self.settings.machine("winw1"))

    def _published(self) -> dict[str, bytes]:
        needed = catalog.needed(self.settings)
        return {spec.name: published(spec.url.removeprefix("https://")) or b"" for spec in needed}

    def moves_on(self, changed: Settings) -> None:
        """The same machine with other settings, and a control plane that was made again for them."""
        self.settings = changed
        self.artifacts = self._published()
        self.master.files_served = self.artifacts
        self.master.api = Api(f"v{changed.kubernetes.version}")
        self._look_around()

    def url(self, name: str) -> str:
        return f"http://{MASTER}:8080/secret/{name}"

    # The machine

    def line(self, command: str, stdin: bytes = b"") -> Result:
        out, err = bytearray(), bytearray()
        given = [stdin]

        class Input:
            def read(self, size: int = -1) -> bytes:
                return given.pop() if given else b""

        streams = Streams(Input(), out.extend, err.extend, threading.Event())
        code = self.machine.execute(command, streams)
        return Result("winw1", command, code, out.decode(), err.decode())

    def script(self, text: str) -> Result:
        self.machine.files.make_folders("C:\\scripts")
        self.machine.files.write("C:\\scripts\\x.ps1", text.encode())
        return self.line("powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File C:\\scripts\\x.ps1")

    # steps.base.Context, as far as Windows steps use it

    def run(self, call: ScriptCall, *, detached: bool = False, **runtime: object) -> dict[str, Any]:
        if call.template == "linux/70-join-token.sh":
            return self.join_material or {"token": TOKEN, "ca_hash": CA_HASH, "endpoint": f"{MASTER}:6443"}
        text = render(call.template, sections=list(self.step.changes), **call.parameters, **runtime)
        self.ran.append(call.template)
        result = self.script(text)
        self.said += result.out.splitlines()
        result.require()
        self._take(result)
        return {}

    def refresh(self, *sections: str, machine: str | None = None) -> None:
        if machine not in (None, "winw1"):
            return  # the control plane is not on this bench
        result = self.script(probe_script(self.settings.machine("winw1"), sections).text)
        self._take(result.require())

    def _take(self, result: Result) -> None:
        found = parse_facts(result.out)
        self.world = self.world.with_machine("winw1", self.world.machine("winw1").merged(found))

    def guest(self, machine: str | None = None) -> Bench:
        return self

    def reboot(self, deadline: Deadline, on_line: object = None) -> None:
        before = self.machine.boot_count
        self.line("shutdown.exe /r /t 0 /f").require()
        assert self.machine.boot_count == before + 1

    def restart(self, boot: Callable[[MachineFacts], Boot]) -> None:
        before = boot(self.world.machine("winw1"))
        self.reboot(self.deadline)
        self.refresh()
        assert boot(self.world.machine("winw1")).id != before.id

    def waits_for(self, what: str) -> None:
        self.said.append(f"waits for {what}")

    def on_line(self, text: str) -> None:
        self.said.append(text)

    # The steps

    def named(self, name: str) -> Step:
        return next(step for step in self.steps if step.name == f"{name}@winw1")

    def judge(self, name: str) -> Satisfied | Missing:
        return self.named(name).judge(self.settings, self.world)

    def apply(self, name: str) -> Satisfied | Missing:
        """Apply a step when it is missing; the judgement afterwards."""
        self.step = self.named(name)
        if isinstance(self.judge(name), Missing):
            if name == "calico-windows":
                self.machine.calico_started(adapter="kube", pod_subnet="10.244.1.0/26")
            if self.step.apply is not None:
                self.step.apply(self)  # type: ignore[arg-type]
            else:
                self.run(self.step.scripts[0], detached=self.step.detached)
        return self.judge(name)

    def all(self, last: str = "") -> None:
        """All steps in order, each satisfied, up to ``last``."""
        self.refresh()
        for step in self.steps:
            name = step.name.partition("@")[0]
            judged = self.apply(name)
            assert isinstance(judged, Satisfied), f"{name}: {judged.reason}\n" + "\n".join(self.said[-15:])
            if name == last:
                return
