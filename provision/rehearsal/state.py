"""A modelled machine's memory: one JSON file a machine, and its files as blobs.

The JSON file is replaced atomically at the end of every change, so a killed process leaves the state of
a moment that really was.  Nothing is kept back for later: what a command did is on disk before the
command says so.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provision.errors import MachineError
from provision.host.files import write_atomically
from provision.rehearsal.blobs import Blobs

FORMAT = 1


class MachineState:
    """The state of one machine.

    ``data`` is a tree of JSON values; read it inside ``with state.reading()``, change it only inside
    ``with state.change()``.  Both may be nested and are exclusive, so keep them short and never wait in them.

    Args:
        folder: the rehearsal's folder; holds ``machines/<name>.json`` and ``blobs/``.
        name: the machine's name.

    Raises:
        MachineError: the file is there and cannot be read.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.path = folder / "machines" / f"{name}.json"
        self.blobs = Blobs(folder / "blobs")
        self._lock = threading.RLock()
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
                raise MachineError(
                    f"{name}: the rehearsal's state is damaged: {self.path}",
                    details=str(error),
                    remedy="`./inv destroy`, then `./inv up`",
                ) from error

    @contextmanager
    def reading(self) -> Iterator[dict[str, Any]]:
        """The state, while nobody changes it."""
        with self._lock:
            yield self.data

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """The state, to be changed; on disk when the outermost block ends, also when it ends by an error."""
        with self._lock:
            self._depth += 1
            try:
                yield self.data
            finally:
                self._depth -= 1
                if self._depth == 0 and not self._dead:
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
