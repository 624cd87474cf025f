"""HostProcess containers on a modelled Windows node: their command runs on the host, as SYSTEM; and kube-proxy.exe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from provision import knowledge
from provision.rehearsal.models.windows_containerd import cri_fault
from provision.rehearsal.models.windows_hns import hns
from provision.rehearsal.models.windows_kubelet import node_report
from provision.rehearsal.models.windows_process import Program, WindowsProcess, machine_environment
from provision.rehearsal.models.windows_table import ProgramError, command, matches, program
from provision.rehearsal.powershell.box import Bound, CommandError

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

MOUNT = "C:\\hpc"
_FLAGS = frozenset(
    {
        "hostname-override", "proxy-mode", "kubeconfig", "enable-dsr", "source-vip", "feature-gates", "v", "config",
        "cluster-cidr", "network-name", "root-hnsendpoint-name", "windows-service", "bind-address", "log-file",
        "forward-healthcheck-vip", "healthz-port", "healthz-bind-address", "metrics-bind-address", "version", "master",
    }
)  # fmt: skip


def run_host_process(
    machine: WindowsMachine,
    command: Sequence[str],
    environment: Mapping[str, str],
    mounts: Mapping[str, bytes],
    killed: threading.Event,
    say: Callable[[bytes], object],
) -> int:
    """Run a HostProcess container's command to its end; one that serves, such as kube-proxy, ends with ``killed``.

    Args:
        environment: the container's own variables; CONTAINER_SANDBOX_MOUNT_POINT is added.
        mounts: path below the mount point (``/hybrid/start.ps1``) -> content.
        say: takes both output streams.
    """

    def tell(data: bytes) -> None:
        say(data)

    if node_report(machine) is None or cri_fault(machine):
        tell(b"rehearsal: the node runs no pods: kubelet or containerd is down\n")
        return 1
    for name, data in mounts.items():
        path = "\\".join([MOUNT, *name.replace("\\", "/").strip("/").split("/")])
        machine.files.make_folders(machine.files.parent(path))
        machine.files.write(path, data)
    variables = machine_environment(machine, "SYSTEM")
    variables.update({"CONTAINER_SANDBOX_MOUNT_POINT": MOUNT, **environment})
    process = WindowsProcess(machine, killed=killed, write=tell, write_error=tell, environment=variables, folder=MOUNT)
    found = process.find_program(command[0])
    if found is None:
        tell(f"{command[0]}: executable file not found in %PATH%\n".encode())
        return 127
    try:
        return process.program(found, list(command[1:]), None, tell, tell)
    except CommandError as error:
        tell(f"{error.message}\n".encode())
        return 1


@program("kube-proxy")
def kube_proxy(call: Program) -> int:
    """kube-proxy.exe: judges its flags, then runs until it is ended."""
    flags: dict[str, str] = {}
    for word in call.arguments:
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("--") or name not in _FLAGS:
            raise ProgramError(1, f"Error: unknown flag: {word.partition('=')[0]}")
        flags[name] = value if equals else "true"
    if "version" in flags:
        call.out(f"Kubernetes {call.what.version}")
        return 0
    _judge(call, flags)
    call.out(f'I "Version info" version="{call.what.version}" rehearsal')
    proxies = call.machine.proxies
    proxies.append(call.process)
    try:
        call.process.killed.wait()
    finally:
        proxies.remove(call.process)
    return 0xC000013A


@command("Stop-Process")
def stop_process(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    """Stop-Process -Name: of all programs only kube-proxy.exe runs as a process of its own here."""
    proxies = list(process.machine.proxies)
    for name in bound.texts("Name"):
        if not proxies or not matches("kube-proxy", name):
            raise CommandError(
                f'Cannot find a process with the name "{name}". Verify the process name and call the cmdlet again.',
                "NoProcessFoundForGivenName",
                category="ObjectNotFound",
                exception="Microsoft.PowerShell.Commands.ProcessCommandException",
            )
        for proxy in proxies:
            proxy.killed.set()
    return ()


def _judge(call: Program, flags: Mapping[str, str]) -> None:
    known = knowledge.kubernetes(call.what.version.removeprefix("v")).proxy_gates_known
    for gate in [g for g in flags.get("feature-gates", "").split(",") if g]:
        if gate.partition("=")[0] not in known:
            raise ProgramError(
                1, f'Error: invalid argument {gate!r} for "--feature-gates" flag: unrecognized feature gate'
            )
    if flags.get("proxy-mode", "kernelspace") != "kernelspace":
        raise ProgramError(1, f"Error: proxy mode {flags['proxy-mode']!r} is not supported on Windows")
    path = call.path_of(flags.get("kubeconfig", "")) if "kubeconfig" in flags else ""
    if not path or not call.machine.files.exists(path):
        raise ProgramError(1, f"Error: stat {path or 'no kubeconfig'}: The system cannot find the file specified.")
    name = call.process.environment.get("KUBE_NETWORK", "")
    with call.machine.state.reading():
        networks = [n for n in hns(call.machine)["networks"] if n["Name"].lower() == name.lower()]
    if not networks:
        raise ProgramError(1, f'Error: unable to find HNS Network specified by "{name}" (KUBE_NETWORK)')
    if networks[0]["Type"] == "Overlay" and not flags.get("source-vip"):
        raise ProgramError(1, "Error: source-vip flag not set, which is required for an overlay network")
