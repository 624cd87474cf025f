"""Waits of the tests: for what is to happen, never for a time that it is believed to take."""

from __future__ import annotations

from collections.abc import Callable

from provision.clock import Deadline, monotonic, poll

# Seconds after which what has not happened will not: no computer on which the tests are run is so slow.
PATIENCE = 120.0


def until(what: Callable[[], object], waited_for: str = "what the test waits for") -> None:
    """Wait until ``what`` gives something true.

    Raises:
        DeadlineExceeded: it has not within `PATIENCE`.
    """
    poll(lambda: (True if what() else None, "not yet"), Deadline(PATIENCE, waited_for), every=0.01)


class Called(Deadline):
    """A deadline that passes when the test says so, however long it took to come so far."""

    def __init__(self, what: str = "") -> None:
        super().__init__(PATIENCE, what)

    def passes(self, *_: object) -> None:
        """Now; takes and ignores what a listener is given."""
        self._end = monotonic()
