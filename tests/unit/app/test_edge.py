"""The edge: one exit code a family, words on stderr, one JSON document on stdout."""

from __future__ import annotations

import json
import sys

import pytest

from provision import errors
from provision.app import edge
from provision.errors import ProvisionError
from provision.secrets import Secret

FAMILIES = {
    errors.SettingsError: 2,
    errors.HostError: 3,
    errors.ArtifactError: 4,
    errors.MachineError: 5,
    errors.ConnectionFailed: 6,
    errors.Unreachable: 6,
    errors.AuthenticationRefused: 6,
    errors.HostChanged: 6,
    errors.StepFailed: 7,
    errors.DeadlineExceeded: 8,
    errors.ReadinessFailed: 9,
    errors.ReadinessNotRun: 10,
    errors.Locked: 11,
    errors.Refused: 12,
    errors.RehearsedOnly: 13,
}


def fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def use_case(**_: object) -> int:
        raise error

    monkeypatch.setattr(edge, "_use_case", lambda _: use_case)


def test_every_error_of_the_tree_has_its_row_here() -> None:
    def below(kind: type[ProvisionError]) -> set[type[ProvisionError]]:
        return {kind}.union(*(below(sub) for sub in kind.__subclasses__()))

    ours = {kind for kind in below(ProvisionError) if kind.__module__ == "provision.errors"}
    assert ours - {ProvisionError} == set(FAMILIES)


@pytest.mark.parametrize(("kind", "code"), FAMILIES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_each_family_has_its_exit_code_in_words_and_in_json(
    kind: type[ProvisionError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(monkeypatch, kind("winw1: it failed", details="seen: a\nseen: b", remedy="run it again"))
    assert edge.call("up", {}) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: winw1: it failed\n  seen: a\n  seen: b\nto do: run it again\n"
    assert edge.call("up", {"json": True}) == code
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "command": "up",
        "error": "winw1: it failed",
        "family": kind.family,
        "exit_code": code,
        "details": "seen: a\nseen: b",
        "remedy": "run it again",
    }


def test_a_use_case_gives_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "_use_case", lambda _: lambda **flags: flags["code"])
    assert edge.call("lint", {"code": 4}) == 4
    assert edge.call("lint", {"code": None}) == 0


def test_a_bug_is_70_and_shows_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(monkeypatch, KeyError("a-key"))
    assert edge.call("plan", {}) == 70
    err = capsys.readouterr().err
    assert err.startswith("error: a bug in this tool: KeyError: 'a-key' (")
    assert "test_edge.py, line " in err
    assert "Traceback (most recent call last):" in err
    assert "to do: please report it" in err


def test_a_bug_of_a_run_points_at_the_runs_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bug = KeyError("a-key")
    bug.add_note(".cluster/dev/runs/1/error.txt")
    fails_with(monkeypatch, bug)
    assert edge.call("up", {"json": True}) == 70
    row = json.loads(capsys.readouterr().out)
    assert row["details"] == "its traceback is in .cluster/dev/runs/1/error.txt"
    assert (row["family"], row["exit_code"]) == ("bug", 70)


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_are_masked_in_every_part(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = 'sec"ret\\here'
    Secret(secret)
    fails_with(monkeypatch, errors.HostError(f"a {secret}", details=f"b {secret}", remedy=f"c {secret}"))
    edge.call("up", {"json": as_json})
    text = "".join(capsys.readouterr())
    assert "ret" not in text.replace("secret", "")
    assert text.count("********") == 3


def test_a_broken_pipe_of_something_else_is_not_taken_for_the_readers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails_with(monkeypatch, BrokenPipeError(32, "Broken pipe"))
    assert edge.call("kubeconfig", {}) == 70
    assert "BrokenPipeError" in capsys.readouterr().err


def test_every_command_has_its_use_case() -> None:
    for command in edge._COMMANDS:
        assert callable(edge._use_case(command))
    assert "pytest" in sys.modules  # importing the use cases runs nothing


def test_a_closed_stream_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(edge, "_use_case", lambda _: lambda **_: print("said") or 0)
    assert edge.call("status", {}) == 0
