"""The world at one moment: the provider's states, and one probe a running machine, all at once."""

from __future__ import annotations

from dataclasses import dataclass

from provision.clock import Deadline, monotonic
from provision.errors import ProvisionError
from provision.facts.base import MachineFacts, World, parse_facts
from provision.guests.base import OnLine
from provision.steps.context import Connections, Tools
from provision.steps.probe import probe_script
from provision.steps.runner import Runner

# Seconds for one machine's connection and probe; a machine that takes longer is unreachable for now.
PROBE_LIMIT = 90.0


@dataclass(frozen=True)
class Observed:
    """Why some running machines could not be read, and what the provider's state query took (seconds)."""

    unread: dict[str, Exception]
    provider_seconds: float


def observe(
    tools: Tools, runner: Runner, on_line: OnLine | None = None, *, known: frozenset[str] = frozenset()
) -> Observed:
    """Read states and facts into the tools' world.

    Args:
        known: machines that have just said everything; they are not asked again.

    Raises:
        MachineError: the provider cannot say its states.
    """
    began = monotonic()
    states = tools.provider.states()
    provider_seconds = monotonic() - began
    names = [machine.name for machine in tools.settings.machines]
    before = tools.world.now
    facts = {name: MachineFacts(state=states.get(name, "absent")) for name in names}
    known = frozenset(name for name in known if facts[name].state == "running")
    facts |= {name: before.machine(name) for name in known}
    master = tools.settings.control_plane.name
    cluster = before.cluster if master in known else MachineFacts(state=facts[master].state)
    tools.world.update(lambda _: World(machines=facts, cluster=cluster, host=tools.store.facts()))
    running = [name for name in names if facts[name].state == "running" and name not in known]

    def read(name: str, connections: Connections) -> None:
        script = probe_script(tools.settings.machine(name))
        try:
            result = connections.get(name).run(script, Deadline(PROBE_LIMIT, f"probe of {name}"), on_line)
            tools.world.take(name, parse_facts(result.require().out))
        except ProvisionError:
            connections.drop(name)
            tools.world.lose(name, MachineFacts(state="unreachable"))
            raise

    return Observed(runner.each(running, read), provider_seconds)
