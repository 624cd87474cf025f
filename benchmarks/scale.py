"""8 and 32 Windows workers against one: makespan and memory."""

from __future__ import annotations

from benchmarks.measure import Row, up, windows_machines, workspace

# Many machines on two cores: the modelled latencies have to outweigh what 33 interpreters cost.
SCALE = 0.1


def rows() -> list[Row]:
    """Measure one, eight and thirty-two workers."""
    spans: dict[int, float] = {}
    memory: dict[int, float] = {}
    for count in (1, 8, 32):
        with workspace(provider="rehearsal", rehearsal={"scale": SCALE}, machines=windows_machines(count)) as folder:
            timed = up(folder)
            spans[count] = float(timed.answer["makespan"])
            memory[count] = timed.peak_mb
    return [
        Row("8 Windows workers / 1, makespan", spans[8] / spans[1], 1.15, note=f"scale {SCALE}"),
        Row("32 Windows workers / 1, makespan", spans[32] / spans[1], 1.30, note=f"scale {SCALE}"),
        Row("peak memory of up with 32 Windows workers", memory[32], 200, unit="M"),
    ]
