"""8 and 32 Windows workers against one: makespan and memory."""

from __future__ import annotations

from benchmarks.measure import Row, up, windows_machines, workspace

# All models run in one process: 32 Windows machines want tens of seconds of one processor, which real machines bring
# along themselves. At this scale what they wait for (two minutes for one worker) outweighs that.
SCALE = 0.25


def rows() -> list[Row]:
    """Measure one, eight and thirty-two workers."""
    spans: dict[int, float] = {}
    memory: dict[int, float] = {}
    notes: dict[int, str] = {}
    for count in (1, 8, 32):
        with workspace(provider="rehearsal", rehearsal={"scale": SCALE}, machines=windows_machines(count)) as folder:
            timed = up(folder)
            spans[count] = float(timed.answer["makespan"])
            memory[count] = timed.peak_mb
            notes[count] = f"{spans[count]:.0f} s at scale {SCALE}; up took {timed.processor:.1f} s of processor"
    return [
        Row("8 Windows workers / 1, makespan", spans[8] / spans[1], 1.15, note=f"{notes[8]}; 1: {notes[1]}"),
        Row("32 Windows workers / 1, makespan", spans[32] / spans[1], 1.30, note=notes[32]),
        Row("peak memory of up with 32 Windows workers", memory[32], 200, unit="M", note=f"{memory[1]:.0f} M with 1"),
    ]
