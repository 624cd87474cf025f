"""Runs that never were, written by the real journal with a clock of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provision import journal
from provision.journal import Journal

# step, machine, lane, seconds from the run's start to its start, seconds that it took, outcome
Row = tuple[str, str | None, str, float, float, str]

GOOD: Sequence[Row] = (
    ("fetch-kubelet", None, "host", 0.4, 21.0, "done"),
    ("fetch-kubelet.exe", None, "host", 0.4, 24.5, "done"),
    ("fetch-containerd-windows.tar.gz", None, "host", 0.4, 9.7, "done"),
    ("provider", None, "host", 0.4, 95.0, "done"),
    ("up@cp1", "cp1", "machine", 95.5, 48.0, "done"),
    ("up@winw1", "winw1", "machine", 95.5, 190.0, "done"),
    ("up@winw2", "winw2", "machine", 95.6, 205.0, "done"),
    ("card@cp1", "cp1", "system", 143.6, 0.6, "done"),
    ("kernel@cp1", "cp1", "system", 144.3, 1.1, "done"),
    ("programs@cp1", "cp1", "system", 145.5, 31.0, "done"),
    ("deliver@cp1", "cp1", "files", 143.6, 14.0, "done"),
    ("containerd@cp1", "cp1", "system", 176.6, 6.2, "done"),
    ("kubernetes@cp1", "cp1", "system", 183.0, 3.4, "done"),
    ("control-plane", "cp1", "system", 186.5, 62.0, "done"),
    ("egress", "cp1", "system", 248.7, 0.9, "done"),
    ("calico", "cp1", "cluster", 248.7, 11.0, "done"),
    ("strict-affinity", "cp1", "cluster", 260.0, 2.1, "done"),
    ("calico-ready", "cp1", "cluster", 262.4, 74.0, "done"),
    ("depot", "cp1", "files", 157.7, 1.9, "done"),
    *(
        (f"{step}@{machine}", machine, lane, at + late, took, "done")
        for machine, late in (("winw1", 0.0), ("winw2", 15.0))
        for step, lane, at, took in (
            ("card", "system", 285.6, 4.0),
            ("settings", "system", 290.0, 6.0),
            ("host-name", "system", 296.1, 2.0),
            ("features", "system", 298.3, 58.0),
            ("deliver-containerd", "files", 290.0, 5.5),
            ("deliver-kubernetes", "files", 295.7, 19.0),
            ("reboot", "system", 356.5, 66.0),
            ("firewall", "system", 422.7, 3.0),
            ("containerd", "system", 425.9, 9.0),
            ("kubernetes", "system", 435.1, 3.0),
            ("kubelet-service", "system", 438.3, 4.4),
            ("join", "system", 442.9, 21.0),
            ("calico-windows", "system", 464.1, 88.0),
            ("stamp", "system", 552.3, 1.0),
        )
    ),
    ("smoke-pods", "cp1", "cluster", 569.0, 3.0, "done"),
    ("nodes-ready", "cp1", "cluster", 572.4, 8.0, "done"),
    ("cluster-ready", "cp1", "cluster", 581.0, 41.0, "done"),
)
FAILED: Sequence[Row] = (
    *GOOD[:19],
    ("card@winw1", "winw1", "system", 285.6, 4.0, "done"),
    ("features@winw1", "winw1", "system", 290.0, 58.0, "failed"),
)


def write_run(
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: Sequence[Row],
    *,
    outcome: str | None = "ready",
    rehearsed: bool = True,
    text: str = "what it said",
    error: str = "",
) -> Path:
    """A run's folder. ``outcome`` None: it was killed, its last step has no end; ``text``: in every free field."""
    start = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
    now = [0.0]
    monkeypatch.setattr(journal, "utc_now", lambda: start + timedelta(seconds=now[0]))
    made = Journal(
        runs,
        "up",
        cluster="dev",
        provider="rehearsal" if rehearsed else "libvirt",
        rehearsed=rehearsed,
        kubernetes="1.36.4",
        cni="calico 3.32.1",
        containerd={"Linux": "2.3.4", "Windows": "2.3.4"},
    )
    moments = [(at, 0, row) for row in rows for at in (row[3],) if row[5] != "already"]
    moments += [(row[3] + row[4], 1, row) for row in rows]
    moments.sort(key=lambda moment: (moment[0], moment[1]))
    last = max(rows, key=lambda row: row[3] + row[4]) if rows else None
    for at, ends, row in moments:
        step, machine, lane, _, took, how = row
        now[0] = at
        if not ends:
            made.event("step-started", step=step, machine=machine, lane=lane, reason=f"missing: {text}")
            for number in range(3):
                made.step_line(step, f"{text} {number}")
        elif outcome is not None or row is not last:
            title = f"{step} is true, {text}"
            made.event(
                "step-ended",
                step=step,
                machine=machine,
                lane=lane,
                title=title,
                outcome=how,
                reason=f"seen: {text}",
                seconds=took,
            )
    if outcome is not None:
        now[0] += 0.8
        made.event("run-ended", outcome=outcome, seconds=now[0])
    if error:
        (made.folder / "error.txt").write_text(error)
    made.close()
    return made.folder
