"""A machine's state: always parses, whatever dies when; files behave as on their OS."""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import pytest

from provision.errors import MachineError
from provision.rehearsal.blobs import Blobs
from provision.rehearsal.files import StateFiles
from provision.rehearsal.state import MachineState, Saver, stored_names
from tests.waiting import PATIENCE


@pytest.fixture
def state(tmp_path: Path) -> MachineState:
    return MachineState(tmp_path, "winw1")


@pytest.fixture
def windows(state: MachineState) -> StateFiles:
    files = StateFiles(state, "windows")
    files.make_folders("C:\\k")
    return files


@pytest.fixture
def linux(tmp_path: Path) -> StateFiles:
    files = StateFiles(MachineState(tmp_path, "cp1"), "linux")
    files.make_folders("/var/lib/hybrid")
    return files


def test_a_change_is_on_disk_when_it_ends(state: MachineState, tmp_path: Path) -> None:
    with state.change() as data:
        data["name"] = "x"
        with state.change():
            data["deep"] = 1
        assert not state.path.exists()
    assert json.loads(state.path.read_text())["deep"] == 1
    assert MachineState(tmp_path, "winw1").data["name"] == "x"
    assert state.path.stat().st_mode & 0o777 == 0o600
    assert stored_names(tmp_path) == ["winw1"]


def test_what_a_failing_change_did_is_kept(state: MachineState) -> None:
    with pytest.raises(RuntimeError), state.change() as data:
        data["half"] = True
        raise RuntimeError
    assert json.loads(state.path.read_text())["half"] is True


def test_the_file_parses_at_every_moment(state: MachineState) -> None:
    stop = threading.Event()
    broken: list[str] = []

    def look() -> None:
        while not stop.is_set():
            if state.path.exists():
                try:
                    json.loads(state.path.read_text())
                except ValueError as error:
                    broken.append(str(error))

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(200):
        with state.change() as data:
            data["n"] = "x" * number * 50
    stop.set()
    reader.join()
    assert broken == []


def test_a_damaged_file_is_an_error_with_a_remedy(state: MachineState, tmp_path: Path) -> None:
    with state.change():
        pass
    state.path.write_text("{")
    with pytest.raises(MachineError, match="damaged"):
        MachineState(tmp_path, "winw1")


def test_a_destroyed_machine_leaves_nothing(state: MachineState) -> None:
    with state.change():
        pass
    state.forget()
    with state.change() as data:
        data["late"] = 1
    assert not state.path.exists()


def test_windows_paths_know_no_case_and_both_slashes(windows: StateFiles) -> None:
    windows.write("C:\\k\\Kubelet.exe", b"one")
    assert windows.read("c:/K/kubelet.EXE") == b"one"
    windows.write("C:\\K\\KUBELET.exe", b"two")
    assert windows.list("C:\\k") == ["Kubelet.exe"]
    assert windows.spelling("c:\\k\\kubelet.exe") == "C:\\k\\Kubelet.exe"


