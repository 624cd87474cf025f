"""Steps of this computer and of the provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from provision.clock import Deadline
from provision.errors import DeadlineExceeded
from provision.settings.complete import complete
from provision.settings.model import Settings, Timeouts
from provision.steps.host import up_step


@dataclass
class Ctx:
    """What the step works with: a machine that runs and never answers."""

    settings: Settings
    deadline: Deadline
    met: list[float] = field(default_factory=list)
    provider: Any = field(
        default_factory=lambda: SimpleNamespace(name="virtualbox", ensure_up=lambda machine, deadline, on_line: None)
    )

    def waits_for(self, what: str) -> None:
        pass

    def on_line(self, line: str) -> None:
        pass

    def meet(self, deadline: Deadline) -> None:
        self.met.append(deadline.seconds)
        raise deadline.error("TCP: 192.168.56.11:5985 does not take connections")


def test_a_machine_that_runs_and_says_nothing_takes_one_boots_time() -> None:
    settings = complete(Settings(provider="virtualbox", timeouts=Timeouts(boot=240)))
    step = up_step(settings, settings.machine("winw1"))
    assert step.timeout > 1800
    assert step.apply is not None
    ctx = Ctx(settings, Deadline(step.timeout))
    with pytest.raises(DeadlineExceeded, match="winw1: the wait for its first answer did not end within 240 s") as said:
        step.apply(ctx)  # type: ignore[arg-type]
    assert ctx.met == [240.0]
    assert "does not take connections" in said.value.details
    assert "`invoke halt`, then `invoke up`" in said.value.remedy
