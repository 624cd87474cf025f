"""kubelet.exe as a service of a modelled Windows: what it needs, what it refuses, what it registers."""

from __future__ import annotations

import ntpath
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from provision import knowledge
from provision.rehearsal import yaml_text
from provision.rehearsal.models.neighbours import ClusterApi, JoinRefused, NodeReport, api_at
from provision.rehearsal.models.windows_containerd import ENDPOINTS, cri_fault, runtime
from provision.rehearsal.models.windows_hns import hns
from provision.rehearsal.models.windows_kubelet_flags import Refused, judge_config, parse_flags
from provision.rehearsal.models.windows_network import card_of_address, live_addresses
from provision.rehearsal.models.windows_process import Program
from provision.rehearsal.models.windows_scm import ServiceDies, Started, service_main, services
from provision.rehearsal.models.windows_table import ProgramError, program
from provision.rehearsal.standin import UNSTAMPED, StandIn, read_standin

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

_RUNNER_FLAGS = ("log-file", "also-stdout", "redirect-stderr")
_ROTATION = {
    "log-file-size": r"\d+(Ki|Mi|Gi|k|M|G)?",
    "log-file-age": r"(\d+(h|m|s))+",
    "flush-interval": r"(\d+(h|m|s))+",
}
_ROTATION_FLAGS = tuple(_ROTATION)


@service_main("kube-log-runner")
def log_runner(started: Started) -> None:
    """kube-log-runner.exe: opens the log and runs the program that follows its own flags."""
    words = list(started.arguments)
    log = None
    # A runner that was built shows no version: it is of a source of today.
    version = knowledge.NEWEST if started.what.version == UNSTAMPED else started.what.version.removeprefix("v")
    rotates = knowledge.kubernetes(version).log_rotation
    known = _RUNNER_FLAGS + (_ROTATION_FLAGS if rotates else ())
    while words and words[0].startswith("-"):
        name, equals, value = words.pop(0).lstrip("-").partition("=")
        if name not in known:
            raise ServiceDies(f"flag provided but not defined: -{name}")
        if name in _ROTATION_FLAGS and not re.fullmatch(_ROTATION[name], value):
            raise ServiceDies(f'invalid value "{value}" for flag -{name}')
        if name == "log-file":
            log = value if equals else words.pop(0)
    if not words:
        raise ServiceDies("kube-log-runner: no command to run")
    machine = started.machine
    if log is not None:
        log = ntpath.normpath(log)
        if not machine.files.is_folder(ntpath.dirname(log)):
            raise ServiceDies(f"open {log}: The system cannot find the path specified.")
    path = ntpath.normpath(words[0])
    if not machine.files.exists(path):
        raise ServiceDies(f"exec: {words[0]}: file does not exist")
    what = read_standin(machine.files.read(path))
    if what is None or what.os != "windows":
        raise ServiceDies(f"fork/exec {words[0]}: %1 is not a valid Win32 application.")
    if what.program != "kubelet":
        raise ServiceDies(f"{what.program} does not answer the service control manager")
    _run(machine, what, words[1:], log)


@service_main("kubelet")
def kubelet_service(started: Started) -> None:
    """kubelet.exe itself as the service's program."""
    _run(started.machine, started.what, started.arguments, None)


def _run(machine: WindowsMachine, what: StandIn, arguments: list[str], log: str | None) -> None:
    machine.state.data.pop("kubelet", None)
    try:
        flags = parse_flags(arguments, what.version.removeprefix("v"))
        config = _config(machine, flags)
    except Refused as error:
        _log(machine, log, f'E "command failed" err="{error}"')
        raise ServiceDies(str(error)) from error
    if flags.get("windows-service") != "true":
        raise ServiceDies("kubelet.exe was not started with --windows-service")
    try:
        _start(machine, what, flags, config, log)
    except Refused as error:
        _log(machine, log, f'E "Failed to run kubelet" err="{error}"')
        raise ServiceDies(str(error), answered=True) from error


def _config(machine: WindowsMachine, flags: Mapping[str, str]) -> Mapping[str, Any]:
    if "config" not in flags:
        return {}
    path = _path(flags["config"])
    if not machine.files.exists(path):
        raise Refused(
            f"failed to load kubelet config file, path: {flags['config']}, error: open {path}: The system cannot find"
            " the file specified."
        )
    try:
        return judge_config(yaml_text.load(machine.files.read(path)))
    except yaml.YAMLError as error:
        raise Refused(f"failed to load kubelet config file: {error}") from error


