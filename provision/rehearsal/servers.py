"""The machines' doors: an SSH or a WS-Management server each, at ports that stay the same."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provision.rehearsal.contract import Streams
from provision.rehearsal.machine import Machine
from provision.rehearsal.serving import Faults, LoopThread, Served
from provision.rehearsal.ssh_server import make_host_key, serve_ssh
from provision.rehearsal.wsman_server import serve_wsman


class Pump:
    """Passes a command's output on in a thread of its own.

    A model may write while it holds its machine's state, and the servers' loop asks machines for
    theirs: a write that waited for the loop would be the end of both.

    Args:
        before: called before anything is passed on.
    """

    def __init__(self, streams: Streams, before: Callable[[], None]) -> None:
        self._streams = streams
        self._before = before
        self._queue: queue.SimpleQueue[tuple[Callable[[bytes], None], bytes] | None] = queue.SimpleQueue()
        self._broken = threading.Event()
        self._thread: threading.Thread | None = None

    def streams(self) -> Streams:
        """Streams whose writes return at once."""
        return Streams(
            self._streams.stdin,
            lambda data: self._put(self._streams.stdout, data),
            lambda data: self._put(self._streams.stderr, data),
            self._streams.killed,
        )

    def _put(self, write: Callable[[bytes], None], data: bytes) -> None:
        if self._broken.is_set():
            raise BrokenPipeError("the client has gone")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="output", daemon=True)
            self._thread.start()
        self._queue.put((write, data))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if not self._broken.is_set():
                try:
                    self._before()
                    item[0](item[1])
                except OSError:
                    self._broken.set()

    def finish(self) -> None:
        """Return when everything was passed on."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()


REFUSED_LOGINS = 2  # that many logins a boot-refused machine refuses


class Door:
    """A machine as the servers see it: its use is noticed, its faults of transport are armed."""

    def __init__(self, machine: Machine, switches: Faults, used: Callable[[], None], saved: Callable[[], None]) -> None:
        self._saved = saved
        self._machine = machine
        self._switches = switches
        self._used = used
        self._lock = threading.Lock()
        self._boot = -1
        self.running = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._machine, name)

    @property
    def answers(self) -> bool:
        answers = self._machine.answers
        boot = self._machine.boot_count
        if answers and boot != self._boot:
            self._boot = boot
            if self._machine.faults.strikes("boot-refused"):
                self._switches.refuse_logins = REFUSED_LOGINS
        return answers

    def execute(self, command_line: str, streams: Streams) -> int:
        """Run it; a `drop` fault cuts the connection during this command."""
        self._used()
        with self._lock:
            self.running += 1
        if self._machine.faults.strikes("drop"):
            self._switches.cut_output_after = 1
        pump = Pump(streams, self._saved)
        try:
            code = self._machine.execute(command_line, pump.streams())
            self._saved()
            return code
        finally:
            pump.finish()
            self._machine.answered()
            with self._lock:
                self.running -= 1
            self._used()


class Servers:
    """All servers of the process.

    Args:
        folder: the rehearsal's folder.
        used: called when a machine is used.
        saved: writes what has changed; called before a command's output and its end are told.
    """

    def __init__(self, folder: Path, used: Callable[[], None], saved: Callable[[], None]) -> None:
        self.folder = folder
        self._saved = saved
        self._used = used
        self._lock = threading.Lock()
        self._loop: LoopThread | None = None
        self._served: dict[str, tuple[Served, Door]] = {}

    @property
    def busy(self) -> bool:
        """Whether a command runs on any machine."""
        with self._lock:
            return any(door.running for _, door in self._served.values())

    def serve(self, machine: Machine) -> int:
        """Listen for a machine, at the port it had before if that is free; returns the port."""
        with self._lock:
            if machine.name in self._served:
                return self._served[machine.name][0].port
            if self._loop is None:
                self._loop = LoopThread()
            with machine.state.reading() as data:
                stored = dict(data.get("door", {}))
            try:
                served, door = self._listen(machine, stored, stored.get("port", 0))
            except OSError:
                served, door = self._listen(machine, stored, 0)
            stored["port"] = served.port
            with machine.state.change() as data:
                data["door"] = stored
            self._served[machine.name] = (served, door)
            return served.port

    def _listen(self, machine: Machine, stored: dict[str, Any], port: int) -> tuple[Served, Door]:
        assert self._loop is not None
        switches = Faults()
        door = Door(machine, switches, self._used, self._saved)
        if machine.spec.get("transport", "ssh") == "winrm":
            return serve_wsman(door, port=port, loop=self._loop, faults=switches), door
        stored.setdefault("host_key", make_host_key().decode())
        key = stored["host_key"].encode()
        return serve_ssh(door, port=port, host_key=key, loop=self._loop, faults=switches), door

    def port(self, machine: Machine) -> int:
        """The port of a served machine; KeyError when it is not served."""
        with self._lock:
            return self._served[machine.name][0].port

    def forget(self, machine: Machine) -> None:
        """Stop listening for a machine."""
        with self._lock:
            served = self._served.pop(machine.name, None)
        if served is not None:
            served[0].close()

    def stop(self) -> None:
        """Drop all connections and stop listening."""
        with self._lock:
            served, self._served = list(self._served.values()), {}
            loop, self._loop = self._loop, None
        for one, _ in served:
            one.close()
        if loop is not None:
            loop.close()
