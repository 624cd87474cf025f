"""For all tests: neither an example of a property nor the making of one has a time limit; the computer may be busy."""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

# How `inv` was called to run the tests is nothing that their texts should depend on.
os.environ.pop("HYBRID_COMMAND", None)

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """What has been collected stays until the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
