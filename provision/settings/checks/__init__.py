"""Checks of settings against themselves and against what is known; `judge` has the list."""

from __future__ import annotations

from dataclasses import dataclass

from provision.settings.problems import Path


@dataclass(frozen=True)
class Finding:
    """One contradiction; without a remedy it is a notice that stops nothing.

    Attributes:
        path: the key to change; machines by number.
        also: keys that it contradicts, in case the key itself was left at its default.
    """

    path: Path
    what: str
    remedy: str = ""
    also: tuple[Path, ...] = ()
