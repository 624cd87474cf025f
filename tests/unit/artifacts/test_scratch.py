"""Folders for what is being made: nobody else's while a run lives, nobody's afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from provision.artifacts import scratch as module
from provision.artifacts.cache import Cache, file_digest
from provision.artifacts.scratch import scratch, sweep


def _killed(temporary: Path) -> Path:
    """What a killed run leaves."""
    left = temporary / "build-killed"
    left.mkdir(parents=True)
    (left / "in-use").touch()
    (left / "half").write_bytes(b"x")
    return left


def test_a_killed_runs_folder_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    with scratch(tmp_path) as living:
        (living / "half").write_bytes(b"x")
        dead, other = _killed(tmp_path), tmp_path / "somebodys"
        other.mkdir()
        sweep(tmp_path)
        assert living.exists() and not dead.exists() and other.exists()
    assert not living.exists()


def test_a_folder_that_is_being_made_is_not_taken_for_a_killed_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(FileLock):
        """Others look while the lock's file is there and not held yet."""

        def acquire(self, *given: Any, **more: Any) -> Any:
            Path(self.lock_file).touch()
            with monkeypatch.context() as patch:
                patch.setattr(module, "FileLock", FileLock)
                sweep(tmp_path)
            assert Path(self.lock_file).exists()
            return super().acquire(*given, **more)

    monkeypatch.setattr(module, "FileLock", Slow)
    with scratch(tmp_path) as folder:
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())


def test_copies_into_the_cache_clear_up_after_killed_ones(tmp_path: Path) -> None:
    cache, mine = Cache(tmp_path / "cache"), tmp_path / "mine"
    mine.write_bytes(b"mine")
    dead = _killed(cache.temporary)
    cache.keep(mine, file_digest(mine))
    assert not dead.exists() and not list(cache.temporary.iterdir())
