"""What every Windows script does from many beginnings is what is written down; no command of them is idle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.golden import same_as
from tests.mutations import Mutant, all_mutants, spread
from tests.scenarios.effects import GOLDEN, Beginning, Judge, Stage, as_golden, golden_file
from tests.scenarios.effects_beginnings import beginnings

BEGINNINGS = beginnings()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    made = Stage(tmp_path_factory.mktemp("effects"))
    for _ in made.run(BEGINNINGS[0]):
        """The other beginnings start from the machines that this one leaves."""
    return made


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda beginning: beginning.name)
def test_scripts_do_what_is_written_down(stage: Stage, beginning: Beginning) -> None:
    same_as(golden_file(beginning), as_golden(stage, beginning))


def test_nothing_is_written_down_that_is_not_run() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(one.name for one in BEGINNINGS)


def test_the_machine_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = (as_golden(Stage(tmp_path / name), BEGINNINGS[0]) for name in ("one", "two"))
    assert first == second


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(BEGINNINGS)


# `invoke test --mutations` runs all of them.
SAMPLE = spread(all_mutants(), 24)


@pytest.mark.parametrize("mutant", SAMPLE, ids=str)
def test_a_deleted_command_is_noticed(judge: Judge, mutant: Mutant) -> None:
    assert judge.notices(mutant.template, mutant.text)


def test_a_deleted_wait_is_noticed_without_waiting(judge: Judge) -> None:
    """The one kind of mutant that would run for minutes: a rule finds it before it runs."""
    waits = [mutant for mutant in all_mutants() if mutant.command.startswith("Start-Sleep")]
    assert waits
    for mutant in waits:
        assert judge.notices(mutant.template, mutant.text).startswith("rule: busy-loop"), str(mutant)


def test_templates_as_they_are_are_not_complained_about(judge: Judge) -> None:
    mutant = next(iter(SAMPLE))
    assert judge.notices(mutant.template, mutant.original) == ""
