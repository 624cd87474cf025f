"""The journal: whole lines or none, secrets masked, old runs forgotten but not what they taught."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from provision import journal
from provision.errors import HostError
from provision.journal import Journal, learnt_seconds, read, run_folders
from provision.secrets import Secret


def ended(made: Journal, step: str, seconds: float, outcome: str = "done") -> None:
    made.event("step-ended", step=step, outcome=outcome, reason="", seconds=seconds)


def test_events_come_back_as_they_were(tmp_path: Path) -> None:
    made = Journal(tmp_path, "up", cluster="dev", containerd={"Linux": "2.3.4"})
    made.event("step-started", step="card@cp1", path=tmp_path, names=("a", "b"), nothing=None, number=1.5)
    made.close()
    first, second = read(made.folder)
    assert (first.what, first.values) == (
        "run-started",
        {"command": "up", "cluster": "dev", "containerd": {"Linux": "2.3.4"}},
    )
    assert second.values["names"] == ["a", "b"]
    assert second.values["path"] == str(tmp_path)
    assert second.values["nothing"] is None
    assert second.values["number"] == 1.5


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_line_cut_by_a_kill_is_left_out(tmp_path: Path, cut: int) -> None:
    made = Journal(tmp_path, "up")
    ended(made, "card@cp1", 1.0)
    ended(made, "kernel@cp1", 1.0)
    made.close()
    path = made.folder / "journal.jsonl"
    path.write_bytes(path.read_bytes()[: -cut - 1])
    assert [event.values.get("step") for event in read(made.folder)] == [None, "card@cp1"]


@pytest.mark.parametrize("line", ["", "12", "null", "[]", "{}", '{"at": "x"}', "\x00\x00"])
def test_a_line_that_is_no_event_is_left_out(tmp_path: Path, line: str) -> None:
    made = Journal(tmp_path, "up")
    made.close()
    with (made.folder / "journal.jsonl").open("a") as stream:
        stream.write(line + "\n")
    assert [event.what for event in read(made.folder)] == ["run-started"]


def test_a_folder_without_a_journal_has_no_events(tmp_path: Path) -> None:
    assert list(read(tmp_path / "none")) == []
    assert run_folders(tmp_path / "none") == []
    assert learnt_seconds(tmp_path / "none") == {}


def test_secrets_are_masked_even_where_json_escapes_them(tmp_path: Path) -> None:
    secret = 'quo"ted\\secret'
    Secret(secret)
    made = Journal(tmp_path, "up", nested={"list": [f"x {secret} y"]})
    made.step_line("join@winw1", f"kubeadm join --token {secret}")
    made.close()
    text = (made.folder / "journal.jsonl").read_text() + made.step_log("join@winw1").read_text()
    assert "secret" not in text
    assert text.count("********") == 2
    assert next(read(made.folder)).values["nested"] == {"list": ["x ******** y"]}


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    made = Journal(tmp_path, "up")
    words = "word " * 500

    def write(number: int) -> None:
        for turn in range(20):
            made.event("line", number=number, turn=turn, words=words)
            made.step_line("card@cp1", f"{number} {words}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [json.loads(line) for line in (made.folder / "journal.jsonl").read_text().splitlines()]
    assert len(rows) == 1 + 8 * 20
    assert {line.partition(" ")[2] for line in made.step_log("card@cp1").read_text().splitlines()} == {words}


def test_two_runs_of_one_second_have_folders_in_their_order(tmp_path: Path) -> None:
    made = [Journal(tmp_path, "up") for _ in range(12)]
    assert run_folders(tmp_path) == [one.folder for one in made]


def test_old_runs_are_forgotten_but_not_what_they_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_KEPT", 4)
    monkeypatch.setattr(journal, "_TEACHING", 2)
    (tmp_path / "notes-of-a-user").mkdir()
    taught = []
    for seconds in (1.0, 2.0, 3.0):
        made = Journal(tmp_path, "up")
        ended(made, "card@cp1", seconds)
        taught.append(made.folder)
    idle = []
    for _ in range(9):
        made = Journal(tmp_path, "up")
        ended(made, "card@cp1", 0.0, "already")
        idle.append(made.folder)
    assert run_folders(tmp_path) == [*taught[1:], *idle[-4:]]
    assert learnt_seconds(tmp_path)["card@cp1"] == 2.5
    assert (tmp_path / "notes-of-a-user").is_dir()


def test_learnt_is_the_median_of_what_was_done(tmp_path: Path) -> None:
    made = Journal(tmp_path, "up")
    for seconds in (1.0, 2.0, 60.0):
        ended(made, "card@winw1", seconds)
    ended(made, "card@cp1", 0.5)
    ended(made, "card@cp1", 500.0, "failed")
    ended(made, "depot", 3.0)
    assert learnt_seconds(tmp_path) == {"card@winw1": 2.0, "card@cp1": 0.5, "card": 1.5, "depot": 3.0}


def test_a_folder_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(HostError) as caught:
        Journal(tmp_path / "runs", "up")
    assert str(tmp_path / "runs") in caught.value.what
    assert caught.value.remedy
