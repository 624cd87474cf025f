"""The one mutable place of a run: the newest world, taken over by scripts' answers as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from provision.facts.base import HostFacts, MachineFacts, World

CLUSTER_PREFIX = "cluster."


class WorldHolder:
    """Holds the newest `World`; every method may be called from any thread."""

    def __init__(self, world: World) -> None:
        self._lock = threading.Lock()
        self._world = world

    @property
    def now(self) -> World:
        return self._world

    def update(self, change: Callable[[World], World]) -> None:
        """Replace the world by what ``change`` makes of it."""
        with self._lock:
            self._world = change(self._world)

    def take(self, machine: str, sections: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over sections that a machine printed; ``cluster.*`` ones belong to the cluster."""
        own = {name: value for name, value in sections.items() if not name.startswith(CLUSTER_PREFIX)}
        cluster = {name: value for name, value in sections.items() if name.startswith(CLUSTER_PREFIX)}

        def change(world: World) -> World:
            changed = world.with_machine(machine, world.machine(machine).merged(own))
            return replace(changed, cluster=changed.cluster.merged(cluster)) if cluster else changed

        self.update(change)

    def lose(self, machine: str, facts: MachineFacts) -> None:
        """Forget what a machine said (it went away); keep only its state."""
        self.update(lambda world: world.with_machine(machine, facts))

    def host(self, read: Callable[[], HostFacts]) -> None:
        """Take over what ``read`` finds; it is asked in turn, so that an older answer never replaces a newer one."""
        self.update(lambda world: replace(world, host=read()))
