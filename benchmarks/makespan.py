"""Makespan against the longest chain, against the same steps one after another, and round trips a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.measure import Row, up, workspace

# At this scale the longest chain takes well over 10 s, so that our own time is small beside it.
SCALE = 0.05


def longest_chain(needs: Mapping[str, Sequence[str]], spent: Mapping[str, float]) -> float:
    """Seconds of the longest chain of steps that depend on each other; steps stand after what they need."""
    ends: dict[str, float] = {}
    for step, before in needs.items():
        ends[step] = max((ends[need] for need in before), default=0.0) + spent.get(step, 0.0)
    return max(ends.values(), default=0.0)


def rows() -> list[Row]:
    """Measure with one Windows worker."""
    settings = {"provider": "rehearsal", "rehearsal": {"scale": SCALE}}
    with workspace(**settings) as folder:
        ours = up(folder).answer
    with workspace(**settings) as folder:
        one_by_one = up(folder, "--sequential").answer
    chain = longest_chain(ours["needs"], ours["spent"])
    best = sum(one_by_one["spent"].values()) / longest_chain(one_by_one["needs"], one_by_one["spent"])
    commands = sum(ours["commands"].values())
    steps = len(ours["spent"])
    remote = sum(1 for name in ours["spent"] if not name.startswith("fetch-") and name != "provider")
    return [
        Row("longest dependent chain", chain, 10.0, at_most=False, unit="s", note=f"scale {SCALE}"),
        Row("makespan / longest dependent chain", ours["makespan"] / chain, 1.10),
        Row(
            "one after another / ours",
            one_by_one["makespan"] / ours["makespan"],
            min(1.8, 0.95 * best),
            at_most=False,
            note=f"best possible {best:.2f}",
        ),
        Row(
            "remote commands / steps on machines",
            commands / remote,
            1.10,
            note=f"{commands} commands, {remote} of {steps} steps",
        ),
    ]