@pytest.mark.parametrize("path", ["D:\\x", "k\\x", "\\\\host\\share", "/etc/passwd"])
def test_windows_has_drive_c_only(windows: StateFiles, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        windows.write(path, b"")


def test_a_file_needs_its_folder(windows: StateFiles, linux: StateFiles) -> None:
    with pytest.raises(FileNotFoundError):
        windows.write("C:\\nowhere\\x", b"")
    with pytest.raises(FileNotFoundError):
        linux.append("/nowhere/x", b"")
    linux.write("/var/lib/file", b"")
    with pytest.raises(NotADirectoryError):
        linux.write("/var/lib/file/x", b"")
    with pytest.raises(IsADirectoryError):
        linux.write("/var/lib", b"")


def test_appended_bytes_survive_without_a_state_write(linux: StateFiles, tmp_path: Path) -> None:
    linux.write("/var/lib/hybrid/big", b"ab")
    for _ in range(3):
        linux.append("/var/lib/hybrid/big", b"cd")
    again = StateFiles(MachineState(tmp_path, "cp1"), "linux")
    assert again.read("/var/lib/hybrid/big") == b"abcdcdcd"
    assert again.stat("/var/lib/hybrid/big").size == 8
    again.rename("/var/lib/hybrid/big", "/var/lib/hybrid/done")
    assert again.read("/var/lib/hybrid/done") == b"abcdcdcd"
    assert not list((tmp_path / "blobs" / "parts").iterdir())


def test_a_blob_is_kept_once_and_swept_when_unused(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    digest = blobs.put(b"same")
    assert blobs.put(b"same") == digest
    blobs.put(b"other")
    assert blobs.sweep([digest]) == 1
    assert blobs.get(digest) == b"same"


def test_rename_of_folders_and_over_files(windows: StateFiles) -> None:
    windows.make_folders("C:\\a\\b")
    windows.write("C:\\a\\b\\f", b"1")
    windows.rename("C:\\a", "C:\\z")
    assert windows.read("C:\\z\\b\\f") == b"1"
    windows.write("C:\\z\\g", b"2")
    windows.rename("C:\\z\\g", "C:\\z\\b\\f")
    assert windows.read("C:\\z\\b\\F") == b"2"
    with pytest.raises(OSError, match="not empty"):
        windows.remove("C:\\z")
    windows.remove_tree("C:\\z")
    assert not windows.exists("C:\\z")


def test_links_are_followed(linux: StateFiles) -> None:
    linux.make_folders("/opt/real")
    linux.write("/opt/real/f", b"x")
    linux.link("/opt/short", "real")
    assert linux.read("/opt/short/f") == b"x"
    linux.link("/opt/a", "b")
    linux.link("/opt/b", "a")
    with pytest.raises(OSError) as caught:
        linux.read("/opt/a")
    assert caught.value.errno == errno.ELOOP


def test_a_full_disk_says_so(state: MachineState) -> None:
    def full(size: int) -> None:
        if size > 10:
            raise OSError(errno.ENOSPC, "No space left on device")

    files = StateFiles(state, "linux", full)
    files.write("/small", b"x")
    with pytest.raises(OSError) as caught:
        files.write("/big", b"x" * 11)
    assert caught.value.errno == errno.ENOSPC
    assert not files.exists("/big")


def test_changes_of_a_moment_become_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.rehearsal.state.SOON", 60)
    saver = Saver()
    state = MachineState(tmp_path, "winw1", saver)
    written: list[str] = []
    write = MachineState.save

    def save(state: MachineState) -> None:
        written.append(state.name)
        write(state)

    monkeypatch.setattr(MachineState, "save", save)
    for number in range(5):
        with state.change() as data:
            data[f"n{number}"] = number
    assert not state.path.exists()
    saver.save()
    assert len(written) == 1
    assert MachineState(tmp_path, "winw1").data["n4"] == 4
    saver.save()
    assert len(written) == 1
    saver.close()


def test_a_change_is_written_soon_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, write = threading.Event(), MachineState.save

    def save(state: MachineState) -> None:
        write(state)
        written.set()

    monkeypatch.setattr(MachineState, "save", save)
    saver = Saver()
    with MachineState(tmp_path, "winw1", saver).change() as data:
        data["x"] = 1
    assert written.wait(PATIENCE)
    assert MachineState(tmp_path, "winw1").data["x"] == 1
    saver.close()


def test_a_state_that_cannot_be_written_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.rehearsal.state.SOON", 60)
    saver = Saver()
    state = MachineState(tmp_path, "winw1", saver)
    with state.change() as data:
        data["x"] = 1
    (tmp_path / "machines").write_text("in the way")
    with pytest.raises(OSError, match="machines"):
        saver.save()
    (tmp_path / "machines").unlink()
    saver.close()
    assert MachineState(tmp_path, "winw1").data["x"] == 1
