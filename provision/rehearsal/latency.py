"""How long the rehearsal's effects take: one data file with a source a row, scaled."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from provision.clock import Deadline, poll
from provision.errors import DeadlineExceeded
from provision.rehearsal import yaml_text

TABLE = Path(__file__).with_name("latencies.yaml")


@dataclass(frozen=True)
class Latency:
    """One row: seconds in reality, and who says so (``guess`` when nobody does)."""

    name: str
    seconds: float
    source: str


@lru_cache(maxsize=1)
def load() -> Mapping[str, Latency]:
    """The table, by name."""
    rows = yaml_text.load(TABLE.read_text())
    return {name: Latency(name, float(row["seconds"]), row["source"]) for name, row in rows.items()}


class Latencies:
    """The table at one scale.

    Args:
        scale: 1.0 is real time, 0 waits for nothing.
        factor: a further factor for a machine that is slow by a fault.
    """

    def __init__(self, scale: float, table: Mapping[str, Latency] | None = None, factor: float = 1.0) -> None:
        self.scale = scale
        self.factor = factor
        self.table = load() if table is None else table

    def seconds(self, name: str) -> float:
        """Scaled seconds of a row.

        Raises:
            KeyError: there is no such row.
        """
        return self.table[name].seconds * self.scale * self.factor

    def wait(self, name: str, *stops: threading.Event, times: float = 1.0) -> bool:
        """Wait as long as this takes; returns False when one of the events ended it early."""
        return pause(self.seconds(name) * times, *stops)


def pause(seconds: float, *stops: threading.Event) -> bool:
    """Wait; returns False when one of the events is or gets set."""
    if any(stop.is_set() for stop in stops):
        return False
    if seconds <= 0:
        return True
    if len(stops) == 1:
        return not stops[0].wait(seconds)
    deadline = Deadline(seconds)
    try:
        poll(lambda: (True if any(s.is_set() for s in stops) else None, ""), deadline, every=0.05)
    except DeadlineExceeded:
        return True
    return False
