"""The guests' contract: the same over SSH to Linux, SSH to Windows and WinRM to Windows."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provision.clock import Deadline
from provision.errors import AuthenticationRefused, DeadlineExceeded, Refused, StepFailed, Unreachable
from provision.guests.base import Boot, Guest, Script
from provision.guests.connect import wait_for
from provision.rehearsal.contract import Streams
from provision.rehearsal.serving import Pipe
from provision.secrets import Secret

from .boxes import PASSWORD, LinuxBox
from .conftest import Rig
from .wire import Wire


@pytest.fixture
def wire(rig: Rig) -> Iterator[Wire]:
    made = Wire(rig.endpoint.port)
    yield made
    made.close()


def test_runs_a_script_and_streams_its_lines(rig: Rig) -> None:
    guest = rig.guest()
    lines: list[str] = []
    result = guest.run(rig.script(rig.say("one"), rig.say("two")), Deadline(20), lines.append)
    assert (result.code, result.out.split(), result.err) == (0, ["one", "two"], "")
    assert lines == ["one", "two"]
    assert guest.traffic.commands == 1
    assert guest.traffic.connects == 1


def test_lines_come_while_the_script_runs(rig: Rig) -> None:
    arrivals: list[float] = []
    start = time.monotonic()
    rig.guest().run(
        rig.script(rig.say("early"), rig.nap(1.0)), Deadline(20), lambda _: arrivals.append(time.monotonic())
    )
    assert time.monotonic() - arrivals[0] >= 0.9
    assert arrivals[0] - start < 0.9


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
    guest = rig.guest()
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="trial did not end within 2 s") as caught:
        guest.run(rig.script(rig.say("half done"), rig.nap(3600)), Deadline(2))
    assert time.monotonic() - start < 6
    assert "half done" in caught.value.details
    if isinstance(rig.box, LinuxBox):
        end = time.monotonic() + 5
        while any(process.poll() is None for process in rig.box.processes) and time.monotonic() < end:
            time.sleep(0.05)
        assert all(process.poll() is not None for process in rig.box.processes)
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
    with pytest.raises(DeadlineExceeded) as late:
        guest.run(rig.script(rig.say(f"leaked {PASSWORD}"), rig.nap(60)), Deadline(1))
    rig.served.close()
    with pytest.raises(Unreachable) as gone:
        guest.run(rig.script(rig.say("x")), Deadline(5))
    for text in (str(failed.value), str(late.value), str(gone.value), caplog.text, repr(rig.endpoint)):
        assert PASSWORD not in text


# -- broken connections --------------------------------------------------------------------------------------------


def test_cut_between_two_commands(rig: Rig, wire: Wire) -> None:
    guest = rig.guest(port=wire.port)
    assert guest.run(rig.script(rig.say("one")), Deadline(20)).code == 0
    wire.cut()
    time.sleep(0.1)
    assert guest.run(rig.script(rig.say("two")), Deadline(20)).out.strip() == "two"
    assert guest.traffic.connects == 2


def test_cut_in_the_middle_of_output(rig: Rig, wire: Wire) -> None:
    guest = rig.guest(port=wire.port)
    guest.run(rig.script(rig.say("warm")), Deadline(20))
    wire.cut_after(2_000_000)
    script = rig.script(rig.much("0123456789", 1_000_000), "exit 5")
    if rig.endpoint.transport == "winrm":
        # The shell outlives the connection: the same command's output is taken up, and what may be missing is said.
        result = guest.run(script, Deadline(60))
        assert result.code == 5
        assert "a part of it may be missing" in result.err
        assert guest.traffic.connects == 2
    else:
        with pytest.raises(Unreachable, match="broke during trial") as caught:
            guest.run(script, Deadline(60))
        assert "whether it ended cannot be known" in caught.value.details
    if rig.windows:
        assert sum("exit 5" in text for text in rig.box.runs) == 1  # never sent twice
    assert guest.run(rig.script(rig.say("after")), Deadline(20)).out.strip() == "after"


def test_cut_while_the_script_is_silent(rig: Rig, wire: Wire) -> None:
    guest = rig.guest(port=wire.port)
    threading.Timer(0.7, wire.cut).start()
    script = rig.script(rig.say("start"), rig.nap(2), rig.say("end"))
    if rig.endpoint.transport == "winrm":
        assert guest.run(script, Deadline(30)).out.split() == ["start", "end"]
    else:
        with pytest.raises(Unreachable, match="broke during trial"):
            guest.run(script, Deadline(30))


def test_a_machine_that_takes_connections_and_says_nothing(rig: Rig, wire: Wire) -> None:
    wire.silent = True
    start = time.monotonic()
    with pytest.raises(Unreachable):
        rig.guest(port=wire.port).run(rig.script(rig.say("x")), Deadline(3))
    assert time.monotonic() - start < 8


# -- detached work -------------------------------------------------------------------------------------------------


def test_detached_work_is_followed_to_its_end(rig: Rig) -> None:
    lines: list[str] = []
    script = rig.script(rig.say("one"), rig.nap(0.5), rig.say("two"), rig.fail("broke"))
    result = rig.guest().run_detached(script, Deadline(30), lines.append)
    assert (result.code, result.out.split(), lines) == (1, ["one", "two"], ["one", "two"])
    assert "broke" in result.err
    assert rig.box.detached_starts() == 1


def test_detached_work_is_picked_up_by_whoever_comes_next(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    script = rig.script(rig.say("one"), rig.nap(2), rig.say("two"))
    first = rig.guest()

    # The first client is gone without a word: it cannot stop the work.
    monkeypatch.setattr(first, "_stop_detached", lambda _: None)
    with pytest.raises(DeadlineExceeded):
        first.run_detached(script, Deadline(0.9))
    first.reset()
    result = rig.guest().run_detached(script, Deadline(30))
    assert (result.code, result.out.split()) == (0, ["one", "two"])
    assert rig.box.detached_starts() == 1


def test_a_recorded_end_is_given_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    script = rig.script(rig.say("done"), "exit 3")
    first = rig.guest()
    monkeypatch.setattr(first, "_stop_detached", lambda _: None)
    # Long enough for a busy machine to begin it and for WinRM's whole seconds to pass before it ends.
    slow = rig.script(rig.nap(4), *script.text.splitlines())
    with pytest.raises(DeadlineExceeded):
        first.run_detached(slow, Deadline(0.5))
    time.sleep(4)
    second = rig.guest()
    assert second.run_detached(slow, Deadline(30)).code == 3  # the end that nobody was given yet
    assert rig.box.detached_starts() == 1
    assert second.run_detached(slow, Deadline(30)).code == 3  # that one is history: run anew
    assert rig.box.detached_starts() == 2
    second.close()
    assert rig.guest().run_detached(slow, Deadline(30)).code == 3
    assert rig.box.detached_starts() == 3


def test_an_end_that_its_caller_did_not_live_to_use_is_told_again(rig: Rig) -> None:
    script = rig.script(rig.say("done"), "exit 3")
    first = rig.guest()
    assert first.run_detached(script, Deadline(30)).code == 3
    first._taken.clear()  # killed before it could say anything more
    first.reset()
    assert rig.guest().run_detached(script, Deadline(30)).out.strip() == "done"
    assert rig.box.detached_starts() == 1


def test_detached_work_outlives_cuts_and_its_log_is_exact(rig: Rig, wire: Wire) -> None:
    guest = rig.guest(port=wire.port)
    stop = threading.Event()

    def cutter() -> None:
        while not stop.wait(0.8):
            wire.cut()

    threading.Thread(target=cutter, daemon=True).start()
    pieces = [line for number in range(8) for line in (rig.much(f"{number}abcdefgh", 20_000), rig.nap(0.3))]
    try:
        result = guest.run_detached(rig.script(*pieces, "exit 4"), Deadline(60))
    finally:
        stop.set()
    assert result.code == 4
    assert "".join(result.out.split()) == "".join(f"{number}abcdefgh" * 20_000 for number in range(8))
    assert rig.box.detached_starts() == 1


def test_detached_work_is_stopped_at_its_deadline(rig: Rig) -> None:
    script = rig.script(rig.say("started"), rig.nap(600))
    with pytest.raises(DeadlineExceeded, match="trial did not end"):
        rig.guest().run_detached(script, Deadline(2))
    if isinstance(rig.box, LinuxBox):
        time.sleep(0.3)
        assert rig.box.execute(f"systemctl is-active --quiet hybrid-{script.digest[:12]}", _silent()) != 0
    else:
        time.sleep(0.3)
        assert rig.box.tasks == {}


def test_detached_work_that_died_with_its_machine_says_so(rig: Rig) -> None:
    guest = rig.guest()
    script = rig.script(rig.say("started"), rig.nap(600))
    threading.Timer(1.0, rig.box.restart).start()
    result = guest.run_detached(script, Deadline(30))
    assert result.code == 98
    assert "stopped before its end" in result.err


def _silent() -> Streams:
    pipe = Pipe()
    pipe.end()
    return Streams(pipe, lambda _: None, lambda _: None, threading.Event())


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


# -- boots ---------------------------------------------------------------------------------------------------------


def test_boot_id_changes_with_each_boot(rig: Rig) -> None:
    guest = rig.guest()
    before = guest.boot_id(Deadline(20))
    assert guest.boot_id(Deadline(20)) == before
    guest.reboot(Deadline(30))
    assert guest.boot_id(Deadline(20)) != before


def test_reboot_is_not_believed_before_the_boot_changed(rig: Rig) -> None:
    rig.box.more_answers = 3
    guest = rig.guest()
    said: list[str] = []
    guest.reboot(Deadline(30), said.append)
    assert rig.box.boots == 2
    assert said == ["restarting", "restarted"]


def test_a_reboot_is_one_command_and_the_answers_that_it_waits_for(rig: Rig) -> None:
    guest = rig.guest()
    guest.run(rig.script(rig.say("x")), Deadline(20))
    asked: list[str] = []

    def ask(of: Guest, deadline: Deadline) -> Boot:
        asked.append(of.run(rig.script(rig.say("facts")), deadline).out.strip())
        return Boot(of.boot_id(deadline))

    before = guest.boot_id(Deadline(20))
    count = guest.traffic.commands
    booted = guest.reboot(Deadline(30), ask=ask)
    assert booted.id != before
    assert set(asked) == {"facts"}
    assert guest.traffic.commands - count == 1 + 2 * len(asked)


def test_a_restart_whose_answer_is_lost_is_not_believed(rig: Rig) -> None:
    guest = rig.guest()
    guest.run(rig.script(rig.say("x")), Deadline(20))
    rig.box.up = False
    with pytest.raises(Unreachable):
        guest.reboot(Deadline(10))
    assert rig.box.boots == 1


def test_what_stays_pending_after_a_restart_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.guests.common.SETTLE", 1.0)
    guest = rig.guest()
    booted = guest.reboot(Deadline(30), ask=lambda of, limit: Boot(of.boot_id(limit), "updates"))
    assert booted.pending == "updates"
    assert rig.box.boots == 2


def test_a_machine_that_does_not_go_down(rig: Rig) -> None:
    rig.box.more_answers = 1000
    with pytest.raises(DeadlineExceeded, match="the restart") as caught:
        rig.guest().reboot(Deadline(4))
    assert "still answers with the boot" in caught.value.details


def test_wait_for_climbs_the_rungs(rig: Rig) -> None:
    rig.faults.refuse_logins = 1
    rig.box.up = False
    rig.box.boots += 1
    threading.Timer(1.5, lambda: setattr(rig.box, "up", True)).start()
    seen: list[str] = []
    guest = wait_for(rig.endpoint, Deadline(40), seen.append, auth_grace=30)
    assert guest.run(rig.script(rig.say("up")), Deadline(20)).code == 0
    guest.close()
    assert seen[0].startswith("banner: ")
    assert any(said.startswith("login: ") for said in seen)
    assert seen[-1] == "shell: runs commands"


def test_wait_for_gives_up_on_a_wrong_password_after_the_grace(rig: Rig) -> None:
    endpoint = replace(rig.endpoint, password=Secret("wrong-for-good"))
    with pytest.raises(AuthenticationRefused):
        wait_for(endpoint, Deadline(40), auth_grace=1)


def test_wait_for_names_the_rung_that_was_not_reached(rig: Rig) -> None:
    rig.served.close()
    with pytest.raises(DeadlineExceeded) as caught:
        wait_for(rig.endpoint, Deadline(1.5))
    assert "last seen: TCP: " in caught.value.details


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
