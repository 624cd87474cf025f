"""A rehearsal whose own files or process were damaged: one clear error at once, and `destroy` always works."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.scenarios.processes import Folder, finished
from tests.waiting import PATIENCE


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Folder]:
    with finished(tmp_path / "w", machines=[{"name": "cp1", "os": "linux", "role": "control-plane"}]) as made:
        assert made.up()["applied"] == []
        pid = process(made)
        yield made
        made.run("destroy", "--yes")
        assert gone(pid), "the process of a destroyed rehearsal still runs"


def rehearsal(work: Folder) -> Path:
    return work.path / ".cluster" / "hybrid" / "rehearsal"


def process(work: Folder) -> int:
    return int(json.loads((rehearsal(work) / "process.json").read_text())["pid"])


def gone(pid: int, seconds: float = PATIENCE) -> bool:
    give_up = monotonic() + seconds
    while monotonic() < give_up:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # A killed process whose parent has ended is taken in by init, which may be slow to bury it.
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        sleep(0.05)
    return False


def test_a_damaged_address_is_put_right_by_the_process_itself(work: Folder) -> None:
    pid = process(work)
    for text in ("{{", "[]", "{}", ""):
        (rehearsal(work) / "process.json").write_text(text)
        assert work.up()["applied"] == []
        assert process(work) == pid


def test_destroy_works_with_a_damaged_address(work: Folder) -> None:
    (rehearsal(work) / "process.json").write_text("{{")
    assert work.run("destroy", "--yes").returncode == 0
    assert not rehearsal(work).exists(), [str(p) for p in rehearsal(work).rglob("*")]


def test_lost_contents_of_files_are_one_error_that_names_the_way_out(work: Folder) -> None:
    shutil.rmtree(rehearsal(work) / "blobs")
    for kill in (False, False, True, False):
        if kill:
            os.kill(process(work), signal.SIGKILL)
        done = work.run("up")
        assert done.returncode == 5, done.stderr
        assert "damaged" in done.stderr
        assert "destroy" in done.stderr
    assert work.run("destroy", "--yes").returncode == 0
    assert [node["status"] for node in work.up()["nodes"]] == ["Ready"]


def test_a_process_whose_folder_is_gone_ends(work: Folder) -> None:
    pid = process(work)
    # In one step: it may be writing, and a folder that fills is not removed.
    (work.path / ".cluster").rename(work.path / "moved")
    assert gone(pid)
    assert not (work.path / ".cluster").exists()


def test_a_stopped_process_is_an_error_that_names_it_and_destroy_ends_it(work: Folder) -> None:
    pid = process(work)
    os.kill(pid, signal.SIGSTOP)
    try:
        done = work.run("status")
        assert done.returncode == 5, done.stderr
        assert f"kill -CONT {pid}" in done.stderr
        assert work.run("destroy", "--yes").returncode == 0
        assert gone(pid)
    finally:
        if not gone(pid, 0.01):
            os.kill(pid, signal.SIGCONT)


def test_a_damaged_journal_is_no_bug(work: Folder) -> None:
    run = max((rehearsal(work) / "runs").iterdir())
    (run / "journal.jsonl").write_bytes(b'garbage\n\xff\xfe\n{"at": 1, "what": "x"}\n[]\n')
    done = work.run("report")
    assert done.returncode == 3, done.stderr
    assert "journal.jsonl is damaged" in done.stderr
    assert work.up()["applied"] == []
    assert work.run("report").returncode == 0
