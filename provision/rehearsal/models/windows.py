"""The modelled Windows machine: what the box holds at first, what a boot does, how command lines run."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from provision import knowledge
from provision.rehearsal.contract import Streams
from provision.rehearsal.machine import Machine
from provision.rehearsal.models import (  # noqa: F401 - they fill the tables
    windows_addresses,
    windows_computer,
    windows_containerd,
    windows_crictl,
    windows_curl,
    windows_defender,
    windows_firewall,
    windows_hns,
    windows_kubeadm,
    windows_kubelet,
    windows_pods,
    windows_programs,
    windows_routes,
    windows_sc,
    windows_services,
    windows_tasks,
    windows_wmi,
)
from provision.rehearsal.models.neighbours import NodeReport
from provision.rehearsal.models.windows_features import activate_features
from provision.rehearsal.models.windows_kubelet import node_report
from provision.rehearsal.models.windows_network import first_adapters, live_addresses, settle_network
from provision.rehearsal.models.windows_process import OEM, UTF8, Console, WindowsProcess
from provision.rehearsal.models.windows_registry import (
    COMPUTER_NAMES,
    CURRENT_VERSION,
    SYSTEM_ENVIRONMENT,
    TCPIP,
    MachineRegistry,
)
from provision.rehearsal.models.windows_scm import first_services, in_use, moved, start_at_boot, stop_all
from provision.rehearsal.standin import standin

SYSTEM_PROGRAMS = (
    "cmd", "powershell", "sc", "netsh", "shutdown", "tar", "curl", "certutil", "icacls", "chcp", "hostname", "w32tm",
    "xcopy", "reg", "ipconfig", "route", "whoami", "net", "tzutil", "timeout", "schtasks", "dism", "taskkill",
)  # fmt: skip
FOLDERS = (
    "C:\\Windows\\System32\\WindowsPowerShell\\v1.0", "C:\\Windows\\System32\\drivers\\etc", "C:\\Windows\\TEMP",
    "C:\\Windows\\System32\\config\\systemprofile\\AppData\\Local", "C:\\ProgramData\\ssh", "C:\\Program Files",
    "C:\\Program Files (x86)", "C:\\Users\\Public",
)  # fmt: skip
POLICIES = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System"
PATH = (
    "%SystemRoot%\\system32;%SystemRoot%;%SystemRoot%\\System32\\Wbem;%SystemRoot%\\System32\\WindowsPowerShell\\v1.0\\"
)
INTERRUPTED = 0xC000013A


class WindowsMachine(Machine):
    """`contract.ModelledMachine` for Windows Server."""

    os = "windows"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.files.guard = self._in_use
        self.files.moved = lambda old, new: moved(self, old, new)

    def _in_use(self, path: str) -> None:
        # Windows lets nobody write over or remove a program that runs; renaming it is allowed.
        if path.lower().endswith((".exe", ".exe.old")) and in_use(self, path):
            raise PermissionError(errno.EACCES, "The process cannot access the file because it is being used", path)

    @property
    def computer_name(self) -> str:
        """The active NetBIOS name."""
        with self.state.reading():
            return str(MachineRegistry(self.state).value(f"{COMPUTER_NAMES}\\ActiveComputerName", "ComputerName"))

    @property
    def host_name(self) -> str:
        """The active host name, in lower case."""
        with self.state.reading():
            return str(MachineRegistry(self.state).value(TCPIP, "Hostname")).lower()

    def admits_remote_administrator(self, user: str) -> bool:
        """Local accounts get a full token over the network only with LocalAccountTokenFilterPolicy."""
        with self.state.reading():
            policy = MachineRegistry(self.state).value(POLICIES, "LocalAccountTokenFilterPolicy", 0)
        return user.lower() == "administrator" or policy == 1

    def authorized_lines(self, user: str) -> list[str]:
        keys = "C:\\ProgramData\\ssh\\administrators_authorized_keys"
        if user.lower() != self.spec["user"] or not self.files.exists(keys):
            return []
        return self.files.read(keys).decode().splitlines()

    def addresses(self) -> list[str]:
        # Neighbours ask while they hold their own state: no lock here, or two machines wait for each other.
        return live_addresses(self)

    def node(self) -> NodeReport | None:
        """What the running kubelet says; None when it does not run, has no credentials or is cut off."""
        return node_report(self) if self.answers else None

    # What the cluster asks (neighbours.WindowsNode)

    @cached_property
    def proxies(self) -> list[WindowsProcess]:
        """The processes in which kube-proxy.exe runs; they die with the boot and with the rehearsal's process."""
        return []

    @property
    def proxy_runs(self) -> bool:
        """Whether kube-proxy.exe runs here."""
        return self.answers and bool(self.proxies)

    def image_names(self) -> frozenset[str]:
        """The images that its containerd has."""
        return frozenset(windows_containerd.images(self).names())

    def sandbox_image(self) -> str:
        """The pause image that every pod on it starts with."""
        return str((windows_containerd.runtime(self) or {}).get("sandbox", ""))

    def pull_image(self, name: str) -> str:
        """Have an image for a pod; returns why that cannot be."""
        return windows_containerd.images(self).pulled(name)

    def calico_started(self, *, adapter: str, pod_subnet: str) -> None:
        """What Calico's pods do here.

        Raises:
            windows_hns.NotPossible: they fail, and why.
        """
        windows_hns.calico_networks(self, adapter=adapter, pod_subnet=pod_subnet)

    def host_process(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        mounts: Mapping[str, bytes],
        killed: threading.Event,
        say: Callable[[bytes], object],
    ) -> int:
        """Run a HostProcess container's command to its end; see `windows_pods.run_host_process`."""
        return windows_pods.run_host_process(self, command, environment, mounts, killed, say)

    def execute(self, command_line: str, streams: Streams) -> int:
        if not self.takes("windows-command", streams):
            return INTERRUPTED
        process = WindowsProcess(
            self,
            killed=streams.killed,
            write=streams.stdout,
            write_error=streams.stderr,
            read=lambda: streams.stdin.read(-1),
            user=self.spec["user"],
            folder=f"C:\\Users\\{self.spec['user']}",
            # Our WinRM shells ask for UTF-8; sshd's have the console's own page.
            console=Console(UTF8 if self.spec.get("transport") == "winrm" else OEM),
        )
        return windows_programs.run_command_line(process, command_line)

    # Boots

    def created(self) -> None:
        row = knowledge.windows(self.spec["windows_version"])
        registry = MachineRegistry(self.state)
        registry.create(CURRENT_VERSION)
        for name, value in (
            ("ProductName", f"Windows Server {row.version} Standard Evaluation"),
            ("CurrentBuild", str(row.build)),
            ("CurrentBuildNumber", str(row.build)),
            ("InstallationType", "Server Core"),
        ):
            registry.set(CURRENT_VERSION, name, value, "String")
        registry.set(CURRENT_VERSION, "UBR", UPDATE_REVISIONS.get(row.build, 1), "DWord")
        fresh = "WIN-" + hashlib.sha256(self.name.encode()).hexdigest()[:11].upper()
        for key in ("ActiveComputerName", "ComputerName"):
            registry.put(f"{COMPUTER_NAMES}\\{key}", "ComputerName", fresh)
        for name in ("Hostname", "NV Hostname"):
            registry.put(TCPIP, name, fresh)
        registry.put(SYSTEM_ENVIRONMENT, "Path", PATH.replace("%SystemRoot%", "C:\\Windows"), "ExpandString")
        registry.put(SYSTEM_ENVIRONMENT, "PATHEXT", ".COM;.EXE;.BAT;.CMD;.VBS;.JS")
        registry.put(SYSTEM_ENVIRONMENT, "ComSpec", "C:\\Windows\\system32\\cmd.exe")
        registry.put(SYSTEM_ENVIRONMENT, "NUMBER_OF_PROCESSORS", str(self.spec.get("cpus", 2)))
        registry.put(SYSTEM_ENVIRONMENT, "PROCESSOR_ARCHITECTURE", "AMD64")
        registry.put(POLICIES, "LocalAccountTokenFilterPolicy", 1, "DWord")
        registry.create("HKLM:\\SOFTWARE\\Policies\\Microsoft\\Windows")
        registry.create("HKLM:\\SYSTEM\\CurrentControlSet\\Policies\\Microsoft")
        for folder in (*FOLDERS, f"C:\\Users\\{self.spec['user']}\\AppData\\Local\\Temp"):
            self.files.make_folders(folder)
        for name in SYSTEM_PROGRAMS:
            self.files.write(_program_path(name), standin(name, f"10.0.{row.build}", "windows", size=32))
        self.files.write("C:\\Windows\\System32\\drivers\\etc\\hosts", b"# localhost name resolution\r\n")
        public = self.spec.get("public_key")
        if public:
            self.files.write("C:\\ProgramData\\ssh\\administrators_authorized_keys", f"{public}\r\n".encode())
        first_adapters(self)
        first_services(self)
        self.state.section("features").update(installed=[], pending=[])
        self.state.data["ports"] = {"tcp": [49152, 16384], "udp": [49152, 16384]}
        self.state.data["defender"] = {"ExclusionProcess": [], "ExclusionPath": []}

    def went_down(self) -> None:
        stop_all(self)
        windows_tasks.end_all(self)

    def booted(self) -> None:
        registry = MachineRegistry(self.state)
        coming = str(registry.value(f"{COMPUTER_NAMES}\\ComputerName", "ComputerName"))
        registry.put(f"{COMPUTER_NAMES}\\ActiveComputerName", "ComputerName", coming.upper())
        registry.put(TCPIP, "Hostname", str(registry.value(TCPIP, "NV Hostname", coming)))
        settle_network(self)
        activate_features(self)
        start_at_boot(self)

    def resumed(self) -> None:
        windows_tasks.end_all(self)


# A cumulative update that is new enough for the known faults of each build; see the knowledge tables.
UPDATE_REVISIONS = {17763: 7678, 20348: 4171, 26100: 6899}


def _program_path(name: str) -> str:
    if name == "powershell":
        return "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
    return f"C:\\Windows\\System32\\{name}{'.com' if name == 'chcp' else '.exe'}"
