"""`invoke up` as a user runs it, on the rehearsal's real servers: fresh, twice, two at once, killed rehearsals."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.scenarios.processes import finished, folder
from tests.waiting import PATIENCE, until


def test_fresh_then_nothing_to_do_then_halted_then_up_again(tmp_path: Path) -> None:
    with folder(tmp_path / "w") as work:
        first = work.up()
        assert first["rehearsed"] is True
        assert [node["status"] for node in first["nodes"]] == ["Ready", "Ready"]
        assert all(node["node"].endswith("-rehearsal") for node in first["nodes"])
        second = work.up()
        assert second["applied"] == []
        assert second["commands"] == {"cp1": 1, "winw1": 1}
        assert work.run("halt").returncode == 0
        one = work.run("up", "--only", "kernel@cp1")
        assert one.returncode == 7 and "up@cp1 is not true and was not chosen" in one.stderr
        assert "logs could not be collected" not in one.stderr, "a step that was not run has no log to ask for"
        third = work.up()
        assert [node["status"] for node in third["nodes"]] == ["Ready", "Ready"]
        assert not (tmp_path / "w" / ".cluster" / "hybrid" / "kubeconfig").exists()


def test_every_screen_says_that_it_is_a_rehearsal(tmp_path: Path) -> None:
    with folder(tmp_path / "w") as work:
        for words in (["up"], ["up"], ["status"], ["plan"], ["halt"]):
            done = work.run(*words)
            assert done.returncode == 0, done.stderr
            assert "rehearsal" in (done.stdout + done.stderr).lower(), words
        for words in (["status", "--json"], ["plan", "--json"]):
            assert json.loads(work.run(*words).stdout)["rehearsed"] is True
        assert work.run("kubeconfig").returncode == 13
        report = work.run("report")
        assert "rehearsal" in Path(report.stdout.split(" (")[0].strip()).read_text().lower()


def test_two_at_once_the_second_says_who_holds_the_lock(tmp_path: Path) -> None:
    with folder(tmp_path / "w") as work:
        first = work.start("up", "--json")
        holder = tmp_path / "w" / ".cluster" / "hybrid" / "lock.holder"
        until(lambda: holder.exists() or first.poll() is not None, "the first one's lock")
        # It stands still, so that it is not through before the second one asks.
        first.send_signal(signal.SIGSTOP)
        try:
            second = work.run("up")
        finally:
            first.send_signal(signal.SIGCONT)
        assert second.returncode == 11
        assert "invoke up" in second.stderr
        assert str(first.pid) in second.stderr
        out, err = first.communicate(timeout=PATIENCE)
        assert first.returncode == 0, err
        assert json.loads(out)["outcome"] == "ready"


def test_a_killed_rehearsal_is_started_again_from_what_it_had(tmp_path: Path) -> None:
    with finished(tmp_path / "w") as work:
        assert work.up()["applied"] == []
        rehearsal = tmp_path / "w" / ".cluster" / "hybrid" / "rehearsal"
        pid = json.loads((rehearsal / "process.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
        again = work.up()
        assert [node["status"] for node in again["nodes"]] == ["Ready", "Ready"]


def test_machines_deleted_behind_our_back_are_made_again(tmp_path: Path) -> None:
    """The host key of a machine that `up` has made itself is a new one; what it left in the cluster is mended."""
    with finished(tmp_path / "w") as work:
        machines = tmp_path / "w" / ".cluster" / "hybrid" / "rehearsal" / "machines"
        for name in ("winw1", "cp1"):
            assert work.run("halt").returncode == 0
            (machines / f"{name}.json").unlink()
            again = work.up()
            assert [node["status"] for node in again["nodes"]] == ["Ready", "Ready"]
        assert work.up()["applied"] == []


def test_changed_settings_are_told_with_what_makes_them_true(tmp_path: Path) -> None:
    """No word of `status` and `plan` names a command that would refuse, and none is silent on what is left."""
    plane = {"name": "cp1", "os": "linux", "role": "control-plane"}
    worker = {"name": "lin1", "os": "linux"}
    with folder(tmp_path / "w", machines=[plane, worker]) as work:
        work.up()
        work.settings(machines=[plane, {**worker, "memory": 8192}])
        told = work.run("status").stdout
        assert "lin1: machine.memory is 8192, it was made with 4096: `invoke halt`, then `invoke up`" in told
        assert told.endswith("to do: `invoke halt`, then `invoke up`; or write the former values\n")
        refused = work.run("up")
        assert refused.returncode == 12 and "gets a new one only when it starts" in refused.stderr
        assert "`invoke up` refuses: lin1 runs with another size" in work.run("plan").stdout
        assert work.run("halt").returncode == 0
        assert "up@lin1" in work.up()["applied"]
        assert "nothing stale, nothing broken" in work.run("status").stdout
        work.settings(machines=[plane, {**worker, "memory": 8192}], kubernetes={"version": "1.36.2"})
        assert json.loads(work.run("plan", "--json").stdout)["refused"].endswith(
            "kubernetes.version was 1.36.4, now it is 1.36.2"
        )
        assert "to do: write the former values, or `invoke destroy`" in work.run("status").stdout
        work.settings(machines=[plane])
        found = json.loads(work.run("status", "--json").stdout)["findings"]
        assert any("lin1 is not in the settings any more" in line for line in found)
