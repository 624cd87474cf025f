"""What the file system refuses, in words for people."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from provision.app import edge
from provision.host.files import trouble, write_atomically


def test_a_full_disk_and_a_forbidden_folder_say_where_and_what_to_do() -> None:
    full = trouble(OSError(errno.ENOSPC, "No space left on device", "/srv/x"))
    assert full is not None and full.what == "/srv/x: No space left on device" and "free some space" in full.remedy
    ours = trouble(PermissionError(errno.EACCES, "Permission denied", "/srv/x"))
    assert ours is not None and "may be written by you" in ours.remedy
    assert trouble(ConnectionRefusedError(errno.ECONNREFUSED, "refused")) is None
    assert trouble(ValueError("x")) is None


def test_the_edge_ends_with_the_hosts_code_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")

    def use_case(**_: object) -> int:
        write_atomically(tmp_path / "file" / "report.html", "x")
        return 0

    monkeypatch.setattr(edge, "_use_case", lambda _: use_case)
    assert edge.call("report", {}) == 3
    err = capsys.readouterr().err
    assert str(tmp_path / "file") in err and "Traceback" not in err
