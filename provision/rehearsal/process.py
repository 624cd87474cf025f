"""The one background process of a rehearsed cluster: ``python -m provision.rehearsal.process <folder>``.

It serves the machines on loopback, answers the control channel and the origin's requests, and ends by
itself: told so, after an idle time, or when its folder is gone.  Killed, it loses nothing but running
commands; the next command starts it anew from the state files.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import filelock

from provision.clock import monotonic
from provision.errors import MachineError, SettingsError
from provision.host.files import write_atomically
from provision.rehearsal.control import CONFIG_FILE, LOCK_FILE, PORT_FILE, ControlServer
from provision.rehearsal.origin import Origin
from provision.rehearsal.park import Park
from provision.rehearsal.registry import Site
from provision.rehearsal.servers import Servers
from provision.rehearsal.state import Saver

log = logging.getLogger("rehearsal")

IDLE = 3600.0  # seconds without a call, a request or an open connection


class Process:
    """The process from its start to its end.

    Args:
        folder: the rehearsal's folder of one cluster.
        idle: seconds without use after which it ends.
    """

    def __init__(self, folder: Path, idle: float = IDLE) -> None:
        self.folder = folder
        self.idle = idle
        self.ended = threading.Event()
        self._used = monotonic()
        config = _read_json(folder / CONFIG_FILE)
        self.saver = Saver()
        try:
            self.park = Park(folder, float(config.get("scale", 0.02)), config.get("faults", ()), self.saver)
        except (TypeError, ValueError, SettingsError) as error:
            log.error("%s cannot be used, the defaults are: %s", CONFIG_FILE, error)
            self.park = Park(folder, saver=self.saver)  # the next `up` writes it anew
        self.origin = Origin(self.touch)
        self.origin.sites = Site.read(config.get("sites"))
        self.park.web = self.origin.ask
        self.servers = Servers(folder, self.touch, self.saver.save)

    def touch(self) -> None:
        """Somebody uses us."""
        self._used = monotonic()

    def run(self) -> None:
        """Serve until told to end, a signal or the idle limit."""
        secret = secrets.token_hex(16)
        control = ControlServer(secret, self.handle)
        self.park.load()
        for machine in self.park.all():
            self.servers.serve(machine)
        self.origin.start()
        control.start()
        said = json.dumps({"port": control.port, "secret": secret, "pid": os.getpid(), "origin": self.origin.url})
        own = _identity(self.folder / LOCK_FILE)
        write_atomically(self.folder / PORT_FILE, said, mode=0o600)
        log.info("rehearsal serves %d machines; origin %s", len(self.park.all()), self.origin.url)
        while not self.ended.wait(min(1.0, self.idle)):
            if monotonic() - self._used > self.idle and not self.servers.busy:
                log.info("idle for %.0f s, ending; the machines keep their state", self.idle)
                break
            if _identity(self.folder / LOCK_FILE) != own:
                log.info("the folder is gone, or somebody else's now: ending")
                break
            if _text(self.folder / PORT_FILE) != said:
                log.warning("%s was damaged or removed, writing it again", PORT_FILE)
                write_atomically(self.folder / PORT_FILE, said, mode=0o600)
        if _text(self.folder / PORT_FILE) == said:
            (self.folder / PORT_FILE).unlink(missing_ok=True)
        self.servers.stop()
        self.origin.stop()
        control.stop()
        self.saver.close()

    def handle(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """One call of the control channel; its name is a method ``do_<name>``."""
        self.touch()
        method = getattr(self, f"do_{name}", None)
        if method is None:
            raise MachineError(f"the control channel knows no {name}")
        answer = method(**arguments)
        self.saver.save()
        return answer

    def do_ping(self) -> str:
        return "rehearsal"

    def do_configure(self, scale: float, faults: list[str], sites: list[dict[str, Any]]) -> None:
        self.park.configure(scale, faults)
        self.origin.sites = Site.read(sites)

    def do_states(self) -> dict[str, str]:
        return {machine.name: machine.power for machine in self.park.all()}

    def do_ensure(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Make the machine if need be, and switch it on; returns its endpoint at once, booting or not."""
        machine = self.park.create(spec)
        machine.start()
        self.servers.serve(machine)
        log.info("%s is %s", machine.name, machine.power)
        return self.do_endpoint(machine.name)

    def do_endpoint(self, name: str) -> dict[str, Any]:
        machine = self.park.get(name)
        return {"power": machine.power, "port": self.servers.serve(machine)}

    def do_halt(self, name: str) -> None:
        machine = self.park.find(name)
        if machine is None or machine.power == "off":
            return
        machine.latencies.wait(f"{machine.os}-halt")
        machine.power_off()
        log.info("%s is off", name)

    def do_destroy(self, name: str) -> None:
        machine = self.park.find(name)
        if machine is not None:
            self.servers.forget(machine)
            self.park.destroy(name)
            log.info("%s is destroyed", name)

    def do_requests(self) -> dict[str, int]:
        """What the origin was asked for, and how often."""
        return dict(self.origin.requests)

    def do_end(self) -> None:
        self.ended.set()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def main(argv: list[str]) -> int:
    """Run the process; 0 also when another one serves this folder already."""
    folder = Path(argv[0])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s rehearsal %(name)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)
    if not folder.is_dir():
        # Destroyed since whoever started us made it.
        log.info("there is no %s: nothing to serve", folder)
        return 0
    lock = filelock.FileLock(folder / LOCK_FILE, blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        log.info("another process serves %s", folder)
        return 0
    with lock:
        # What every thread is at goes into the log: for a report of a hang.
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        process = Process(folder, float(argv[1]) if len(argv) > 1 else IDLE)
        signal.signal(signal.SIGTERM, lambda *_: process.ended.set())
        signal.signal(signal.SIGINT, lambda *_: process.ended.set())
        process.run()
    # Threads of servers and of detached work are daemons; what they did is on disk.
    logging.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