def _path(text: str) -> str:
    plain = ntpath.normpath(text.replace("/", "\\"))
    return plain if ntpath.splitdrive(plain)[0] else "C:" + plain


def _start(
    machine: WindowsMachine, what: StandIn, flags: Mapping[str, str], config: Mapping[str, Any], log: str | None
) -> None:
    if flags.get("cgroups-per-qos", str(config.get("cgroupsPerQOS", True)).lower()) != "false":
        raise Refused("invalid configuration: CgroupsPerQOS (--cgroups-per-qos) true is not supported on Windows")
    allocatable = flags.get("enforce-node-allocatable", ",".join(config.get("enforceNodeAllocatable", ["pods"])))
    if allocatable not in ("", "none"):
        raise Refused(f"invalid configuration: EnforceNodeAllocatable {allocatable} is not supported on Windows")
    endpoint = flags.get("container-runtime-endpoint") or config.get("containerRuntimeEndpoint") or ""
    fault = cri_fault(machine) if endpoint in ENDPOINTS else f"open {endpoint or 'no endpoint'}: no such pipe"
    if fault:
        raise Refused(f'validate service connection: validate CRI v1 runtime API for endpoint "{endpoint}": {fault}')
    priority = flags.get("windows-priorityclass")
    if priority and not re.fullmatch(r"(IDLE|BELOW_NORMAL|NORMAL|ABOVE_NORMAL|HIGH|REALTIME)_PRIORITY_CLASS", priority):
        raise Refused(f"unknown process priority class {priority}")
    credentials = _credentials(machine, flags)
    name = flags.get("hostname-override") or machine.host_name
    address = flags.get("node-ip") or _default_address(machine)
    with machine.state.change() as data:
        data["kubelet"] = {
            "version": what.version, "name": name.lower(), "address": address, "server": credentials["server"],
            "taints": [t for t in flags.get("register-with-taints", "").split(",") if t],
            "labels": dict(pair.split("=", 1) for pair in flags.get("node-labels", "").split(",") if "=" in pair),
        }  # fmt: skip
    _log(machine, log, f'I "Kubelet version" kubeletVersion="{what.version}" rehearsal')
    if card_of_address(machine, address) is None:
        _log(
            machine,
            log,
            f'E "Failed to set some node status fields" err="failed to validate nodeIP: {address} not found"',
        )
        return
    register(machine)


def _credentials(machine: WindowsMachine, flags: Mapping[str, str]) -> Mapping[str, str]:
    """Server and identity of the kubeconfig; made from the bootstrap one where there is only that.

    Raises:
        Refused: neither is usable.
    """
    path = _path(flags.get("kubeconfig", ""))
    if machine.files.exists(path):
        return {"server": kubeconfig(machine, path)["server"]}
    bootstrap = _path(flags.get("bootstrap-kubeconfig", ""))
    if not machine.files.exists(bootstrap):
        raise Refused(f"failed to run Kubelet: unable to load bootstrap kubeconfig: stat {bootstrap}: The system cannot"
                      " find the file specified.")  # fmt: skip
    given = kubeconfig(machine, bootstrap)
    api = _api(machine, given["server"])
    if api is None:
        raise Refused(f"cannot create certificate signing request: dial {given['server']}: connection refused")
    try:
        authority = api.cluster_info(given.get("token", ""), (), machine.clock())
    except JoinRefused as error:
        raise Refused(f"cannot create certificate signing request: Unauthorized ({error})") from error
    folder = _path(flags.get("cert-dir", "C:\\var\\lib\\kubelet\\pki"))
    machine.files.make_folders(folder)
    machine.files.write(f"{folder}\\kubelet-client-current.pem", b"hybrid rehearsal: client certificate\n", 0o600)
    machine.files.write(
        path, kubeconfig_text(given["server"], authority, f"{folder}\\kubelet-client-current.pem").encode()
    )
    return {"server": given["server"]}


