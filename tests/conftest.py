"""For all tests: no example of a property has a time limit of its own; the computer may be busy."""

from __future__ import annotations

import os

from hypothesis import settings

# How `inv` was called to run the tests is nothing that their texts should depend on.
os.environ.pop("HYBRID_COMMAND", None)

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
