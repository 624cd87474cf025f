"""The only place that sleeps, and the deadlines that every wait has."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from provision.errors import DeadlineExceeded

T = TypeVar("T")


def monotonic() -> float:
    """Seconds on a clock that never goes back."""
    return time.monotonic()


def utc_now() -> datetime:
    """The wall clock, aware, in UTC."""
    return datetime.now(UTC)


def sleep(seconds: float) -> None:
    """Sleep; tests replace this one function."""
    if seconds > 0:
        time.sleep(seconds)


class Deadline:
    """A moment by which something must have happened.

    Args:
        seconds: how long from now.
        what: the thing waited for, as it stands in the error.
    """

    def __init__(self, seconds: float, what: str = "") -> None:
        self.seconds = seconds
        self.what = what
        self._end = monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - monotonic())

    @property
    def expired(self) -> bool:
        return self.remaining() <= 0.0

    def at_most(self, seconds: float, what: str = "") -> Deadline:
        """A deadline of its own that never outlives this one."""
        return Deadline(min(seconds, self.remaining()), what or self.what)

    def check(self, last_seen: str = "") -> None:
        """Raise `DeadlineExceeded` when the moment has passed.

        Raises:
            DeadlineExceeded: with ``last_seen`` as the last observation.
        """
        if self.expired:
            raise self.error(last_seen)

    def error(self, last_seen: str = "") -> DeadlineExceeded:
        """The error of this deadline, with the last thing seen."""
        return DeadlineExceeded(
            f"{self.what or 'the wait'} did not end within {self.seconds:.0f} s",
            details=f"last seen: {last_seen}" if last_seen else "",
            remedy="look at the machine, then run the same command again; raise `timeouts` if the machine is only slow",
        )


def poll(
    probe: Callable[[], tuple[T | None, str]],
    deadline: Deadline,
    *,
    every: float = 1.0,
    stop: threading.Event | None = None,
) -> T:
    """Ask ``probe`` until it gives a value.

    Args:
        probe: returns (value or None, what was seen).
        deadline: when to give up.
        every: seconds between two questions.
        stop: ends the wait early when set.

    Raises:
        DeadlineExceeded: with the last thing seen.
    """
    while True:
        value, seen = probe()
        if value is not None:
            return value
        if deadline.expired or (stop is not None and stop.is_set()):
            raise deadline.error(seen)
        sleep(min(every, deadline.remaining()))
