"""One small machine behind each server, and the guest that meets it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import winrm.exceptions
import winrm.protocol

from provision.guests.base import Endpoint, Script
from provision.guests.common import CommonGuest
from provision.guests.connect import connect
from provision.rehearsal.serving import Faults, LoopThread, Served
from provision.rehearsal.ssh_server import make_host_key, serve_ssh
from provision.rehearsal.wsman_server import serve_wsman
from provision.secrets import Secret

from .boxes import PASSWORD, USER, LinuxBox
from .boxes_windows import WindowsBox
from .wire import Wire

HOST_KEY = make_host_key()


@dataclass
class Rig:
    """A machine, its server, and guests for it."""

    kind: str
    box: LinuxBox | WindowsBox
    endpoint: Endpoint
    faults: Faults
    served: Served
    loop: LoopThread
    guests: list[CommonGuest] = field(default_factory=list)

    def guest(self, **changes: object) -> CommonGuest:
        """A new guest; ``changes`` go into its endpoint."""
        guest = connect(replace(self.endpoint, **changes), operation_timeout=1, read_timeout=2)  # type: ignore[arg-type]
        self.guests.append(guest)
        reset = guest.reset

        def hang_up() -> None:
            reset()
            self.box.left.set()

        guest.reset = hang_up  # type: ignore[method-assign]
        return guest

    def serve_again(self, host_key: bytes = HOST_KEY) -> None:
        """A new server on the same port."""
        self.served.close()
        if self.endpoint.transport == "ssh":
            self.served = serve_ssh(
                self.box, port=self.endpoint.port, host_key=host_key, loop=self.loop, faults=self.faults
            )
        else:
            self.served = serve_wsman(self.box, port=self.endpoint.port, loop=self.loop, faults=self.faults)

    def close(self) -> None:
        """End its guests, its server, and what runs on it."""
        for guest in self.guests:
            guest.close()
        self.served.close()
        self.box.close()

    # The same scripts in both languages.
    def script(self, *lines: str, name: str = "trial") -> Script:
        return Script(name, "\n".join(lines) + "\n")

    @property
    def windows(self) -> bool:
        return self.box.os == "windows"

    def say(self, text: str) -> str:
        return f"'{text}'" if self.windows else f"echo '{text}'"

    def fail(self, text: str) -> str:
        return f"throw '{text}'" if self.windows else f"echo '{text}' >&2; exit 1"

    def nap(self, seconds: float) -> str:
        return f"Start-Sleep -Milliseconds {int(seconds * 1000)}" if self.windows else f"sleep {seconds}"

    def hold(self) -> str:
        """A line that waits until `release`."""
        gate = self.box.root / "gate"
        if self.windows:
            return f"while (-not (Test-Path -LiteralPath '{gate}')) {{ Start-Sleep -Milliseconds 20 }}"
        return f"until [ -e '{gate}' ]; do sleep 0.02; done"

    def release(self, *_: object) -> None:
        """Let the scripts go on that `hold`; takes and ignores what a listener is given."""
        (self.box.root / "gate").touch()

    def release_when_asked_again(self, monkeypatch: pytest.MonkeyPatch, after: threading.Event) -> None:
        """Release once the connection that broke at ``after`` takes no output any more: WinRM only.

        The server may be waiting for output on the broken connection until its operation timeout; a question that
        was asked later has then run out as well.
        """
        original = winrm.protocol.Protocol.get_command_output_raw

        def asked(protocol: winrm.protocol.Protocol, shell: str, command: str) -> tuple[bytes, bytes, int, bool]:
            broken = after.is_set()
            try:
                return original(protocol, shell, command)
            except winrm.exceptions.WinRMOperationTimeoutError:
                if broken:
                    self.release()
                raise

        monkeypatch.setattr(winrm.protocol.Protocol, "get_command_output_raw", asked)

    def recorded_end(self, script: Script) -> Path:
        """The file that holds the exit code of detached work once it has ended."""
        folder = r"C:\ProgramData\hybrid\scripts" + "\\" if self.windows else "/var/lib/hybrid/scripts/"
        return self.box.folder_files.path(f"{folder}{script.digest}.exit")

    def much(self, text: str, times: int) -> str:
        return f"'{text}' * {times}" if self.windows else f"yes '{text}' | tr -d '\\n' | head -c {len(text) * times}"


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions to a machine that starts follow each other fast: it starts in a third of a second."""
    monkeypatch.setattr("provision.guests.common.PACE", 0.1)
    monkeypatch.setattr("provision.guests.connect.PACE", 0.1)
    monkeypatch.setattr("provision.guests.connect._AUTH_PAUSES", (0.2,))


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


def make_rig(kind: str, folder: Path, loop: LoopThread) -> Rig:
    transport, _, system = kind.partition("-")
    box = WindowsBox(kind, folder / "box") if system == "windows" else LinuxBox(kind, folder / "box")
    faults = Faults()
    if transport == "ssh":
        served = serve_ssh(box, host_key=HOST_KEY, loop=loop, faults=faults)
    else:
        served = serve_wsman(box, loop=loop, faults=faults)
    endpoint = Endpoint(
        machine=kind, os=box.os, transport="ssh" if transport == "ssh" else "winrm", host="127.0.0.1",
        port=served.port, user=USER, password=Secret(PASSWORD), known_hosts=folder / "known_hosts",
    )  # fmt: skip
    return Rig(kind, box, endpoint, faults, served, loop)


@pytest.fixture
def wire(rig: Rig) -> Iterator[Wire]:
    """The way to the rig's server, which a test can cut."""
    with closing(Wire(rig.endpoint.port)) as made:
        yield made


@pytest.fixture(params=["ssh-linux", "ssh-windows", "winrm-windows"])
def rig(request: pytest.FixtureRequest, tmp_path: Path, loop: LoopThread) -> Iterator[Rig]:
    with closing(make_rig(request.param, tmp_path, loop)) as made:
        yield made
