"""From what is wrong to a judgement; used by every check that looks at several things."""

from __future__ import annotations

from collections.abc import Sequence

from provision.steps.base import Judgement, Missing, Satisfied


def verdict(wrong: Sequence[str], reason: str) -> Judgement:
    """Satisfied with the reason when nothing is wrong, else Missing with everything that is."""
    return Missing("; ".join(wrong)) if wrong else Satisfied(reason)
