"""What every Windows script does from many beginnings is what is written down; no command of them is idle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.golden import same_as
from tests.mutations import Mutant, all_mutants, spread
from tests.scenarios.effects import GOLDEN, Beginning, golden_file
from tests.scenarios.effects_beginnings import beginnings
from tests.scenarios.effects_judge import Judge

BEGINNINGS = beginnings()
# `invoke test --mutations` runs all of them.
SAMPLE = spread(all_mutants(), 12)
# The one whose loss would hurt most silently: without it a join token stays on the disk.
TOKEN = next(m for m in all_mutants("80-join") if m.command.startswith("Remove-Item -LiteralPath $configPath"))


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return Judge(BEGINNINGS, tmp_path_factory.mktemp("effects"))


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=lambda beginning: beginning.name)
def test_scripts_do_what_is_written_down(judge: Judge, beginning: Beginning) -> None:
    same_as(golden_file(beginning.name), judge.seen[beginning.name])


def test_nothing_is_written_down_that_is_not_run() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == sorted(one.name for one in BEGINNINGS)


def test_a_machine_does_the_same_each_time(judge: Judge, tmp_path: Path) -> None:
    first = BEGINNINGS[:1]
    assert Judge(first, tmp_path).seen[first[0].name] == judge.seen[first[0].name]


@pytest.mark.parametrize("mutant", [*SAMPLE, TOKEN], ids=str)
def test_a_deleted_command_is_noticed(judge: Judge, mutant: Mutant) -> None:
    assert judge.notices(mutant.template, mutant.text)


def test_a_deleted_wait_is_noticed_without_waiting(judge: Judge) -> None:
    """The one kind of mutant that would run for minutes: a rule finds it before it runs."""
    waits = [mutant for mutant in all_mutants("windows") if mutant.command.startswith("Start-Sleep")]
    assert len(waits) >= 7
    for mutant in waits:
        assert judge.notices(mutant.template, mutant.text).startswith("rule: busy-loop"), str(mutant)


def test_a_template_as_it_is_is_not_complained_about(judge: Judge) -> None:
    for mutant in SAMPLE[::6]:
        assert judge.notices(mutant.template, mutant.original) == ""
