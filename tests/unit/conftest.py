"""Unit tests are pure: they may not spawn, connect, sleep or touch the home folder."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class NotPure(AssertionError):
    """A unit test did something that only other layers may do."""


@pytest.fixture(autouse=True)
def pure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Guards every unit test; ``@pytest.mark.allow("spawn")`` opens one door, with its reason in the test."""
    marker = request.node.get_closest_marker("allow")
    allowed = set(marker.args) if marker else set()

    def refuse(what: str) -> object:
        def refused(*_: object, **__: object) -> None:
            raise NotPure(f"a unit test may not {what}")

        return refused

    if "spawn" not in allowed:
        monkeypatch.setattr(subprocess, "Popen", refuse("start a process"))
    if "connect" not in allowed:
        monkeypatch.setattr(socket.socket, "connect", refuse("connect"))
    if "sleep" not in allowed:
        monkeypatch.setattr(time, "sleep", refuse("sleep"))
    monkeypatch.setenv("HOME", str(tmp_path / "no-home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-home" / "cache"))
    yield
