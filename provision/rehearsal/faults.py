"""Faults that a rehearsal can be told to play, and what is expected of the run that meets them.

Written in ``rehearsal.faults`` as ``name``, ``name@machine``, ``name*count`` or ``name@machine*count``.
Without a machine every machine has the fault once of its own; without a count it happens once (``slow``
and ``clock-gone`` last). How often a fault has happened is kept in the machine's state, so a fault does not
come back because a process was killed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from provision.errors import SettingsError
from provision.rehearsal.state import MachineState

_WRITTEN = re.compile(r"(?P<name>[a-z][a-z0-9-]*)(?:@(?P<machine>[A-Za-z0-9-]+))?(?:\*(?P<count>\d+))?")


@dataclass(frozen=True)
class Kind:
    """One kind of fault: what happens, and what the run must do."""

    name: str
    happens: str
    expected: str
    os: str | None = None


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("drop", "the machine's connections are cut in the middle of a command", "reconnects and converges"),
        Kind("late-reboot", "a restart begins long after it was asked for", "waits for the new boot, converges"),
        Kind(
            "one-more-answer",
            "the machine answers once more, with its old boot time, after a restart was asked for",
            "is not taken in by the old boot, converges",
        ),
        Kind("boot-refused", "logins are refused for a while after a boot", "grace while booting, converges"),
        Kind("corrupt", "a file that is delivered arrives damaged", "the digest shows it; delivered again or exit 7"),
        Kind("slow", "everything on the machine takes four times as long", "converges"),
        Kind(
            "disk-full", "writing a file of more than 4 KiB fails: no space", "one clear error, exit 7; then converges"
        ),
        Kind(
            "clock-gone",
            "the machine's clock is a day behind",
            "one clear error that names the clock, exit 7",
            "windows",
        ),
        Kind(
            "depot-gone",
            "the depot refuses a machine's connection, as while it is started again",
            "asked again, converges",
            "windows",
        ),
        Kind(
            "pull-cut",
            "the depot's connection breaks in the middle of a file",
            "goes on with the bytes that are there, converges",
            "windows",
        ),
        Kind(
            "service-dies", "a service dies right after its start", "one clear error or a restart, converges", "windows"
        ),
        Kind(
            "address-taken", "another machine has the address of the private card", "one clear error, exit 7", "windows"
        ),
    )
}


@dataclass(frozen=True)
class Fault:
    """A fault as it was asked for; no machine means each of them."""

    kind: Kind
    machine: str | None
    count: int


def parse(texts: Iterable[str], machines: Iterable[str] = ()) -> tuple[Fault, ...]:
    """The faults of ``rehearsal.faults``.

    Raises:
        SettingsError: every text that is no fault, or names a machine that there is not.
    """
    names = set(machines)
    faults: list[Fault] = []
    wrong: list[str] = []
    for text in texts:
        match = _WRITTEN.fullmatch(text)
        if match is None or match["name"] not in KINDS:
            wrong.append(f"{text!r} is no fault; there are {', '.join(sorted(KINDS))}")
        elif match["machine"] and names and match["machine"] not in names:
            wrong.append(f"{text!r}: there is no machine {match['machine']}")
        else:
            faults.append(Fault(KINDS[match["name"]], match["machine"], int(match["count"] or 1)))
    if wrong:
        raise SettingsError(
            "rehearsal.faults cannot be used",
            details="\n".join(wrong),
            remedy="write NAME, NAME@MACHINE or NAME@MACHINE*COUNT",
        )
    return tuple(faults)


class MachineFaults:
    """The faults of one machine, with what is left of them."""

    def __init__(self, state: MachineState, os: str, faults: Iterable[Fault] = ()) -> None:
        self.state = state
        self.faults = [f for f in faults if f.machine in (None, state.name) and (f.kind.os is None or f.kind.os == os)]

    def lasting(self, name: str) -> bool:
        """Whether a fault that lasts is switched on."""
        return any(f.kind.name == name for f in self.faults)

    def strikes(self, name: str) -> bool:
        """Whether the fault happens now; each True uses it up by one, on disk before we return."""
        limit = sum(f.count for f in self.faults if f.kind.name == name)
        if limit == 0:
            return False
        with self.state.change():
            used = self.state.section("faults")
            if used.get(name, 0) >= limit:
                return False
            used[name] = used.get(name, 0) + 1
        return True
