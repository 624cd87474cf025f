# ruff: noqa: ARG001 - programs and services have one signature
"""kubelet as a service: the flags and files that it needs, and what it reports of its node."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from provision import knowledge
from provision.rehearsal import yaml_text
from provision.rehearsal.models import linux_kernel
from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_containerd import cri_problem, images, running, sandbox
from provision.rehearsal.models.linux_process import KERNEL
from provision.rehearsal.models.linux_program import Usage
from provision.rehearsal.models.linux_units import SERVICES, STOPPED
from provision.rehearsal.models.neighbours import NodeReport
from provision.rehearsal.shell import Call

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

UNIT = "kubelet.service"
MANIFESTS = "/etc/kubernetes/manifests"
AUTHORITY = "/etc/kubernetes/pki/ca.crt"
_IMAGE = re.compile(rb"^\s*(?:- )?image: (\S+)$", re.MULTILINE)
FLAGS = frozenset(
    [
        "bootstrap-kubeconfig",
        "kubeconfig",
        "config",
        "node-ip",
        "hostname-override",
        "container-runtime-endpoint",
        "cert-dir",
        "pod-infra-container-image",
        "v",
        "node-labels",
        "register-with-taints",
        "root-dir",
        "cloud-provider",
        "feature-gates",
        "max-pods",
        "resolv-conf",
        "fail-swap-on",
        "cgroup-driver",
    ]
)


def serve(box: LinuxBox, words: tuple[str, ...], env: dict[str, str]) -> str | None:
    """kubelet stays up when its flags, configuration, credentials and runtime are right."""
    machine = box.machine
    flags: dict[str, str] = {}
    for word in words[1:]:
        name, _, value = word.lstrip("-").partition("=")
        if not word.startswith("--") or name not in FLAGS:
            return f"kubelet: failed to parse kubelet flag: unknown flag: {word.split('=')[0]}"
        flags[name] = value
    removed = [flag for flag in knowledge.removed_kubelet_flags(box.version) if flag.lstrip("-") in flags]
    if removed:
        return f"kubelet: failed to parse kubelet flag: unknown flag: --{removed[0].lstrip('-')}"
    path = flags.get("config", "")
    if not path or not box.files.exists(path):
        return (
            f'kubelet: "command failed" err="failed to load kubelet config file, path: {path}: no '
            f'such file or directory"'
        )
    try:
        config = yaml_text.load(box.files.read(path).decode())
    except yaml.YAMLError as error:
        return f'kubelet: "command failed" err="failed to load kubelet config file: {error}"'
    kubeconfigs = [flags.get(name, "") for name in ("kubeconfig", "bootstrap-kubeconfig")]
    if not any(name and box.files.exists(name) for name in kubeconfigs):
        return (
            f'kubelet: "command failed" err="failed to run Kubelet: unable to load bootstrap '
            f'kubeconfig: stat {kubeconfigs[1]}: no such file or directory"'
        )
    if linux_kernel.swapping(machine) and config.get("failSwapOn", True):
        return (
            'kubelet: "command failed" err="failed to run Kubelet: running with swap on is not '
            'supported, please disable swap or set --fail-swap-on flag to false"'
        )
    problem = cri_problem(machine)
    if problem:
        return f'kubelet: "command failed" err="failed to run Kubelet: validate service connection: {problem}"'
    runtime = running(machine) or {}
    driver = config.get("cgroupDriver", "systemd")
    with machine.state.change() as data:
        data["kubelet"] = {
            "version": box.version,
            "address": flags.get("node-ip") or _first_address(machine),
            "name": flags.get("hostname-override") or machine.hostname.lower(),
            "taints": [t for t in flags.get("register-with-taints", "").split(",") if t],
            "labels": dict(label.split("=", 1) for label in flags.get("node-labels", "").split(",") if "=" in label),
            "runtime": str(runtime.get("version", "")),
            "cgroups": driver == runtime.get("cgroup"),
        }
    return None


def _first_address(machine: LinuxMachine) -> str:
    # Without --node-ip kubelet takes the card of the default route: under Vagrant the same on each machine.
    return "10.0.2.15"


def started(machine: LinuxMachine) -> dict[str, Any] | None:
    """What the running kubelet was started with; None when it does not run."""
    machine.units.retry(UNIT)
    if not machine.units.is_active(UNIT) or running(machine) is None:
        return None
    with machine.state.reading() as data:
        found: dict[str, Any] = data.get("kubelet", {})
        return dict(found)


def node_report(machine: LinuxMachine) -> NodeReport | None:
    """See `LinuxMachine.node`."""
    found = started(machine)
    if found is None or not machine.files.exists("/etc/kubernetes/kubelet.conf"):
        return None
    return NodeReport(
        name=found["name"],
        os="linux",
        arch="amd64",
        os_image="Debian GNU/Linux 12 (bookworm)",
        kernel=KERNEL,
        kubelet_version=found["version"],
        runtime_version=f"containerd://{found['runtime'].lstrip('v')}",
        address=found["address"],
        labels=found["labels"],
        taints=tuple(found["taints"]),
        network_ready=network_ready(machine),
        authority=machine.files.read(AUTHORITY).decode() if machine.files.exists(AUTHORITY) else "",
        start=str(machine.units.since(UNIT)),
    )


def network_ready(machine: LinuxMachine) -> bool:
    """Calico's configuration and plugin lie where the running containerd looks for them."""
    runtime = running(machine)
    if runtime is None:
        return False
    config = f"{runtime['conf_dir']}/10-calico.conflist"
    return machine.files.exists(config) and any(machine.files.exists(f"{b}/calico") for b in runtime["bin_dirs"])


def static_pods(machine: LinuxMachine) -> set[str]:
    """The names of the static pods that the running kubelet keeps up."""
    found = started(machine)
    if found is None or not found.get("cgroups") or not machine.files.is_folder(MANIFESTS):
        return set()
    names = [name for name in machine.files.list(MANIFESTS) if name.endswith(".yaml")]
    there = images(machine)
    if there.lacks([sandbox(machine)]):
        return set()
    wanted = {name: _IMAGE.search(machine.files.read(f"{MANIFESTS}/{name}")) for name in names}
    return {
        name.removesuffix(".yaml")
        for name, image in wanted.items()
        if image is not None and there.has(image[1].decode())
    }


def stopped(machine: LinuxMachine) -> None:
    """Static pods go on without kubelet; the model lets them end with it (nothing of ours looks)."""


def kubelet(box: LinuxBox, call: Call) -> int:
    if call.argv[1:] == ("--version",):
        call.out(f"Kubernetes {box.version}\n")
        return 0
    raise Usage("rehearsal: kubelet runs as a unit", 70)


SERVICES["kubelet"] = serve
STOPPED[UNIT] = stopped
register({"kubelet": kubelet})
