"""The guests' contract: the same over SSH to Linux, SSH to Windows and WinRM to Windows."""

from __future__ import annotations

from provision.clock import Deadline

from .conftest import Rig


def test_runs_a_script_and_streams_its_lines(rig: Rig) -> None:
    guest, lines = rig.guest(), []
    result = guest.run(rig.script(rig.say("one"), rig.say("two")), Deadline(20), lines.append)
    assert (result.code, result.out.split(), result.err) == (0, ["one", "two"], "")
    assert lines == ["one", "two"]
    assert guest.traffic.commands == 1
    assert guest.traffic.connects == 1
