"""Components that a machine has installed, held against the artifacts of this run."""

from __future__ import annotations

from collections.abc import Mapping

from provision.facts.base import UnknownFact, World
from provision.facts.files import Installed


def wanted_digests(world: World, names: tuple[str, ...]) -> dict[str, str]:
    """Artifact name -> SHA-256.

    Raises:
        UnknownFact: one of them is not resolved yet.
    """
    absent = [name for name in names if name not in world.host.digests]
    if absent:
        raise UnknownFact(f"not resolved yet: {', '.join(absent)}")
    return {name: world.host.digests[name] for name in names}


def component_faults(installed: Installed, component: str, wanted: Mapping[str, str]) -> list[str]:
    """What keeps a component from being installed from these artifacts, untouched since."""
    found = installed.components.get(component)
    if found is None:
        return ["it is not installed"]
    if dict(found.digests) != dict(wanted):
        others = [name for name, digest in wanted.items() if found.digests.get(name) != digest]
        return [f"another version is installed ({', '.join(others) or 'files that are not wanted any more'})"]
    return [] if found.intact else [found.detail or "its files were changed"]
