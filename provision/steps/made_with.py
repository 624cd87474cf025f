"""A machine that was made with other settings, where the difference cannot be changed on it as it runs."""

from __future__ import annotations

from provision.errors import Refused
from provision.facts.base import UnknownFact, World
from provision.facts.files import Stamp as StampFact
from provision.settings.model import Settings
from provision.settings.stamp import Change, Stamp, compare

ADDRESS = "machine.address"
SIZE = ("machine.cpus", "machine.memory")  # a provider gives them to a machine when it starts it, and at no other time


def require_same(settings: Settings, world: World, machine: str) -> None:
    """Nothing that needs the machine made again has changed since its stamp; without one that can be read, all passes.

    Raises:
        Refused: such a setting has changed; the details name each with both values.
    """
    changed = _changed(settings, world, machine)
    if changed:
        raise Refused(
            f"{machine} was made with other settings, and this cannot be changed in place",
            details=_both(changed),
            remedy=_addresses(settings, world)
            or "write the former values, or `invoke destroy` and `invoke up` to make the cluster again",
        )


def require_same_size(settings: Settings, world: World, machine: str) -> None:
    """A machine that ran before this run has the size that the settings say: a stamp of a new one would be untrue.

    Raises:
        Refused: it has another one.
    """
    resized = [change for change in _changes(settings, world, machine) if _is_size(settings, change)]
    if resized:
        raise Refused(
            f"{machine} runs with another size than the settings say, and gets a new one only when it starts",
            details=_both(resized),
            remedy="`invoke halt`, then `invoke up`; or write the former values",
        )


def refusal(settings: Settings, world: World) -> Refused | None:
    """What stops `invoke up` before it does anything; None: nothing does."""
    for machine in settings.machines:
        try:
            require_same(settings, world, machine.name)
            require_same_size(settings, world, machine.name)
        except Refused as refused:
            return refused
    return None


def way(settings: Settings, change: Change) -> str:
    """What has to be done for a changed setting to become true."""
    if not change.in_place:
        return "the machine has to be made again"
    return "`invoke halt`, then `invoke up`" if _is_size(settings, change) else "`invoke up` changes it in place"


def _is_size(settings: Settings, change: Change) -> bool:
    # Machines that exist without us have the size that they have.
    return change.field in SIZE and settings.provider != "existing"


def _both(changes: list[Change]) -> str:
    return "\n".join(f"{change.field} was {change.before}, now it is {change.now}" for change in changes)


def _changed(settings: Settings, world: World, machine: str) -> list[Change]:
    return [change for change in _changes(settings, world, machine) if not change.in_place]


def _changes(settings: Settings, world: World, machine: str) -> list[Change]:
    try:
        made = Stamp.from_json(world.machine(machine).get(StampFact).text or "")
    except (UnknownFact, ValueError):
        return []
    # A field that is in one of the two alone came or went with a release of this program.
    return [change for change in compare(made, settings, machine) if change.field in made.settings]


def _addresses(settings: Settings, world: World) -> str:
    """What to write when nothing but addresses differ: those that nobody wrote move when a machine is taken out."""
    rows = {machine.name: _changed(settings, world, machine.name) for machine in settings.machines}
    if any(change.field != ADDRESS for changes in rows.values() for change in changes):
        return ""
    lines = ", ".join(f"`address: {changes[0].before}` to {name}" for name, changes in rows.items() if changes)
    return f"addresses that are not written follow from the order of `machines`: add {lines}"
