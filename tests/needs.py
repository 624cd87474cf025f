"""Programs that some tests need: without them a test skips and names the package; REQUIRE_REAL=1 makes it fail."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def need(program: str, package: str) -> str:
    """The program's path; ends the test when it is not installed."""
    found = shutil.which(program)
    if found is None:
        lack(f"apt-get install {package}")
    return found


def lack(remedy: str) -> NoReturn:
    """End the test because something is not here."""
    if os.environ.get("REQUIRE_REAL"):
        pytest.fail(remedy)
    pytest.skip(remedy)
