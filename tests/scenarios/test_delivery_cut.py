"""A delivery that was cut off between a file's arrival and its record: the file is there, and it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.inprocess import Rehearsed, complaint
from tests.scenarios.test_whole_plan import missing

STALE = b"0" * 64 + b" 1 1\n"


@pytest.mark.parametrize("record", [None, STALE], ids=["no record", "an earlier file's record"])
def test_files_without_their_record_are_installed(tmp_path: Path, record: bytes | None) -> None:
    first = Rehearsed(tmp_path)
    assert not first.up().failures
    files = first.park.get("cp1").files
    for name in ("kubeadm", "containerd-linux.tar.gz"):
        files.remove(f"/var/lib/hybrid/delivered/{name}")
        if record is not None:
            files.write(f"/var/lib/hybrid/delivered/{name}", record)
    for component in ("kubernetes", "containerd"):
        files.remove(f"/var/lib/hybrid/installed/{component}")
    again = Rehearsed(tmp_path)
    result = again.up()
    assert not result.failures, complaint(result)
    assert missing(again) == []
    assert "deliver@cp1" not in {end.step.name for end in result.applied}
