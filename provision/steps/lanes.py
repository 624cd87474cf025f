"""Lanes: queues of steps with one worker thread each, and the host's memory budget."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from provision.steps.base import Step

# Several files are fetched at once, and several machines may start at once; the provider's own answer
# (`parallel`) bounds the latter.
HOST_WORKERS = 4


def lane_key(step: Step, *, parallel_machines: bool) -> str:
    """The queue that a step belongs to. Steps of one queue with one worker never overlap."""
    if step.lane == "host":
        return "host"
    if step.lane == "machine":
        return f"machine@{step.machine}" if parallel_machines else "machine"
    if step.lane == "cluster":
        return "cluster"
    return f"{step.lane}@{step.machine}"


@dataclass
class _Lane:
    work: queue.SimpleQueue[Callable[[], None]]
    threads: list[threading.Thread]


class Lanes:
    """Starts a worker when a lane is first used. Workers are daemons: a process never waits for a blocked read."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    def submit(self, key: str, job: Callable[[], None]) -> None:
        """Run the job on a worker of this lane, after the lane's earlier jobs."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(queue.SimpleQueue(), [])
            for number in range(HOST_WORKERS if key == "host" else 1):
                thread = threading.Thread(target=_serve, args=(lane.work,), name=f"{key}#{number}", daemon=True)
                thread.start()
                lane.threads.append(thread)
        lane.work.put(job)

    def each(self, job: Callable[[], None]) -> int:
        """Run the job on every lane's worker, after the lane's earlier jobs; returns how many lanes do.

        The host's lane is left out: its workers are several and talk to no machine.
        """
        keys = [key for key in self._lanes if key != "host"]
        for key in keys:
            self.submit(key, job)
        return len(keys)


def _serve(work: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        work.get()()


class Budget:
    """The host's memory in MiB; a step that costs more than is left waits, but never for ever: alone it may run."""

    def __init__(self, memory: int | None) -> None:
        self._memory = memory
        self._used: dict[str, int] = {}

    def take(self, step: Step) -> bool:
        """Reserve for the step; False when it has to wait."""
        if self._memory is None or not step.costs:
            return True
        if self._used and sum(self._used.values()) + step.costs > self._memory:
            return False
        self._used[step.name] = step.costs
        return True

    def give_back(self, step: Step) -> None:
        self._used.pop(step.name, None)
