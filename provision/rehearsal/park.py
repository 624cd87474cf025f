"""The machines of one rehearsed cluster, by name and by address."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from provision.errors import MachineError
from provision.rehearsal import faults as faults_
from provision.rehearsal.blobs import Blobs
from provision.rehearsal.latency import Latencies
from provision.rehearsal.machine import Machine
from provision.rehearsal.registry import Web, direct
from provision.rehearsal.state import MachineState, Saver, stored_names

log = logging.getLogger("rehearsal")

_IMPORTS = threading.Lock()


def machine_class(os: str) -> type[Machine]:
    """The model of an OS; imported when it is first needed, because models are big."""
    # One at a time: two threads that import modules which need each other see half of one.
    with _IMPORTS:
        if os == "windows":
            from provision.rehearsal.models.windows import WindowsMachine

            return WindowsMachine
        from provision.rehearsal.models.linux import LinuxMachine

        return LinuxMachine


class Park:
    """All machines of a cluster; implements `machine.Neighbours`.

    Args:
        folder: the rehearsal's folder.
        scale: of the latencies.
        faults: texts as in ``rehearsal.faults``.
        saver: see `MachineState`.
    """

    def __init__(
        self, folder: Path, scale: float = 0.02, faults: Iterable[str] = (), saver: Saver | None = None
    ) -> None:
        self.folder = folder
        self._saver = saver
        self.blobs = Blobs(folder / "blobs")
        self._lock = threading.RLock()
        self._machines: dict[str, Machine] = {}
        self.web: Web = direct()  # a process has an origin, and asks it
        self.configure(scale, faults)

    def configure(self, scale: float, faults: Iterable[str]) -> None:
        """Take another scale and other faults, for the machines that are here too.

        Raises:
            SettingsError: a text is no fault.
        """
        parsed = faults_.parse(faults)
        with self._lock:
            self.latencies = Latencies(scale)
            self.faults = parsed
            for machine in self._machines.values():
                machine.tune(self.latencies, faults_.MachineFaults(machine.state, machine.os, parsed))

    def load(self) -> None:
        """Take up the machines that have a state, and throw away files that none of them has."""
        used: set[str] = set()
        damaged = False
        for name in stored_names(self.folder):
            try:
                state = MachineState(self.folder, name, self._saver)
            except MachineError as error:
                # Whoever asks for this machine is told; `destroy` has to work without it.
                log.error("%s", error)
                damaged = True
                continue
            for entry in state.data.get("files", {}).values():
                used |= {entry.get("sha256", ""), entry.get("part", "")}
            self._add(state).resumed()
        if not damaged:
            self.blobs.sweep(used)

    def create(self, spec: Mapping[str, Any]) -> Machine:
        """Make a machine as it comes from its box, switched off; the one that is there is kept.

        Args:
            spec: see `Machine`.

        Raises:
            MachineError: the one that is there is damaged.
        """
        name = str(spec["name"])
        with self._lock:
            there = self._machines.get(name)
        if there is not None:
            there.state.require_whole()
            return there
        self.latencies.wait(f"{spec['os']}-create")
        state = MachineState(self.folder, name, self._saver)
        with state.change() as data:
            data["spec"] = dict(spec)
            machine = self._build(state)
            machine.created()
        with self._lock:
            return self._machines.setdefault(name, machine)

    def _add(self, state: MachineState) -> Machine:
        machine = self._build(state)
        with self._lock:
            self._machines[state.name] = machine
        return machine

    def _build(self, state: MachineState) -> Machine:
        spec = state.data["spec"]
        kind = machine_class(spec["os"])
        faults = faults_.MachineFaults(state, spec["os"], self.faults)
        return kind(state, spec, self.latencies, faults, self)

    def destroy(self, name: str) -> None:
        """Remove a machine for good; nothing when there is none."""
        with self._lock:
            machine = self._machines.pop(name, None)
        if machine is not None:
            machine.power_off()
            machine.latencies.wait(f"{machine.os}-destroy")
            machine.state.forget()

    def get(self, name: str) -> Machine:
        """The machine of that name.

        Raises:
            MachineError: there is none.
        """
        found = self.find(name)
        if found is None:
            raise MachineError(f"the rehearsal has no machine {name}", remedy="`./inv up` makes it")
        return found

    # machine.Neighbours

    def find(self, name: str) -> Machine | None:
        with self._lock:
            return self._machines.get(name)

    def at_address(self, address: str) -> Machine | None:
        """The running machine that has this address on its private card now."""
        for machine in self.all():
            if machine.answers and address in machine.addresses():
                return machine
        return None

    def all(self) -> list[Machine]:
        with self._lock:
            return [self._machines[name] for name in sorted(self._machines)]
