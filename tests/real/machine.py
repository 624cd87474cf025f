"""The real machine of the tests: its settings, and the process that brings it up beside the other tests.

``python -m tests.real.machine <folder> <watched pid>`` builds the box if need be, starts the private libvirtd,
brings the machine up with our provider, writes ``ready.json`` and waits: until ``stop`` appears in the folder, or the
watched process is gone however it ended.  Then it takes everything down again.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import traceback
import warnings
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from provision.clock import Deadline, monotonic, poll, sleep
from provision.errors import DeadlineExceeded
from provision.host.files import write_atomically
from provision.host.workspace import Workspace
from provision.machines.vagrant import VagrantProvider
from provision.settings.complete import complete
from provision.settings.model import Cluster, Containerd, Machine, Settings, Timeouts
from tests.real import box as boxes
from tests.real.box import Box
from tests.real.libvirtd import Libvirtd

NAME = "cp1"
UP_SECONDS = 420.0
READY = "ready.json"
STOP = "stop"
KEEP = "keep"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody has right now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_for(box: Box, uri: str, ports: dict[str, int], console: Path) -> Settings:
    """The settings of the machine, with everything libvirt needs where there is no KVM and no network."""
    options: dict[str, Any] = {
        "uri": uri,
        "driver": "qemu",
        "cpu_mode": "custom",
        "cpu_model": "qemu64",
        # Without KVM a second processor is one more thread that competes with the other tests, and the guest's kernel
        # finds that the clocks of the two disagree.
        "cpus": 1,
        # Its addresses come from the agent; there is no management network to ask.
        "mgmt_attach": False,
        "qemu_use_agent": True,
        "graphics_type": "none",
        "serial": [{"type": "file", "source": {"path": str(console)}}],
        "kernel": str(box.kernel),
        "initrd": str(box.initrd),
        "cmd_line": "root=/dev/vda rw console=ttyS0 mitigations=off",
        "qemuargs": [
            {"value": "-netdev"},
            {"value": f"user,id=user0,restrict=on,hostfwd=tcp:127.0.0.1:{ports['ssh']}-:22"},
            {"value": "-device"},
            {"value": f"virtio-net-pci,netdev=user0,mac={boxes.USER_CARD_MAC},addr=0x10"},
        ],
        "network": {
            "libvirt__tunnel_type": "udp",
            "libvirt__tunnel_local_ip": "127.0.0.1",
            "libvirt__tunnel_local_port": ports["card"],
            "libvirt__tunnel_ip": "127.0.0.1",
            "libvirt__tunnel_port": ports["nobody"],
        },
        "ssh": {"host": "127.0.0.1", "port": ports["ssh"]},
    }
    return complete(
        Settings(
            cluster=Cluster(name="real"),
            provider="libvirt",
            provider_options={"libvirt": options},
            containerd=Containerd(linux=box.containerd_version),
            machines=(
                Machine(
                    name=NAME,
                    os="linux",
                    role="control-plane",
                    address=IPv4Address("192.168.56.10"),
                    memory=2048,
                    box=str(box.box),
                ),
            ),
            # Ours ends first.
            timeouts=Timeouts(boot=UP_SECONDS + 60, reboot=420),
        )
    )


class RealMachine:
    """The machine as the tests use it; made from what the background process has written."""

    def __init__(self, folder: Path, ready: dict[str, Any]) -> None:
        self.folder = folder
        self.box = Box(Path(ready["box"]))
        self.seconds: dict[str, float] = ready["seconds"]
        self.lines: list[str] = ready["lines"]
        self.settings = settings_for(self.box, ready["uri"], ready["ports"], folder / "console")
        self.workspace = Workspace(folder / "workspace", self.settings.cluster.name)
        self.machine = self.settings.machine(NAME)

    def provider(self) -> VagrantProvider:
        """A provider as a later command would make it: it knows only what is on disk."""
        os.environ["VAGRANT_HOME"] = str(self.folder / "home")
        return VagrantProvider(self.settings, self.workspace)

    def start(self, on_line: Callable[[str], None]) -> None:
        """Start the machine with our provider.

        Raises:
            DeadlineExceeded: it did not boot; with the end of its console.
        """
        start(self.provider(), self.machine, self.folder / "console", on_line)


def start(provider: VagrantProvider, machine: Machine, console: Path, on_line: Callable[[str], None]) -> None:
    """`ensure_up`, and once more as our own remedies say when the deadline has passed.

    Seen once in some hundred boots under QEMU's emulation: after five minutes `vagrant up` had not yet learnt the
    machine's address from its agent.  A machine that has come to its login prompt is only met again; one that has
    not is halted first.  Either is shown as a warning, with the end of its console.
    """
    try:
        provider.ensure_up(machine, Deadline(UP_SECONDS, "the start of the machine"), on_line)
    except DeadlineExceeded as error:
        said = console.read_text(errors="replace")[-3000:] if console.is_file() else ""
        error.details += f"\nthe end of its console:\n{said}"
        if not said:
            raise
        booted = "login:" in said
        warnings.warn(f"the machine {'booted, unseen' if booted else 'stood still'}: {error}", stacklevel=2)
        if not booted:
            provider.halt(machine, Deadline(420, "the halt"), on_line)
        provider.ensure_up(machine, Deadline(UP_SECONDS, "the second start of the machine"), on_line)


def wait_until_ready(folder: Path, deadline: Deadline) -> RealMachine:
    """Wait for the background process.

    Raises:
        AssertionError: it failed; with its traceback.
    """

    def looked() -> tuple[dict[str, Any] | None, str]:
        file = folder / READY
        if file.is_file():
            row: dict[str, Any] = json.loads(file.read_text())
            return row, ""
        log = folder / "log"
        return None, log.read_text()[-500:] if log.is_file() else "nothing yet"

    ready = poll(looked, deadline, every=0.25)
    assert "error" not in ready, ready["error"]
    return RealMachine(folder, ready)


def main(folder: Path, watched: int) -> None:
    """Bring the machine up, wait, take it down."""
    os.environ["VAGRANT_HOME"] = str(folder / "home")
    # Without KVM the machine is the slowest part of the tests, and everything of it is done in order: it goes first.
    os.nice(-5)
    libvirtd = Libvirtd(folder / "v")
    seconds: dict[str, float] = {}
    lines: list[str] = []
    began = monotonic()

    def say(line: str) -> None:
        lines.append(line)
        print(f"{monotonic() - began:6.1f} {line}", flush=True)

    def took(what: str, since: float) -> None:
        seconds[what] = round(monotonic() - since, 1)
        say(f"{what}: {seconds[what]} s")

    provider: VagrantProvider | None = None
    try:
        try:
            since = monotonic()
            box = boxes.ensure(say)
            took("box", since)
            since = monotonic()
            libvirtd.start(Deadline(180, "the start of libvirtd"))
            took("libvirtd", since)
            ports = {"ssh": free_port(), "card": free_port(socket.SOCK_DGRAM), "nobody": free_port(socket.SOCK_DGRAM)}
            settings = settings_for(box, libvirtd.uri, ports, folder / "console")
            provider = VagrantProvider(settings, Workspace(folder / "workspace", settings.cluster.name))
            since = monotonic()
            provider.prepare(Deadline(420, "the import of the box"), say)
            took("prepare", since)
            since = monotonic()
            start(provider, settings.machine(NAME), folder / "console", say)
            took("up", since)
            row: dict[str, Any] = {
                "box": str(box.folder),
                "uri": libvirtd.uri,
                "ports": ports,
                "seconds": seconds,
                "lines": lines,
            }
        except Exception:
            row = {"error": traceback.format_exc()}
        write_atomically(folder / READY, json.dumps(row))
        while not (folder / STOP).exists() and _alive(watched):
            sleep(0.5)
    finally:
        libvirtd.stop()
        stop = folder / STOP
        if not stop.exists() or stop.read_text() != KEEP:
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