def kubeconfig_text(server: str, authority: str, certificate: str = "", token: str = "") -> str:
    """A kubeconfig as the kubelet and kubeadm write it."""
    user = {"token": token} if token else {"client-certificate": certificate, "client-key": certificate}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "clusters": [
                {"cluster": {"certificate-authority-data": authority, "server": server}, "name": "default-cluster"}
            ],
            "contexts": [
                {"context": {"cluster": "default-cluster", "user": "default-auth"}, "name": "default-context"}
            ],
            "current-context": "default-context",
            "kind": "Config",
            "users": [{"name": "default-auth", "user": user}],
        },
        sort_keys=False,
    )


def kubeconfig(machine: WindowsMachine, path: str) -> dict[str, str]:
    """Server and token of a kubeconfig.

    Raises:
        Refused: it cannot be read.
    """
    try:
        document = yaml_text.load(machine.files.read(path))
        user = document["users"][0]["user"]
        return {"server": document["clusters"][0]["cluster"]["server"], "token": user.get("token", "")}
    except (yaml.YAMLError, KeyError, TypeError, IndexError) as error:
        raise Refused(f"failed to load kubeconfig {path}: {error}") from error


def _api(machine: WindowsMachine, server: str) -> ClusterApi | None:
    parts = urlsplit(server)
    try:
        return api_at(machine.neighbours, parts.hostname or "", parts.port or 6443)
    except TimeoutError:
        return None


def _default_address(machine: WindowsMachine) -> str:
    """Without --node-ip: the first address of the card that has the default route, which is the wrong one."""
    return next(iter(live_addresses(machine)), "")


def register(machine: WindowsMachine) -> None:
    """Tell the API that this node is there; a kubelet that cannot reach it goes on trying."""
    report = node_report(machine)
    with machine.state.reading() as data:
        server = data.get("kubelet", {}).get("server", "")
    api = _api(machine, server)
    if report is not None and api is not None:
        api.register(machine, report)


def node_report(machine: WindowsMachine) -> NodeReport | None:
    """What the kubelet says now; None while it does not run or its address is not there."""
    with machine.state.reading() as data:
        state = data.get("kubelet")
        if state is None or services(machine).get("kubelet", {}).get("state") != "Running":
            return None
        if card_of_address(machine, state["address"]) is None:
            return None
        containerd = runtime(machine)
        row = knowledge.windows(machine.spec["windows_version"])
        return NodeReport(
            name=state["name"],
            os="windows",
            arch="amd64",
            os_image=f"Windows Server {row.version} Standard Evaluation",
            kernel=f"10.0.{row.build}",
            kubelet_version=state["version"],
            runtime_version=f"containerd://{containerd['version'].removeprefix('v')}" if containerd else "",
            address=state["address"],
            labels={"node.kubernetes.io/windows-build": f"10.0.{row.build}", **state["labels"]},
            taints=tuple(state["taints"]),
            network_ready=network_ready(machine),
            authority=_authority(machine),
            start=str(services(machine)["kubelet"].get("starts", 0)),
        )


def _authority(machine: WindowsMachine) -> str:
    path = "C:\\etc\\kubernetes\\pki\\ca.crt"
    return machine.files.read(path).decode() if machine.files.exists(path) else ""


def network_ready(machine: WindowsMachine) -> bool:
    """Calico has its network, and its configuration and plugin lie where containerd looks for them."""
    containerd = runtime(machine)
    if containerd is None or not any(n["Name"] == "Calico" for n in hns(machine)["networks"]):
        return False
    config = _path(containerd["conf_dir"]) + "\\10-calico.conflist"
    plugins = [_path(folder) + "\\calico.exe" for folder in containerd["bin_dirs"]]
    return machine.files.exists(config) and any(machine.files.exists(path) for path in plugins)


def _log(machine: WindowsMachine, path: str | None, text: str) -> None:
    if path:
        machine.files.append(path, f"{text}\n".encode())


@program("kubelet")
def kubelet(call: Program) -> int:
    """kubelet.exe by hand: --version."""
    try:
        flags = parse_flags(call.arguments, call.what.version.removeprefix("v"))
    except Refused as error:
        raise ProgramError(1, f"Error: {error}") from error
    if "version" in flags:
        call.out(f"Kubernetes {call.what.version}")
        return 0
    raise ProgramError(1, "rehearsal: kubelet.exe in the foreground is not modelled")
