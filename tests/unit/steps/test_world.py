"""The newest world, whoever comes first."""

from __future__ import annotations

import threading

from provision.facts.base import HostFacts, World
from provision.steps.world import WorldHolder


def test_an_older_answer_about_the_host_never_replaces_a_newer_one() -> None:
    """Two files come into the cache at once: whoever asks first also takes over first."""
    holder, cached = WorldHolder(World()), {"a"}
    second = threading.Thread(target=lambda: holder.host(lambda: HostFacts(cached=frozenset(cached))))

    def first() -> HostFacts:
        found = frozenset(cached)
        cached.add("b")
        second.start()
        second.join(0.05)  # it has to wait for its turn
        return HostFacts(cached=found)

    holder.host(first)
    second.join(5)
    assert holder.now.host.cached == {"a", "b"}
