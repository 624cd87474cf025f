"""Each recording of a real PowerShell is refused by the lint by name, or done again here; there is no third case.

``outcomes.yaml`` says which: ``reproduced``; ``refused: [constructs]``; or ``follows: <case whose note51 says so>``
with what Windows PowerShell 5.1 does where it differs from the recorded engine.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.unit.rehearsal.powershell.recordings import FAMILIES, cases, constructs, outcomes, run


def test_every_recording_has_exactly_one_outcome() -> None:
    assert set(outcomes()) == set(cases())
    assert len(cases()) == 399
    for name, outcome in outcomes().items():
        assert outcome == "reproduced" or len({"refused", "follows"} & set(outcome)) == 1, name


@pytest.mark.parametrize("name", list(cases()))
def test_recording(name: str) -> None:
    _, case = cases()[name]
    outcome = outcomes()[name]
    refused = constructs(case)
    if isinstance(outcome, dict) and "refused" in outcome:
        assert refused == outcome["refused"]
        return
    assert not refused
    expected: dict[str, Any] = dict(case)
    if isinstance(outcome, dict):
        _, noted = cases()[outcome["follows"]]
        assert noted.get("note51"), "only a note on 5.1 may change what is expected"
        changed = {key: value for key, value in outcome.items() if key != "follows"}
        assert changed and all(case.get(key) != value for key, value in changed.items())
        expected |= changed
    ran = run(case)
    assert ran.trace == expected["trace"]
    assert ran.stdout == expected["stdout"]
    assert ran.exit == expected["exit"]
    assert ran.files == (expected.get("files_after") or {})
    assert all(ran.gone.values())


def test_counts(record_property: Any) -> None:
    """How many of each; the whole node scripts are the style of ours and none of them may be refused."""
    counts: Counter[tuple[str, str]] = Counter()
    for name, (family, _) in cases().items():
        outcome = outcomes()[name]
        counts[family, "reproduced" if outcome == "reproduced" else next(iter(outcome))] += 1
    for family in FAMILIES:
        kinds = {kind: counts[family, kind] for kind in ("reproduced", "follows", "refused")}
        record_property(family, str(kinds))
        print(f"{family}: {kinds}")
        done = kinds["reproduced"] + kinds["follows"]
        share = {"whole": 1.0, "binding": 0.6, "programs": 0.6}.get(family, 0.5)
        assert done / sum(kinds.values()) >= share
