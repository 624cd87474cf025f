"""A file of the cache that has changed on the disk is noticed before it leaves this computer, and fetched again."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.artifacts.cache import file_digest
from tests.scenarios.inprocess import Rehearsed, complaint


@pytest.mark.parametrize("name", ["kubelet", "kubelet.exe"])
def test_a_flipped_bit_in_the_cache_is_mended(tmp_path: Path, name: str) -> None:
    first = Rehearsed(tmp_path)
    assert not first.up().failures
    path = first.tools.store.path(name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    for machine in ("cp1", "winw1"):
        first.park.destroy(machine)
    again = Rehearsed(tmp_path)
    result = again.up()
    assert not result.failures, complaint(result)
    assert [f"{name} was damaged in the cache of this computer: it is fetched again"] == [
        line for lines in again.heard.lines.values() for line in lines if "damaged" in line
    ]
    assert file_digest(path) == path.name
