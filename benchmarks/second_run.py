"""A second `up` on a finished cluster: remote commands a machine, and our own time."""

from __future__ import annotations

from statistics import median

from benchmarks.measure import Row, up, workspace


def rows() -> list[Row]:
    """Measure five second runs."""
    with workspace(provider="rehearsal", rehearsal={"scale": 0.0}) as folder:
        up(folder)
        again = [up(folder) for _ in range(5)]
    own = median(timed.seconds - timed.answer["provider_seconds"] for timed in again)
    most = max(max(timed.answer["commands"].values()) for timed in again)
    done = max(len(timed.answer["spent"]) for timed in again)
    return [
        Row("second up: remote commands a machine", most, 1),
        Row("second up: steps done", done, 0),
        Row("second up: own time", own, 1.0, unit="s", note="whole process, less the provider's state query"),
    ]
