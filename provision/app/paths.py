"""Folders of this computer that all clusters share; apart, because some commands need nothing else of a session."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

APP = "hybrid-provision"


def cache_root() -> Path:
    """Where the files of real clusters are kept: ``HYBRID_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("HYBRID_CACHE") or user_cache_path(APP))
