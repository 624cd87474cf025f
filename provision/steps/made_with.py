"""A machine that was made with other settings, where the difference cannot be changed on it."""

from __future__ import annotations

from provision.errors import Refused
from provision.facts.base import UnknownFact, World
from provision.facts.files import Stamp as StampFact
from provision.settings.model import Settings
from provision.settings.stamp import Change, Stamp, compare

ADDRESS = "machine.address"


def require_same(settings: Settings, world: World, machine: str) -> None:
    """Nothing that needs the machine made again has changed since its stamp; without one that can be read, all passes.

    Raises:
        Refused: such a setting has changed; the details name each with both values.
    """
    changed = _changed(settings, world, machine)
    if changed:
        raise Refused(
            f"{machine} was made with other settings, and this cannot be changed in place",
            details="\n".join(f"{change.field} was {change.before}, now it is {change.now}" for change in changed),
            remedy=_addresses(settings, world)
            or "write the former values, or `invoke destroy` and `invoke up` to make the cluster again",
        )


def _changed(settings: Settings, world: World, machine: str) -> list[Change]:
    try:
        made = Stamp.from_json(world.machine(machine).get(StampFact).text or "")
    except (UnknownFact, ValueError):
        return []
    # A field that is in one of the two alone came or went with a release of this program.
    return [c for c in compare(made, settings, machine) if not c.in_place and c.field in made.settings]


def _addresses(settings: Settings, world: World) -> str:
    """What to write when nothing but addresses differ: those that nobody wrote move when a machine is taken out."""
    rows = {machine.name: _changed(settings, world, machine.name) for machine in settings.machines}
    if any(change.field != ADDRESS for changes in rows.values() for change in changes):
        return ""
    lines = ", ".join(f"`address: {changes[0].before}` to {name}" for name, changes in rows.items() if changes)
    return f"addresses that are not written follow from the order of `machines`: add {lines}"
