"""The base of modelled machines: power, boots, time, and what the servers ask.

Power is derived from stored wall times, so a machine goes on booting while the rehearsal's process is
dead, as a VM would.  What happens at a boot (pending names and features, services that start by
themselves) is done once, at the moment the machine goes down, and stored together with the new boot count.
"""

from __future__ import annotations

import errno
import threading
import uuid
from collections.abc import Iterable
from typing import Any, Protocol

from provision.guests.base import Os
from provision.rehearsal.contract import Streams
from provision.rehearsal.faults import MachineFaults
from provision.rehearsal.files import StateFiles, now
from provision.rehearsal.latency import Latencies, pause
from provision.rehearsal.registry import Web
from provision.rehearsal.state import MachineState

SMALL = 4096  # bytes: a full disk still takes what a log line needs
LONGEST_LAST_ANSWER = 10.0  # seconds that "one more answer" waits for its answer


class Neighbours(Protocol):
    """The other machines of the cluster, and what they share (``cluster`` is the API's model)."""

    def find(self, name: str) -> Machine | None: ...
    def at_address(self, address: str) -> Machine | None: ...
    def all(self) -> Iterable[Machine]: ...

    @property
    def web(self) -> Web:
        """The way out to the registries."""
        ...


class Machine:
    """One modelled machine; subclasses add `execute` and what a boot does.

    Args:
        spec: what the settings say of it: ``name, os, role, address, mac, user, windows_version, memory, cpus``.
    """

    os: Os = "linux"

    def __init__(
        self,
        state: MachineState,
        spec: dict[str, Any],
        latencies: Latencies,
        faults: MachineFaults,
        neighbours: Neighbours,
    ) -> None:
        self.state = state
        self.name = state.name
        self.spec = spec
        self.tune(latencies, faults)
        self.neighbours = neighbours
        self.files = StateFiles(state, self.os, self._space)
        # A kubelet pulls one image after another (serializeImagePulls, on by default).
        self.pulling = threading.Lock()
        self._down = threading.Event()
        self._asked: threading.Event | None = None

    def tune(self, latencies: Latencies, faults: MachineFaults) -> None:
        """Take another scale and other faults."""
        self.faults = faults
        self.latencies = Latencies(latencies.scale, latencies.table, 4.0 if faults.lasting("slow") else 1.0)

    # What the servers ask (contract.ModelledMachine)

    @property
    def answers(self) -> bool:
        return self.power == "running"

    @property
    def boot_count(self) -> int:
        self.settle()
        return int(self.state.data.get("power", {}).get("boots", 0))

    def authorized_key(self, user: str, public_key: str) -> bool:
        """Whether the key stands among the user's; ``spec['public_key']`` is what the box was made with."""
        wanted = public_key.split()[:2]
        return user == self.spec["user"] and any(line.split()[:2] == wanted for line in self.authorized_lines(user))

    def authorized_lines(self, user: str) -> list[str]:
        """The lines of the user's authorized_keys; subclasses read their own files."""
        key = self.spec.get("public_key") or ""
        return [key] if user == self.spec["user"] and key else []

    def password(self, user: str) -> str | None:
        """The password of a user; none here, subclasses know theirs."""
        return self.spec.get("password") if user.lower() == self.spec["user"].lower() else None

    def execute(self, command_line: str, streams: Streams) -> int:
        """Run a command line as the login shell would; see `contract.ModelledMachine`."""
        raise NotImplementedError

    # Power

    @property
    def power(self) -> str:
        """``off``, ``booting`` or ``running``.

        Asked by the servers' loop and by neighbours that hold their own state: so it waits for no lock
        (single values of a dict are read whole), unless a restart is due.
        """
        self.settle()
        power = self.state.data.get("power", {})
        if not power.get("on"):
            return "off"
        return "running" if now() >= power.get("up_at", float("inf")) else "booting"

    @property
    def boot_time(self) -> float:
        """When the last boot began, seconds since 1970 by the machine's own clock."""
        self.settle()
        return float(self.state.data["power"]["booted"]) + self.skew

    @property
    def boot_id(self) -> str:
        self.settle()
        return str(self.state.data["power"]["id"])

    @property
    def skew(self) -> float:
        """How far the machine's clock is off, in seconds."""
        return -86400.0 if self.faults.lasting("clock-gone") else 0.0

    def clock(self) -> float:
        """Seconds since 1970 by the machine's own clock."""
        return now() + self.skew

    def start(self) -> None:
        """Switch on; nothing when it is on."""
        with self.state.change() as data:
            if data.setdefault("power", {}).get("on"):
                return
            self._boot(f"{self.os}-boot")

    def power_off(self) -> None:
        """Switch off; running commands die."""
        with self.state.change() as data:
            data.setdefault("power", {})["on"] = False
            data["power"].pop("down_at", None)
            self._down.set()
            self.went_down()

    def reboot(self, delay: float = 0.0) -> None:
        """Restart, as ``shutdown /r`` or ``systemctl reboot`` ask for it: it begins a little later.

        Args:
            delay: seconds asked for by the command (scaled like all time of the rehearsal).
        """
        lag = self.latencies.seconds("reboot-lag") + delay * self.latencies.scale
        if self.faults.strikes("late-reboot"):
            lag = max(self.latencies.seconds("late-reboot"), 1.0)
        if self.faults.strikes("one-more-answer"):
            self._asked = threading.Event()
            lag = LONGEST_LAST_ANSWER
        with self.state.change() as data:
            data["power"].setdefault("down_at", now() + lag)

    def answered(self) -> None:
        """A command has ended; the last one before a restart lets the machine go down."""
        asked, self._asked = self._asked, None
        if asked is not None and not asked.is_set():
            # The command that asked for the restart is the first to end; the next one is the one more answer.
            asked.set()
            self._asked = asked
        elif asked is not None:
            with self.state.change() as data:
                if "down_at" in data["power"]:
                    data["power"]["down_at"] = now()

    @property
    def restart_pending(self) -> bool:
        """A restart was asked for and has not begun."""
        return "down_at" in self.state.data.get("power", {})

    def settle(self) -> None:
        """Let a restart begin whose time has come."""
        due = self.state.data.get("power", {}).get("down_at")
        if due is None or now() < due:
            return
        with self.state.reading() as data:
            down_at = data.get("power", {}).get("down_at")
            if down_at is None or now() < down_at:
                return  # somebody else was faster
            with self.state.change():
                del data["power"]["down_at"]
                self._down.set()
                self.went_down()
                self._boot(f"{self.os}-reboot")

    def _boot(self, latency: str) -> None:
        power = self.state.data["power"]
        began = max(now(), power.get("booted", 0.0) + 1.0)
        power.update(
            on=True,
            boots=power.get("boots", 0) + 1,
            booted=began,
            id=str(uuid.uuid4()),
            up_at=now() + self.latencies.seconds(latency),
        )
        self._down = threading.Event()
        self.booted()

    def went_down(self) -> None:
        """What is lost when the power goes; called inside a change of the state."""

    def booted(self) -> None:
        """What a boot does; called inside a change of the state."""

    def created(self) -> None:
        """Fill the state of a machine fresh from its box; called inside a change of the state."""

    def resumed(self) -> None:
        """What is left of a machine whose rehearsal was killed: commands and detached work have died."""

    def addresses(self) -> list[str]:
        """The addresses that its cards have now; subclasses know theirs."""
        return []

    @property
    def web(self) -> Web:
        """The machine's way out to the registries."""
        return self.neighbours.web

    # Time and accidents

    @property
    def down(self) -> threading.Event:
        """Set when the boot that we are in ends."""
        return self._down

    def takes(self, row: str, streams: Streams | None = None, times: float = 1.0) -> bool:
        """Wait as long as this takes; False when the command was killed or the machine went down."""
        stops = [self._down] if streams is None else [self._down, streams.killed]
        return self.latencies.wait(row, *stops, times=times)

    def sleeps(self, seconds: float, *stops: threading.Event) -> bool:
        """A script's own sleep, scaled; False when one of the events (or the machine's end) cut it short."""
        return pause(seconds * self.latencies.scale, *(stops or (self._down,)))

    def _space(self, size: int) -> None:
        if size > SMALL and self.faults.strikes("disk-full"):
            raise OSError(errno.ENOSPC, "No space left on device")
