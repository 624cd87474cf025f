"""The parts of a run put together, and one look at a session's world for use cases that change nothing."""

from __future__ import annotations

from dataclasses import dataclass

from provision.app.session import Session
from provision.facts.base import World
from provision.steps.base import Plan, Step
from provision.steps.context import Says, Tools
from provision.steps.observe import observe
from provision.steps.runner import Runner, StepEnd
from provision.steps.world import WorldHolder


class _Silent:
    def line(self, step: str, text: str) -> None:
        """Nobody listens."""

    def waits(self, step: str, what: str) -> None:
        """Nobody listens."""

    def step_started(self, step: Step, reason: str) -> None:
        """Nobody listens."""

    def step_ended(self, end: StepEnd) -> None:
        """Nobody listens."""


@dataclass(frozen=True)
class Observation:
    """A world and why some machines could not be read."""

    world: World
    unread: dict[str, Exception]


def make_tools(session: Session, says: Says) -> Tools:
    """The real parts of a run."""
    return Tools(
        settings=session.settings,
        provider=session.provider,
        store=session.store(),
        world=WorldHolder(World()),
        says=says,
        shared={"builds": session.makers()},
    )


def look(session: Session) -> Observation:
    """Read all machines once; changes nothing."""
    silent = _Silent()
    tools = make_tools(session, silent)
    runner = Runner(Plan(), tools, silent)
    observed = observe(tools, runner)
    runner.close()
    return Observation(tools.world.now, observed.unread)
