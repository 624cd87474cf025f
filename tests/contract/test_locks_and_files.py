"""One run at a time, and files whole or not at all, with real processes that are really killed."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from provision.clock import Deadline, poll
from provision.errors import HostError, Locked
from provision.host.files import write_atomically
from provision.host.lock import cluster_lock
from tests.waiting import PATIENCE

HOLDER = """
import sys
from pathlib import Path
from provision.host.lock import cluster_lock
with cluster_lock(Path(sys.argv[1]), "invoke up"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(lock: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_run_says_who_holds_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "cluster" / "lock"
    process = holder(lock)
    try:
        with pytest.raises(Locked) as caught, cluster_lock(lock, "invoke halt"):
            pass
    finally:
        process.communicate("")
    assert caught.value.exit_code == 11
    assert re.fullmatch(rf"`invoke up`, process {process.pid}, since \d{{4}}-\S+", caught.value.details)
    with cluster_lock(lock, "invoke halt"):
        assert "invoke halt" in (tmp_path / "cluster" / "lock.holder").read_text()
    assert not (tmp_path / "cluster" / "lock.holder").exists()


def test_a_full_disk_keeps_nobody_from_destroying_what_fills_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("provision.host.lock.write_atomically", full)
    with cluster_lock(tmp_path / "lock", "invoke destroy"):
        pass


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = holder(lock)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()
    assert (tmp_path / "lock.holder").exists()  # what it left does not count
    with cluster_lock(lock, "invoke up"):
        assert str(os.getpid()) in (tmp_path / "lock.holder").read_text()


def test_a_holder_that_has_not_said_its_name_yet(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = holder(lock)
    (tmp_path / "lock.holder").write_text('{"comm')
    try:
        with pytest.raises(Locked) as caught, cluster_lock(lock, "invoke up"):
            pass
    finally:
        process.communicate("")
    assert caught.value.details == "its holder has not said who it is"


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(HostError) as caught, cluster_lock(tmp_path / "new" / "lock", "invoke up"):
        pass
    assert "Permission denied" in caught.value.what


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    old, new = b"a" * 300_000, b"b" * 300_000
    write_atomically(path, old)
    over = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not over.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(60):
        write_atomically(path, new)
        write_atomically(path, old)
    over.set()
    reader.join()
    assert seen <= {old, new}
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


WRITER = """
import sys
from pathlib import Path
from provision.host.files import write_atomically
print("go", flush=True)
while True:
    for letter in "ab": write_atomically(Path(sys.argv[1]), letter * 3_000_000)
"""


def test_a_writer_killed_in_the_middle_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for _ in range(5):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        poll(lambda: (path.exists() or None, "no file"), Deadline(PATIENCE, "the writer"), every=0.01)
        process.kill()
        process.communicate()
        text = path.read_text()
        assert text in ("a" * 3_000_000, "b" * 3_000_000)


def test_the_mode_holds_from_the_first_byte_and_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kubeconfig"
    before = os.umask(0)
    try:
        write_atomically(path, "secret", mode=0o600)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600

    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "secret"
    assert [entry.name for entry in tmp_path.iterdir()] == ["kubeconfig"]
