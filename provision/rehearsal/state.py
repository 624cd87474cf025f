"""A modelled machine's memory: one JSON file a machine, and its files as blobs.

The JSON file is replaced atomically, so a killed process leaves the state of a moment that really was.
Nothing is kept back for long: what a command did is on disk before the command says so.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provision.errors import MachineError
from provision.host.files import write_atomically
from provision.rehearsal.blobs import Blobs

log = logging.getLogger("rehearsal")

FORMAT = 1
# Seconds in which a machine's small changes become one write.
SOON = 0.25


class Saver:
    """Writes states a moment after they changed, and all of them when somebody is about to be told.

    A script makes dozens of small changes, and a state has tens of thousands of bytes: written one by one they cost a
    third of a rehearsal's time. All states are written, because what one machine did may be known to another one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Held while states are written: whoever comes then waits until what was noted before is on disk.
        self._saving = threading.Lock()
        self._changed: dict[str, MachineState] = {}
        self._some = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="saver", daemon=True).start()

    def note(self, state: MachineState) -> None:
        """This state has changed; may be called while it is held."""
        with self._lock:
            self._changed[state.name] = state
        self._some.set()

    def save(self) -> None:
        """Write what has changed; not to be called while a state is held.

        Raises:
            OSError: a state could not be written; it is tried again.
        """
        with self._saving:
            with self._lock:
                changed, self._changed = self._changed, {}
                self._some.clear()
            while changed:
                name, state = changed.popitem()
                try:
                    state.save()
                except OSError:
                    with self._lock:
                        self._changed = {**changed, name: state, **self._changed}
                    self._some.set()
                    raise

    def close(self) -> None:
        """Write the rest, and end."""
        self._ended.set()
        self._some.set()
        self.save()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._some.wait()
            self._ended.wait(SOON)
            try:
                self.save()
            except OSError as error:
                log.error("a machine's state cannot be written: %s", error)
                self._ended.wait(1.0)


class MachineState:
    """The state of one machine.

    ``data`` is a tree of JSON values; read it inside ``with state.reading()``, change it only inside
    ``with state.change()``.  Both may be nested and are exclusive, so keep them short and never wait in them.

    Args:
        folder: the rehearsal's folder; holds ``machines/<name>.json`` and ``blobs/``.
        name: the machine's name.
        saver: who writes it a moment later; without one every change is on disk when it ends.

    Raises:
        MachineError: the file is there and cannot be read.
    """

    def __init__(self, folder: Path, name: str, saver: Saver | None = None) -> None:
        self.name = name
        self.path = folder / "machines" / f"{name}.json"
        self.blobs = Blobs(folder / "blobs")
        self._lock = threading.RLock()
        self._saver = saver
        self._depth = 0
        self._dead = False
        self._later: list[Callable[[], None]] = []
        self.data: dict[str, Any] = {"format": FORMAT, "name": name}
        if self.path.exists():
            try:
                self.data = json.loads(self.path.read_text())
                if not isinstance(self.data, dict):
                    raise ValueError("it does not describe a machine")
            except ValueError as error:
                raise self._damaged(str(error)) from error
            self.require_whole()

    def require_whole(self) -> None:
        """See that the contents of all its files are there.

        Raises:
            MachineError: some are gone.
        """
        with self._lock:
            lost = self.blobs.lacking(self.data.get("files", {}).values())
        if lost:
            raise self._damaged(f"the contents of {len(lost)} of its files are gone from {self.blobs.folder}")

    def _damaged(self, seen: str) -> MachineError:
        return MachineError(
            f"{self.name}: the rehearsal's state is damaged: {self.path}",
            details=seen,
            remedy="`./inv destroy`, then `./inv up`",
        )

    @contextmanager
    def reading(self) -> Iterator[dict[str, Any]]:
        """The state, while nobody changes it."""
        with self._lock:
            yield self.data

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """The state, to be changed; written when the outermost block has ended, also when it ends by an error."""
        with self._lock:
            self._depth += 1
            try:
                yield self.data
            finally:
                self._depth -= 1
                if self._depth == 0 and self._saver is not None:
                    self._saver.note(self)
                elif self._depth == 0:
                    self.save()

    def save(self) -> None:
        """Write the state, then do what waits for that."""
        with self._lock:
            if self._dead:
                return
            write_atomically(self.path, json.dumps(self.data, separators=(",", ":")), mode=0o600)
            later, self._later = self._later, []
            for action in later:
                action()

    def afterwards(self, action: Callable[[], None]) -> None:
        """Do this once the change that we are in is on disk; use inside `change`."""
        self._later.append(action)

    def section(self, name: str) -> dict[str, Any]:
        """A named part of the state, made empty when it is missing; use inside `reading` or `change`."""
        part: dict[str, Any] = self.data.setdefault(name, {})
        return part

    def forget(self) -> None:
        """The machine is destroyed: its file goes, and late changes by its threads leave none behind."""
        with self._lock:
            self._dead = True
            self.path.unlink(missing_ok=True)


def stored_names(folder: Path) -> list[str]:
    """The names of the machines that have a state, sorted."""
    return sorted(path.stem for path in (folder / "machines").glob("*.json"))
