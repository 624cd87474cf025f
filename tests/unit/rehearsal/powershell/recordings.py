"""The recordings and what is expected of each: refused by the lint, reproduced, or as its note on 5.1 says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from provision.rehearsal.powershell.interpreter import run_script
from provision.rehearsal.powershell.lint import lint
from tests.unit.rehearsal.powershell.boxes import FOLDER, RecordedBox

DATA = Path(__file__).parents[3] / "data" / "powershell-recordings"
OUTCOMES = Path(__file__).with_name("outcomes.yaml")
FAMILIES = ("language", "errors", "binding", "programs", "whole")


@dataclass(frozen=True)
class Ran:
    """What a script did here."""

    exit: int
    stdout: str
    trace: list[dict[str, Any]]
    files: dict[str, str | None]
    gone: dict[str, bool]


@cache
def cases() -> dict[str, tuple[str, dict[str, Any]]]:
    """Name -> family and case."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for family in FAMILIES:
        for case in yaml.load((DATA / f"{family}.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            assert case["name"] not in found
            found[case["name"]] = (family, case)
    return found


@cache
def outcomes() -> dict[str, Any]:
    """Name -> what is expected."""
    loaded = yaml.load(OUTCOMES.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return {name: outcome for family in loaded.values() for name, outcome in family.items()}


def constructs(case: dict[str, Any]) -> list[str]:
    """What the lint refuses in a case's script and in the scripts that it calls."""
    scripts = [case["script"], *(t for n, t in (case.get("files") or {}).items() if n.endswith(".ps1"))]
    return sorted({finding.construct for script in scripts for finding in lint(script)})


def decoded(raw: bytes) -> str:
    """A written file without its mark and with plain line ends: 5.1 writes marks, CR LF, and UTF-16 by default."""
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")):
        if raw.startswith(mark):
            return raw[len(mark) :].decode(codec).replace("\r\n", "\n")
    return raw.decode("utf-8").replace("\r\n", "\n")


def run(case: dict[str, Any]) -> Ran:
    """Run a case's script on a machine that answers as the recording says."""
    box = RecordedBox(case)
    code = run_script(case["script"], box=box, arguments=case.get("arguments", ()), name=FOLDER + "\\script.ps1")
    files: dict[str, str | None] = {}
    for name in case.get("files_after") or {}:
        found = box.files.entries.get(box.files.key(FOLDER + "\\" + name.replace("/", "\\")))
        files[name] = None if found is None or found[1] is None else decoded(found[1])
    gone = {
        name: box.files.key(FOLDER + "\\" + name.replace("/", "\\")) not in box.files.entries
        for name in case.get("files_gone") or []
    }
    return Ran(code, box.text, box.trace, files, gone)
