"""For all tests: no example of a property has a time limit of its own; the computer may be busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
