"""The guests' contract: connections that break, and work that goes on without them."""

from __future__ import annotations

import threading

import pytest

from provision.clock import Deadline, monotonic
from provision.errors import DeadlineExceeded, Unreachable
from provision.guests.ssh import SshGuest
from provision.rehearsal.contract import Streams
from provision.rehearsal.serving import Pipe
from tests.waiting import PATIENCE, Called, until

from .boxes import LinuxBox
from .conftest import Rig
from .wire import Wire


def test_cut_between_two_commands(rig: Rig, wire: Wire) -> None:
    guest = rig.guest(port=wire.port)
    assert guest.run(rig.script(rig.say("one")), Deadline(20)).code == 0
    wire.cut()
    if isinstance(guest, SshGuest):
        client = guest._client
        transport = client.get_transport() if client else None
        assert transport is not None
        until(lambda: not transport.is_active(), "paramiko's seeing it")
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


def test_cut_while_the_script_is_silent(rig: Rig, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    guest, gone = rig.guest(port=wire.port), threading.Event()
    if rig.endpoint.transport == "winrm":
        rig.release_when_asked_again(monkeypatch, gone)

    def cut() -> None:
        wire.cut()
        gone.set()

    def cut_soon(line: str) -> None:
        if line == "start":  # a moment later the next answer is waited for
            threading.Timer(0.2, cut).start()

    script = rig.script(rig.say("start"), rig.hold(), rig.say("end"))
    if rig.endpoint.transport == "winrm":
        assert guest.run(script, Deadline(PATIENCE), cut_soon).out.split() == ["start", "end"]
    else:
        with pytest.raises(Unreachable, match="broke during trial"):
            guest.run(script, Deadline(PATIENCE), cut_soon)


def test_a_machine_that_takes_connections_and_says_nothing(rig: Rig, wire: Wire) -> None:
    wire.silent = True
    start = monotonic()
    with pytest.raises(Unreachable):
        rig.guest(port=wire.port).run(rig.script(rig.say("x")), Deadline(1))
    assert monotonic() - start < PATIENCE / 4


# -- detached work -------------------------------------------------------------------------------------------------


def test_detached_work_is_followed_to_its_end(rig: Rig) -> None:
    lines: list[str] = []
    script = rig.script(rig.say("one"), rig.nap(0.5), rig.say("two"), rig.fail("broke"))
    result = rig.guest().run_detached(script, Deadline(30), lines.append)
    assert (result.code, result.out.split(), lines) == (1, ["one", "two"], ["one", "two"])
    assert "broke" in result.err
    assert rig.box.detached_starts() == 1


def test_detached_work_is_picked_up_by_whoever_comes_next(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    script = rig.script(rig.say("one"), rig.hold(), rig.say("two"))
    first, deadline = rig.guest(), Called()

    # The first client is gone without a word: it cannot stop the work.
    monkeypatch.setattr(first, "_stop_detached", lambda _: None)
    with pytest.raises(DeadlineExceeded):
        first.run_detached(script, deadline, deadline.passes)
    first.reset()
    rig.release()
    result = rig.guest().run_detached(script, Deadline(30))
    assert (result.code, result.out.split()) == (0, ["one", "two"])
    assert rig.box.detached_starts() == 1


def test_a_recorded_end_is_given_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    script = rig.script(rig.say("begun"), rig.hold(), "exit 3")
    first, deadline = rig.guest(), Called()
    monkeypatch.setattr(first, "_stop_detached", lambda _: None)
    with pytest.raises(DeadlineExceeded):
        first.run_detached(script, deadline, deadline.passes)
    rig.release()
    until(rig.recorded_end(script).exists, "the end of the detached work")
    second = rig.guest()
    assert second.run_detached(script, Deadline(30)).code == 3  # the end that nobody was given yet
    assert rig.box.detached_starts() == 1
    assert second.run_detached(script, Deadline(30)).code == 3  # that one is history: run anew
    assert rig.box.detached_starts() == 2
    second.close()
    assert rig.guest().run_detached(script, Deadline(30)).code == 3
    assert rig.box.detached_starts() == 3


def test_an_end_that_its_caller_did_not_live_to_use_is_told_again(rig: Rig) -> None:
    script = rig.script(rig.say("done"), "exit 3")
    first = rig.guest()
    assert first.run_detached(script, Deadline(30)).code == 3
    first._taken.clear()  # killed before it could say anything more
    first.reset()
    assert rig.guest().run_detached(script, Deadline(30)).out.strip() == "done"
    assert rig.box.detached_starts() == 1


def test_detached_work_outlives_cuts_and_its_log_is_exact(rig: Rig, wire: Wire, brisk: None) -> None:
    guest = rig.guest(port=wire.port)
    cuts: list[str] = []

    def cut_in_the_next_piece(line: str) -> None:
        cuts.append(line)
        wire.cut_after(90_000)

    numbers = range(8)
    pieces = [(rig.much(f"{number}abcdefgh", 20_000), rig.say(f"end{number}"), rig.nap(0.1)) for number in numbers]
    wire.cut_after(90_000)
    lines = [line for piece in pieces for line in piece]
    result = guest.run_detached(rig.script(*lines, "exit 4"), Deadline(PATIENCE), cut_in_the_next_piece)
    assert result.code == 4
    assert "".join(result.out.split()) == "".join(f"{number}abcdefgh" * 20_000 + f"end{number}" for number in numbers)
    assert rig.box.detached_starts() == 1
    assert wire.made > 2 and cuts


def test_detached_work_is_stopped_at_its_deadline(rig: Rig) -> None:
    script, deadline = rig.script(rig.say("started"), rig.nap(600)), Called()
    with pytest.raises(DeadlineExceeded, match="trial did not end"):
        rig.guest().run_detached(script, deadline, deadline.passes)
    box = rig.box
    if isinstance(box, LinuxBox):
        asks = f"systemctl is-active --quiet hybrid-{script.digest[:12]}"
        until(lambda: box.execute(asks, _silent()) != 0, "the end of the unit")
    else:
        until(lambda: box.tasks == {}, "the end of the task")


def test_detached_work_that_died_with_its_machine_says_so(rig: Rig, brisk: None) -> None:
    script = rig.script(rig.say("started"), rig.nap(600))
    result = rig.guest().run_detached(script, Deadline(PATIENCE), lambda _: rig.box.crash())
    assert result.code == 98
    assert "stopped before its end" in result.err


def _silent() -> Streams:
    pipe = Pipe()
    pipe.end()
    return Streams(pipe, lambda _: None, lambda _: None, threading.Event())
