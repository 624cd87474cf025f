"""The guests' contract: commands and files, the same over SSH to Linux, SSH to Windows and WinRM to Windows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from provision.clock import Deadline
from provision.errors import AuthenticationRefused, DeadlineExceeded, Refused, StepFailed, Unreachable
from provision.guests.base import Script
from provision.rehearsal.contract import Streams
from provision.secrets import Secret
from tests.waiting import PATIENCE, Called, until

from .boxes import PASSWORD, LinuxBox
from .conftest import Rig


def test_runs_a_script_and_streams_its_lines(rig: Rig) -> None:
    guest = rig.guest()
    lines: list[str] = []
    result = guest.run(rig.script(rig.say("one"), rig.say("two")), Deadline(20), lines.append)
    assert (result.code, result.out.split(), result.err) == (0, ["one", "two"], "")
    assert lines == ["one", "two"]
    assert guest.traffic.commands == 1
    assert guest.traffic.connects == 1


def test_lines_come_while_the_script_runs(rig: Rig) -> None:
    # It ends only after its first line has come here.
    result = rig.guest().run(rig.script(rig.say("early"), rig.hold()), Deadline(PATIENCE), rig.release)
    assert (result.code, result.out.split()) == (0, ["early"])


def test_exit_code_and_stderr_come_back(rig: Rig) -> None:
    result = rig.guest().run(rig.script(rig.say("before"), rig.fail("it broke")), Deadline(20))
    assert result.code == 1
    assert "it broke" in result.err
    assert "hybrid-pid" not in result.err
    with pytest.raises(StepFailed, match="trial ended with exit code 1"):
        result.require()
    assert rig.guest().run(rig.script("exit 77"), Deadline(20)).code == 77


def test_one_connection_carries_many_commands(rig: Rig) -> None:
    guest = rig.guest()
    for number in range(5):
        assert guest.run(rig.script(rig.say(f"n{number}")), Deadline(20)).out.strip() == f"n{number}"
    assert guest.traffic.connects == 1


def test_ten_megabytes_of_output_are_exact(rig: Rig) -> None:
    result = rig.guest().run(rig.script(rig.much("0123456789", 1_000_000)), Deadline(60))
    assert result.code == 0
    assert result.out.strip() == "0123456789" * 1_000_000


def test_a_script_of_a_megabyte(rig: Rig) -> None:
    line = rig.say("x" * 1000)
    result = rig.guest().run(rig.script(*[line] * 1000), Deadline(60))
    assert result.out.count("x" * 1000) == 1000


def test_text_beyond_ascii_comes_back(rig: Rig) -> None:
    result = rig.guest().run(rig.script(rig.say("Grüße, 日本 🎉")), Deadline(20))
    assert result.out.strip() == "Grüße, 日本 🎉"


def test_a_script_is_kept_once_and_nothing_of_it_is_in_a_command_line(rig: Rig) -> None:
    guest, script = rig.guest(), rig.script(rig.say("join-token-4711"))
    guest.run(script, Deadline(20))
    guest.run(script, Deadline(20))
    folder = r"C:\ProgramData\hybrid\scripts" if rig.windows else "/var/lib/hybrid/scripts"
    assert [name for name in rig.box.files.list(folder) if not name.endswith((".ps1", ".sh"))] == []
    assert len(rig.box.files.list(folder)) == 1
    assert rig.box.command_lines
    for line in rig.box.command_lines:
        assert "4711" not in line
        assert PASSWORD not in line
        assert len(line) < 8191


def test_a_command_that_never_ends_is_stopped_and_its_output_kept(rig: Rig) -> None:
    guest, deadline = rig.guest(), Called()
    with pytest.raises(DeadlineExceeded, match=f"trial did not end within {PATIENCE:.0f} s") as caught:
        guest.run(rig.script(rig.say("half done"), rig.nap(3600)), deadline, deadline.passes)
    assert "half done" in caught.value.details
    if isinstance(rig.box, LinuxBox):
        processes = rig.box.processes
        until(lambda: all(process.poll() is not None for process in processes), "the end of all processes")
    assert guest.run(rig.script(rig.say("next")), Deadline(20)).out.strip() == "next"


def test_wrong_password(rig: Rig) -> None:
    guest = rig.guest(password=Secret("wrong-canary-1"))
    with pytest.raises(AuthenticationRefused) as caught:
        guest.run(rig.script(rig.say("x")), Deadline(20))
    assert "wrong-canary-1" not in f"{caught.value!r} {caught.value}"
    assert rig.box.command_lines == []


def test_nothing_listens(rig: Rig) -> None:
    rig.served.close()
    with pytest.raises(Unreachable):
        rig.guest().run(rig.script(rig.say("x")), Deadline(20))


def test_a_proxy_in_the_environment_is_ignored(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert rig.guest().run(rig.script(rig.say("direct")), Deadline(20)).code == 0


def test_the_password_is_in_no_log_and_no_error(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    guest = rig.guest()
    lines: list[str] = []
    guest.run(rig.script(rig.say(f"leaked {PASSWORD}")), Deadline(20), lines.append)
    assert lines == ["leaked ********"]
    with pytest.raises(StepFailed) as failed:
        guest.run(rig.script(rig.fail(f"leaked {PASSWORD}")), Deadline(20)).require()
    deadline = Called()
    with pytest.raises(DeadlineExceeded) as late:
        guest.run(rig.script(rig.say(f"leaked {PASSWORD}"), rig.nap(600)), deadline, deadline.passes)
    rig.served.close()
    with pytest.raises(Unreachable) as gone:
        guest.run(rig.script(rig.say("x")), Deadline(5))
    for text in (str(failed.value), str(late.value), str(gone.value), caplog.text, repr(rig.endpoint)):
        assert PASSWORD not in text


def test_the_scripts_name_decides_nothing(rig: Rig) -> None:
    text = rig.script(rig.say("same")).text
    first = rig.guest().run(Script("a", text), Deadline(20))
    second = rig.guest().run(Script("b", text), Deadline(20))
    assert first.out == second.out


def test_a_defect_of_a_model_is_said(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(command_line: str, streams: Streams) -> int:
        raise KeyError("no such row")

    monkeypatch.setattr(rig.box, "execute", defect)
    result = rig.guest().run(rig.script(rig.say("x")), Deadline(20))
    assert result.code == 70
    assert "KeyError: 'no such row'" in result.err


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_file_is_put_whole_or_not_at_all(rig: Rig, tmp_path: Path) -> None:
    source = tmp_path / "kubelet"
    source.write_bytes(bytes(range(256)) * 8000)
    target = r"C:\ProgramData\hybrid\files\kubelet.exe" if rig.windows else "/var/lib/hybrid/files/kubelet"
    guest = rig.guest()
    if rig.endpoint.transport == "winrm":
        with pytest.raises(Refused):
            guest.put(source, target, Deadline(30))
        return
    progress: list[int] = []
    guest.put(source, target, Deadline(30), progress.append)
    assert progress[-1] == source.stat().st_size
    assert progress == sorted(progress)
    found = rig.box.folder_files.path(target if rig.windows else f"/var/lib/hybrid/files/{source.name}")
    assert hashlib.sha256(found.read_bytes()).digest() == hashlib.sha256(source.read_bytes()).digest()
    folder = r"C:\ProgramData\hybrid\incoming" if rig.windows else "/var/lib/hybrid/incoming"
    assert rig.box.files.list(folder) == []
    guest.put(b"second", target, Deadline(30))
    assert found.read_bytes() == b"second"


def test_a_file_is_brought_here_whole(rig: Rig, tmp_path: Path) -> None:
    source = r"C:\ProgramData\hybrid\export\a.tar" if rig.windows else "/var/lib/hybrid/export/a.tar"
    guest, target = rig.guest(), tmp_path / "a.tar"
    if rig.endpoint.transport == "winrm":
        with pytest.raises(Refused):
            guest.get(source, target, Deadline(30))
        return
    content = bytes(range(256)) * 8000
    guest.put(content, source, Deadline(30))
    progress: list[int] = []
    asked = f"/{source}".replace("\\", "/") if rig.windows else source
    assert guest.get(asked, target, Deadline(30), progress.append) == hashlib.sha256(content).hexdigest()
    assert target.read_bytes() == content and progress[-1] == len(content)
    with pytest.raises(StepFailed):
        guest.get("/no/such/file", tmp_path / "b.tar", Deadline(30))
    assert not (tmp_path / "b.tar").exists()
