"""What the scripts printed on a real Windows machine, held to the models of the facts.

Usage: python -m tests.windows.check_facts FILE...   (each holds the last line of one script; ends with 1 on a misfit)
"""

from __future__ import annotations

import sys
from pathlib import Path

from provision.errors import ProvisionError
from provision.facts import windows
from provision.facts.base import MachineFacts, UnknownFact, parse_facts


def misfits(text: str) -> list[str]:
    """Every section that does not fit its model, and what a script printed that no model knows."""
    try:
        sections = parse_facts(text)
    except ProvisionError as error:
        return [str(error)]
    kinds = {kind.name: kind for kind in windows.SECTIONS}
    facts = MachineFacts("running", sections)
    found = [f"{name}: no model knows this section" for name in sections if name not in kinds]
    for name in sections.keys() & kinds.keys():
        try:
            facts.get(kinds[name])
        except UnknownFact as error:
            found.append(f"{name}: {error}")
    return found


def main(files: list[str]) -> int:
    """Print the misfits of each file; 0 when there are none."""
    bad = 0
    for file in files:
        for line in misfits(Path(file).read_text(encoding="utf-8")):
            print(f"{file}: {line}")
            bad += 1
    print(f"{len(files)} files, {bad} misfits")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
