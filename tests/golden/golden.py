"""Comparing with a golden file; ``UPDATE_GOLDEN=1`` rewrites it and still fails once, so that somebody looks."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest


def same_as(golden: Path, text: str) -> None:
    """Fail unless the text is the golden file's."""
    before = golden.read_text() if golden.is_file() else ""
    if text == before:
        return
    shown = "".join(
        difflib.unified_diff(before.splitlines(True), text.splitlines(True), f"golden/{golden.name}", "rendered")
    )
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(text)
        pytest.fail(f"{golden.name} was rewritten; look at the change, then run again without UPDATE_GOLDEN\n{shown}")
    pytest.fail(f"{golden.name} differs; if that is meant, run with UPDATE_GOLDEN=1\n{shown}")
