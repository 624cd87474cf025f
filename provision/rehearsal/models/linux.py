"""The modelled Linux machine: what its box holds, what a boot does, how command lines run.

Read next: `linux_box` (a process), `linux_unit_files` and `linux_units` (systemd), then the programs by subject:
`linux_coreutils`, `linux_text`, `linux_archive`, `linux_process`, `linux_systemd`, `linux_kernel`, `linux_network`,
`linux_apt`, `linux_containerd`, `linux_kubelet`, `linux_kubeadm`, `linux_kubectl`.  The cluster itself is in `cluster`.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

from provision.rehearsal.contract import Streams
from provision.rehearsal.latency import pause
from provision.rehearsal.machine import Machine
from provision.rehearsal.models import (  # noqa: F401 - they make their programs known
    linux_apt,
    linux_archive,
    linux_containerd,
    linux_coreutils,
    linux_ctr,
    linux_depot,
    linux_files,
    linux_kernel,
    linux_kubeadm,
    linux_kubectl,
    linux_kubelet,
    linux_network,
    linux_process,
    linux_systemd,
    linux_text,
    linux_trust,
)
from provision.rehearsal.models.cluster import Cluster
from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_unit_files import UnitError
from provision.rehearsal.models.linux_units import Units
from provision.rehearsal.models.neighbours import ClusterApi, HttpService, NodeReport
from provision.rehearsal.shell import Unsupported, run_script
from provision.rehearsal.standin import standin

register(linux_coreutils.PROGRAMS)
register(linux_files.PROGRAMS)
register(linux_text.PROGRAMS)

SBIN = (
    "modprobe",
    "lsmod",
    "sysctl",
    "swapoff",
    "swapon",
    "ip",
    "nft",
    "iptables",
    "losetup",
    "ethtool",
    "update-ca-certificates",
)
BIN = (
    *linux_coreutils.PROGRAMS, *linux_files.PROGRAMS, *linux_text.PROGRAMS,
    "bash", "sudo", "timeout", "sleep", "env", "nice", "kill", "uname",
    "hostname", "whoami", "id", "nproc", "df", "timedatectl", "tar", "systemctl", "systemd-run", "journalctl",
    "hostnamectl", "python3", "apt-get", "mount", "umount",
)  # fmt: skip
FOLDERS = (
    "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/etc/systemd/system", "/usr/lib/systemd/system",
    "/etc/sysctl.d", "/etc/modules-load.d", "/etc/systemd/network", "/root", "/tmp", "/var/tmp",  # noqa: S108
    "/var/lib", "/var/log",
    "/dev/fd", "/opt", "/srv", "/etc/default", "/etc/apt", "/proc", "/run",
)  # fmt: skip
OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""
REHEARSAL_ERROR = 70


class LinuxMachine(Machine):
    """`contract.ModelledMachine` for a Debian box; also what `neighbours` asks of a control plane."""

    os = "linux"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.units = Units(self)
        self.booting_up = False
        self._numbers = itertools.count(1000)
        self._processes: dict[int, threading.Event] = {}
        self._services: dict[str, int] = {}
        self._cluster = Cluster(self)
        self._acting = threading.Lock()

    # What the servers and neighbours ask

    def execute(self, command_line: str, streams: Streams) -> int:
        pid, event = self.new_process()
        user = str(self.spec["user"])
        box = LinuxBox(self, user, pid, [event, streams.killed, self.down])
        home = "/root" if user == "root" else f"/home/{user}"
        try:
            return run_script(
                command_line,
                box=box,
                stdin=streams.stdin,
                stdout=streams.stdout,
                stderr=streams.stderr,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home, "USER": user, "LANG": "C.UTF-8"},
                cwd=home,
            )
        except Unsupported as error:
            streams.stderr(f"rehearsal: {error}\n".encode())
            return REHEARSAL_ERROR
        finally:
            self._processes.pop(pid, None)

    def authorized_lines(self, user: str) -> list[str]:
        path = f"/home/{user}/.ssh/authorized_keys"
        return self.files.read(path).decode().splitlines() if self.files.exists(path) else []

    def addresses(self) -> list[str]:
        return linux_network.live_addresses(self)

    def http(self, address: str, port: int) -> HttpService | None:
        """The depot, while its unit runs."""
        return linux_depot.service(self, address, port)

    def cluster_api(self, address: str, port: int) -> ClusterApi | None:
        """The API server, while kubelet and containerd keep it running."""
        return self._cluster if port == 6443 and self._cluster.serves(address) else None

    def cluster_acts(self) -> None:
        """Let the cluster's pods do on their nodes what they should have done by now; nothing without an API."""
        # Not entered twice: a pod's own script looks at its node, too.
        if self.answers and self._acting.acquire(blocking=False):
            try:
                if self._cluster.problem() is None:
                    self._cluster.settle()
            finally:
                self._acting.release()

    @property
    def cluster(self) -> Cluster:
        """The cluster whose control plane this machine has (or may get)."""
        return self._cluster

    def node(self) -> NodeReport | None:
        """What the running kubelet says of its node; None when it does not run or has no credentials."""
        return linux_kubelet.node_report(self) if self.answers else None

    def image_names(self) -> frozenset[str]:
        """The images that its containerd has."""
        return frozenset(linux_containerd.images(self).names())

    def sandbox_image(self) -> str:
        """The pause image that every pod on it starts with."""
        return linux_containerd.sandbox(self)

    def pull_image(self, name: str) -> str:
        """Have an image for a pod; returns why that cannot be."""
        return linux_containerd.images(self).pulled(name)

    def static_pods(self) -> set[str]:
        """The static pods that the running kubelet keeps up."""
        return linux_kubelet.static_pods(self)

    # Names, processes and time

    @property
    def hostname(self) -> str:
        with self.state.reading() as data:
            return str(data.get("hostname", "localhost"))

    def set_hostname(self, name: str) -> None:
        """The static name, at once and after a boot."""
        with self.state.change() as data:
            data["hostname"] = name
            self.files.write("/etc/hostname", f"{name}\n".encode())

    def new_process(self) -> tuple[int, threading.Event]:
        """A process number, and the event that ends it."""
        number = next(self._numbers)
        event = threading.Event()
        self._processes[number] = event
        return number, event

    def end_process(self, number: int) -> bool:
        """Kill a process; False when there is none."""
        event = self._processes.pop(number, None)
        if event is None:
            return False
        event.set()
        return True

    def system_box(self) -> LinuxBox:
        """A process of the service manager."""
        pid, event = self.new_process()
        return LinuxBox(self, "root", pid, [event, self.down])

    def service_process(self, unit: str, box: LinuxBox) -> None:
        """Note which process a unit's work is."""
        self._services[unit] = box.pid

    def end_job(self, unit: str) -> None:
        """Kill a unit's work."""
        number = self._services.pop(unit, None)
        if number is not None:
            self.end_process(number)

    def pause(self, seconds: float, events: list[threading.Event]) -> None:
        """Wait, already scaled; ends early when one of the events is set."""
        pause(seconds, *events)

    # Boots

    def created(self) -> None:
        for folder in FOLDERS:
            self.files.make_folders(folder)
        self.files.link("/bin", "usr/bin")
        self.files.link("/sbin", "usr/sbin")
        for folder, names in (("/usr/bin", BIN), ("/usr/sbin", SBIN)):
            for name in names:
                self.files.write(f"{folder}/{name}", standin(name, "12", "linux", size=32), 0o755)
        user = str(self.spec["user"])
        accounts = "root:x:0:0:root:/root:/bin/bash\n"
        if user != "root":
            accounts += f"{user}:x:1000:1000::/home/{user}:/bin/bash\n"
        texts = {
            "/etc/os-release": OS_RELEASE,
            "/etc/passwd": accounts,
            "/etc/hosts": "127.0.0.1 localhost\n",
            "/etc/fstab": "/dev/sda1 / ext4 errors=remount-ro 0 1\n/swap.img none swap sw 0 0\n",
            "/swap.img": "swap\n",
            "/etc/sysctl.conf": "",
            "/usr/lib/systemd/system/swap.target": "[Unit]\nDescription=Swaps\n",
            f"/home/{user}/.ssh/authorized_keys": (self.spec.get("public_key") or "") + "\n",
        }
        for path, text in texts.items():
            linux_kernel.write(self, path, text)
        self.files.write("/dev/null", b"", 0o020666)
        self.set_hostname("debian12")
        linux_network.first_cards(self)

    def went_down(self) -> None:
        self._end_everything()
        # Whoever still starts a unit of the boot before does so in a manager that nobody listens to.
        self.units = Units(self)
        data = self.state.data
        units = data.get("units", {})
        data["units"] = {n: {"log": e.get("log", [])} for n, e in units.items() if e.get("log")}
        data["nftables"] = {}
        data.pop("served", None)

    def booted(self) -> None:
        self.booting_up = True
        try:
            linux_kernel.fresh(self)
            linux_kernel.at_boot(self)
            linux_network.at_boot(self)
            for name in self.units.wanted_at_boot():
                try:
                    self.units.start(name)
                except UnitError as error:
                    self.units.log(name, str(error))
        finally:
            self.booting_up = False

    def resumed(self) -> None:
        """Work in threads of the killed process is gone; services that only have a state go on."""
        self._end_everything()
        with self.state.change() as data:
            served = data.get("served", {})
            for name, entry in list(data.get("units", {}).items()):
                if entry.get("transient") and name not in served:
                    data["units"][name] = {"log": entry.get("log", [])}

    def _end_everything(self) -> None:
        for event in list(self._processes.values()):
            event.set()
        self._processes.clear()
        self._services.clear()
