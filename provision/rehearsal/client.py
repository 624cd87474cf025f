"""Talking to the rehearsal's process, and starting it when nobody answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import filelock

from provision.clock import Deadline, poll
from provision.errors import MachineError
from provision.host.commands import has_failed, kill_group, spawn_background, tail
from provision.host.files import write_atomically
from provision.host.workspace import PRODUCT
from provision.rehearsal.control import CONFIG_FILE, LOCK_FILE, PORT_FILE, call
from provision.rehearsal.registry import Site

START = 30.0  # seconds for the process to come up
CALL = 900.0  # seconds for a call that does something; creating a machine at full scale takes a minute
ASK = 15.0  # seconds for a call that only asks
PING = 5.0
FREE: dict[str, Any] = {}  # in place of an address: nobody holds the folder
_ASKS = {"ping", "states", "endpoint", "configure", "requests", "end"}


class Client:
    """The control channel's other end.

    Args:
        folder: the rehearsal's folder of one cluster.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def log(self) -> Path:
        return self.folder / "process.log"

    def configure(self, scale: float, faults: tuple[str, ...], sites: tuple[Site, ...] = ()) -> None:
        """Set scale, faults and the settings' own registries for the process that runs or that will."""
        shown = [site.shown() for site in sites]
        wanted = json.dumps({"rehearsal": True, "scale": scale, "faults": list(faults), "sites": shown})
        path = self.folder / CONFIG_FILE
        if path.exists() and path.read_text() == wanted:
            return
        write_atomically(path, wanted)
        if self._address() is not None:
            self.call("configure", scale=scale, faults=list(faults), sites=shown, start=False)

    def call(self, name: str, /, *, start: bool = True, **arguments: Any) -> Any:
        """Ask the process; None when it does not run and ``start`` is False.

        Raises:
            MachineError: it refuses.
            DeadlineExceeded: it does not come up.
        """
        for attempt in (1, 2):
            address = self._address()
            if address is not None:
                try:
                    limit = ASK if name in _ASKS else CALL
                    return call(address["port"], address["secret"], name, arguments, limit)
                except TimeoutError as error:
                    raise self._silent(address) from error
                except OSError as error:
                    # Killed: its port file is still there. Once more with a new process.
                    if attempt == 2:
                        raise MachineError(
                            f"the rehearsal's process broke off during {name}", details=str(error)
                        ) from error
            if not start:
                return None
            self.start()
        raise AssertionError("unreachable")

    def start(self) -> dict[str, Any]:
        """Make sure that the process runs; returns its port file's content.

        Raises:
            DeadlineExceeded: it does not come up; the details carry its log's tail.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        # One starter at a time; the process's own lock would make a second one leave anyway.
        with filelock.FileLock(self.folder / "start.lock", timeout=START):
            if (running := self._alive()) is not None:
                return running
            if (address := self._address()) is not None and self.served:
                raise self._silent(address)
            deadline = Deadline(START, "start of the rehearsal's process")
            # One that holds the folder and has no address starts, ends, or puts its damaged file right. A second one
            # would start when the first has ended and its folder, perhaps, is removed.
            if (running := poll(self._settled, deadline, every=0.05)) is not FREE:
                return running
            # -P: started in the user's folder, whose files are no modules.
            argv = [sys.executable, "-P", "-m", "provision.rehearsal.process", str(self.folder)]
            pid = spawn_background(argv, log=self.log, env={"PYTHONPATH": str(PRODUCT)})
            return poll(lambda: self._seen(pid), deadline, every=0.05)

    @property
    def served(self) -> bool:
        """Whether a process holds the folder, answering or not."""
        lock = filelock.FileLock(self.folder / LOCK_FILE, blocking=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            return True
        lock.release()
        return False

    def kill(self) -> None:
        """End the process where it stands; nothing when none runs. What it had done is on disk."""
        address = self._address() if self.folder.exists() and self.served else None
        if address is not None:
            kill_group(int(address["pid"]))

    def _silent(self, address: dict[str, Any]) -> MachineError:
        return MachineError(
            f"the rehearsal's process {address['pid']} does not answer",
            details="it is stopped, or this computer is far too busy",
            remedy=f"`kill -CONT {address['pid']}` lets a stopped one go on; `kill -9 {address['pid']}` ends it, "
            "and the next command starts it anew with the same machines",
        )

    def _settled(self) -> tuple[dict[str, Any] | None, str]:
        """The address of the process that holds the folder; FREE when none does."""
        running = self._alive() if self.served else FREE
        return running, "a process holds the folder and does not say where it answers"

    def _seen(self, pid: int) -> tuple[dict[str, Any] | None, str]:
        alive = self._alive()
        if alive is None and has_failed(pid):
            raise MachineError(
                "the rehearsal's process ended at its start",
                details="\n".join(tail(self.log.read_text(errors="replace"), 4)),
                remedy=f"`invoke destroy`, then `invoke up`; its log is {self.log}",
            )
        return alive, "" if alive else " | ".join(tail(self.log.read_text(errors="replace"), 4))

    def _alive(self) -> dict[str, Any] | None:
        address = self._address()
        if address is None:
            return None
        try:
            call(address["port"], address["secret"], "ping", {}, PING)
        except (OSError, MachineError):
            return None
        return address

    def _address(self) -> dict[str, Any] | None:
        """Where the process is; None when it has not said so. One that runs puts a damaged file right by itself."""
        try:
            document = json.loads((self.folder / PORT_FILE).read_text())
        except (FileNotFoundError, ValueError):
            return None
        whole = isinstance(document, dict) and isinstance(document.get("port"), int)
        return document if whole and {"secret", "origin", "pid"} <= document.keys() else None
