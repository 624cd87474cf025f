"""The index of what has been built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.artifacts.cache import Cache
from provision.build.base import Built
from provision.build.results import Results
from provision.build.targets import BY_NAME
from tests.unit.build.test_stamp import SOURCE

KEY = "a" * 64


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def _keep(cache: Cache, data: bytes = b"program", key: str = KEY) -> Built:
    cache.temporary.mkdir(parents=True, exist_ok=True)
    file = cache.temporary / "kubelet.exe"
    file.write_bytes(data)
    target = BY_NAME["kubelet.exe"]
    return Results(cache).keep(file, SOURCE, target, key=key, go="1.26.4", seconds=12.34, debug=False)


def test_what_was_kept_is_found_and_not_fresh(cache: Cache) -> None:
    kept = _keep(cache)
    assert kept.fresh and kept.path.read_bytes() == b"program" and kept.path.name == kept.sha256
    found = Results(cache).find(KEY)
    assert found is not None and not found.fresh
    assert (found.name, found.version, found.sha256, found.size, found.seconds) == (
        "kubelet.exe", SOURCE.version, kept.sha256, 7, 12.3,
    )  # fmt: skip
    assert not list(cache.temporary.iterdir())


def test_another_key_is_another_result_even_of_the_same_bytes(cache: Cache) -> None:
    _keep(cache)
    _keep(cache, key="b" * 64)
    assert [record.key[0] for record in Results(cache).records()] == ["b", "a"]
    assert Results(cache).find("c" * 64) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": 1}'])
def test_a_damaged_row_was_never_built(cache: Cache, text: str) -> None:
    _keep(cache)
    (cache.root / "builds" / f"{KEY}.json").write_text(text)
    assert Results(cache).find(KEY) is None
    assert Results(cache).records() == []


def test_a_row_without_its_file_or_with_half_of_it_does_not_count(cache: Cache) -> None:
    kept = _keep(cache)
    kept.path.chmod(0o644)
    kept.path.write_bytes(b"half")
    assert Results(cache).find(KEY) is None
    kept.path.unlink()
    assert Results(cache).find(KEY) is None


def test_a_row_under_another_key_does_not_count(cache: Cache) -> None:
    _keep(cache)
    row = cache.root / "builds" / f"{KEY}.json"
    (row.with_name("d" * 64 + ".json")).write_text(row.read_text())
    assert Results(cache).find("d" * 64) is None


def test_a_row_says_where_it_came_from(cache: Cache) -> None:
    _keep(cache)
    row = json.loads((cache.root / "builds" / f"{KEY}.json").read_text())
    assert row["commit"] == SOURCE.commit and row["remote"] == SOURCE.remote and row["go"] == "1.26.4"
