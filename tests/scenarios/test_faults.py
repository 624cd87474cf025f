"""Each fault of the rehearsal, on real servers: the run converges, or ends in one clear error with its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.rehearsal.faults import KINDS
from tests.scenarios.processes import folder

# fault -> exit codes that are allowed; 0: it converges.  What each fault must lead to stands in KINDS.
EXPECTED: dict[str, set[int]] = {
    "drop": {0},
    "late-reboot": {0},
    "one-more-answer": {0},
    "boot-refused": {0},
    "corrupt": {0, 7},
    "slow": {0},
    "disk-full": {7},
    "clock-gone": {7},
    "depot-gone": {0},
    "pull-cut": {0},
    "service-dies": {0, 7},
    "address-taken": {7},
}


def test_every_kind_of_fault_is_played() -> None:
    assert set(EXPECTED) == set(KINDS)


@pytest.mark.parametrize("fault", sorted(EXPECTED))
def test_a_fault_ends_in_convergence_or_one_clear_error(tmp_path: Path, fault: str) -> None:
    with folder(tmp_path / "w", rehearsal={"scale": 0.002, "faults": [fault]}) as work:
        done = work.run("up", "--json")
        assert done.returncode in EXPECTED[fault], f"{done.returncode}\n{done.stdout[-2500:]}\n{done.stderr[-2500:]}"
        answer = json.loads(done.stdout)
        if done.returncode:
            assert answer["exit_code"] == done.returncode
            assert answer["error"], answer
            assert answer["remedy"], answer
        else:
            assert answer["outcome"] == "ready"


@pytest.mark.parametrize("fault", ["disk-full", "corrupt", "service-dies"])
def test_a_fault_that_goes_away_lets_the_next_run_converge(tmp_path: Path, fault: str) -> None:
    with folder(tmp_path / "w", rehearsal={"scale": 0.0, "faults": [fault]}) as work:
        for _ in range(4):
            if work.run("up").returncode == 0:
                break
        assert work.up()["applied"] == []


def test_a_clock_that_is_gone_is_named_as_the_likely_cause(tmp_path: Path) -> None:
    with folder(tmp_path / "w", rehearsal={"scale": 0.002, "faults": ["clock-gone"]}) as work:
        done = work.run("up")
        assert "likely cause: certificates and clock disagree" in done.stderr
