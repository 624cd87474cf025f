"""Limits of the waits inside scripts."""

from __future__ import annotations


def inside(timeout: float) -> int:
    """Whole seconds that a script may wait within a step's ``timeout``.

    A minute less, so that the script's own error, which carries the last thing seen, comes before the step's
    deadline; of a short deadline, half.
    """
    return int(max(timeout - 60, timeout / 2))
