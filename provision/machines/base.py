"""What a provider is: whatever makes machines, the same to all above."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from provision.clock import Deadline
from provision.facts.base import MachineState
from provision.guests.base import Endpoint, OnLine
from provision.settings.model import Machine


class Provider(Protocol):
    """Makes, starts, stops and describes the machines of one cluster. Safe to call from several threads.

    Methods raise `MachineError` when a machine could not be made or managed, `HostError` when something on
    this computer is missing, and `DeadlineExceeded` when the deadline passes; the details carry the tail of
    what the tool below has said.

    Attributes:
        name: as in the settings (``virtualbox``, ``libvirt``, ``existing``, ``rehearsal``, ...).
        parallel: whether `ensure_up` of several machines may overlap.
    """

    name: str
    parallel: bool

    def prepare(self, deadline: Deadline, on_line: OnLine) -> None:
        """Do once what all machines need: write the Vagrantfile, import boxes, start the rehearsal."""
        ...

    def ensure_up(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """Make the machine if it is absent, start it if it is off; return when it has booted."""
        ...

    def endpoint(self, machine: Machine) -> Endpoint:
        """Where a running machine is reached from here, and as whom."""
        ...

    def states(self) -> Mapping[str, MachineState]:
        """The state of every machine of the settings, by one query; changes nothing."""
        ...

    def made(self) -> frozenset[str]:
        """The names of the machines that it keeps for this cluster, whether the settings have them or not."""
        ...

    def halt(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """Stop the machine if it runs; its disk is kept."""
        ...

    def destroy(self, machine: Machine, deadline: Deadline, on_line: OnLine) -> None:
        """Delete the machine and its disk; nothing happens when it is absent."""
        ...

    def snapshot(self, machine: Machine, name: str, deadline: Deadline, on_line: OnLine) -> None:
        """Save the machine's disk (and memory, where it runs) under a name, replacing an older one."""
        ...
