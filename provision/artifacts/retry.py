"""Trying again: with growing waits, as long as bytes come, and never longer than a server asks or a deadline allows."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from provision import clock
from provision.artifacts.web import LONGEST_WAIT, Again, shown
from provision.clock import Deadline
from provision.errors import ArtifactError

T = TypeVar("T")

# In a row without a new byte; a connection that breaks every ten megabytes still ends.
_ATTEMPTS = 5


def attempts(
    url: str,
    deadline: Deadline,
    attempt: Callable[[], T],
    stop: threading.Event | None = None,
    progress: Callable[[], int] = lambda: 0,
) -> T:
    """What an attempt gives, at last.

    Args:
        attempt: raises `Again` where another attempt may mend it.
        stop: ends the waiting.
        progress: bytes so far; more of them mean that it goes on.

    Raises:
        ArtifactError: too many attempts failed, or it was stopped; what the attempt itself raises is passed on.
    """
    failures, best = 0, progress()
    seen: list[str] = []
    while True:
        try:
            return attempt()
        except Again as error:
            last = error
        if str(last) not in seen:
            seen.append(str(last))
        failures = 1 if progress() > best else failures + 1
        best = max(best, progress())
        # Not at the same moment as all others whose connection broke with ours.
        wait = max(last.wait or 0.0, 0.5 * 2**failures * random.uniform(0.7, 1.0))
        if failures >= _ATTEMPTS or wait > min(LONGEST_WAIT, deadline.remaining()):
            break
        _pause(url, wait, stop)
    if last.wait and last.wait > LONGEST_WAIT:
        seen.append(f"it asks us to wait {last.wait:.0f} s")
    raise ArtifactError(
        f"cannot fetch {shown(url)}",
        details=f"{failures} tries in a row without a new byte: {'; '.join(seen[-5:])}",
        remedy="look at the network, at `network.proxy` and at `mirrors` in the settings, then run this again: "
        "it goes on from what came",
    ) from last


def _pause(url: str, seconds: float, stop: threading.Event | None) -> None:
    while seconds > 0:
        unless_stopped(url, stop)
        clock.sleep(min(0.2, seconds))
        seconds -= 0.2


def unless_stopped(url: str, stop: threading.Event | None) -> None:
    """Raise `ArtifactError` when the run ends."""
    if stop is not None and stop.is_set():
        raise ArtifactError(f"stopped while fetching {shown(url)}", remedy="run it again: it goes on from here")
