"""A machine that was made with other settings, where the difference cannot be changed on it."""

from __future__ import annotations

from provision.errors import Refused
from provision.facts.base import UnknownFact, World
from provision.facts.files import Stamp as StampFact
from provision.settings.model import Settings
from provision.settings.stamp import Stamp, compare


def require_same(settings: Settings, world: World, machine: str) -> None:
    """Nothing that needs the machine made again has changed since its stamp; without one that can be read, all passes.

    Raises:
        Refused: such a setting has changed; the details name each with both values.
    """
    try:
        made = Stamp.from_json(world.machine(machine).get(StampFact).text or "")
    except (UnknownFact, ValueError):
        return
    changed = [
        f"{change.field} was {change.before}, now it is {change.now}"
        for change in compare(made, settings, machine)
        # A field that is in one of the two alone came or went with a release of this program.
        if not change.in_place and change.field in made.settings
    ]
    if changed:
        raise Refused(
            f"{machine} was made with other settings, and this cannot be changed in place",
            details="\n".join(changed),
            remedy="write the former values, or `invoke destroy` and `invoke up` to make the cluster again",
        )
