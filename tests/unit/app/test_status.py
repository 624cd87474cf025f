"""What `invoke status` says of clocks."""

from __future__ import annotations

import pytest

from provision.app.status import _clock
from provision.clock import utc_now
from tests.unit.steps.linux_facts import CONTROL_PLANE, changed, world


def clock(synchronised: bool | None, time: str = "") -> list[str]:
    facts = changed("cp1", "os", "clock_synchronised", to=synchronised)
    facts["cp1"]["os"]["time"] = time or utc_now().isoformat()
    return _clock(CONTROL_PLANE, world(facts))


@pytest.mark.parametrize("synchronised", [True, None])
def test_a_clock_that_is_right_is_not_spoken_of(synchronised: bool | None) -> None:
    assert clock(synchronised) == []


def test_a_clock_that_nobody_keeps_is_a_warning() -> None:
    assert ["cp1: no time service keeps its clock right" in line for line in clock(False)] == [True]


def test_a_clock_that_is_off_is_another_one() -> None:
    assert [("no time service" in line, "behind" in line) for line in clock(False, "2026-01-01T00:00:00Z")] == [
        (True, False),
        (False, True),
    ]
