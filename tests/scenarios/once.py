"""What takes long to make and is only read: made once a worker, copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

_MADE: dict[str, Path] = {}


def copied(key: str, target: Path, base: Path, make: Callable[[Path], object]) -> None:
    """Copy to ``target`` the folder of this key; ``make`` fills it, below ``base``, when a test first asks for it."""
    if key not in _MADE:
        folder = base / f"made-once-{len(_MADE)}"
        make(folder)
        _MADE[key] = folder
    shutil.copytree(_MADE[key], target, dirs_exist_ok=True)
