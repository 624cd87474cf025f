"""Mutation of the Windows scripts: delete any one command, and some check has to notice.

``python -m tests.mutations [--sample N] [--only TEMPLATE]``; ends with 1 when a mutant survives.

A mutant is judged by what it does: the scripts that its template is part of run on a modelled machine from many
beginnings (fresh, finished, spoilt; `tests.scenarios.effects_beginnings`), and what they say, read and change
is compared with what the whole scripts do. Before that it has to pass the lint and the rules of our scripts.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import tree_sitter
import tree_sitter_powershell

from provision.clock import monotonic
from provision.host.workspace import PRODUCT, TEMPLATES
from tests.scenarios.effects_beginnings import beginnings
from tests.scenarios.effects_guests import GUESTS, SOURCES
from tests.scenarios.effects_judge import Judge

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


@dataclass(frozen=True)
class Mutant:
    """One template with one command deleted."""

    template: str
    line: int
    command: str
    text: str
    original: str

    def __str__(self) -> str:
        return f"{self.template}:{self.line}: {self.command[:80]}"


def templates() -> list[str]:
    """Every PowerShell template that runs on Windows nodes, and the guests' own scripts."""
    found = [*TEMPLATES.glob("windows/*.ps1"), *TEMPLATES.glob("facts/windows/*.ps1"), *TEMPLATES.glob("cni/**/*.ps1")]
    return sorted(str(path.relative_to(TEMPLATES)) for path in found) + [f"{GUESTS}{name}" for name in SOURCES]


def mutants(template: str) -> Iterator[Mutant]:
    """All mutants of a template, in the order of its commands."""
    folder = PRODUCT / "provision" if template.startswith(GUESTS) else TEMPLATES
    source = (folder / template).read_bytes()
    tree = _PARSER.parse(neutral(source))
    for node in walk(tree.root_node):
        if node.type == "command":
            yield _without(template, source, node)


def neutral(source: bytes) -> bytes:
    """The template with Jinja replaced by PowerShell of the same length, so that positions stay."""

    def value(found: re.Match[bytes]) -> bytes:
        return b"'" + b"x" * (len(found[0]) - 2) + b"'"

    def statement(found: re.Match[bytes]) -> bytes:
        return b"<#" + b" " * (len(found[0]) - 4) + b"#>"

    return re.sub(rb"\{%.*?%\}", statement, re.sub(rb"\{\{.*?\}\}", value, source))


def walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """The node and all below it, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def _without(template: str, source: bytes, node: tree_sitter.Node) -> Mutant:
    begin, end = node.start_byte, node.end_byte
    replacement = b"$null"
    parent = node.parent
    siblings = [child for child in parent.children if child.is_named] if parent else []
    if parent is not None and parent.type in ("pipeline", "pipeline_chain") and len(siblings) > 1:
        # One of several commands of a pipeline goes together with its bar; the head stays a value.
        index = siblings.index(node)
        if index > 0:
            begin, replacement = siblings[index - 1].end_byte, b""
    text = source[:begin] + replacement + source[end:]
    line = source[: node.start_byte].count(b"\n") + 1
    return Mutant(
        template, line, source[node.start_byte : node.end_byte].decode().split("\n")[0], text.decode(), source.decode()
    )


def all_mutants(only: str = "") -> list[Mutant]:
    """The mutants of every template whose name contains ``only``."""
    return [mutant for name in templates() if only in name for mutant in mutants(name)]


def spread(every: Sequence[Mutant], count: int) -> list[Mutant]:
    """So many of them, evenly spread; all when ``count`` is 0 or too many."""
    if not 0 < count < len(every):
        return list(every)
    return [every[int(number * len(every) / count)] for number in range(count)]


_judge: Judge | None = None


def _start(folder: str) -> None:
    """Each worker has machines of its own, in that folder."""
    global _judge
    _judge = Judge(beginnings(), Path(tempfile.mkdtemp(dir=folder)))
    if _judge.unwritten():
        raise SystemExit(f"the scripts do other things than what is written down: {', '.join(_judge.unwritten())}")


def _notices(mutant: Mutant) -> str:
    assert _judge is not None
    return _judge.notices(mutant.template, mutant.text)


def main() -> int:
    """Run all mutants, or a sample spread evenly over them."""
    parser = argparse.ArgumentParser(prog="tests.mutations", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants, spread evenly (0: all)")
    parser.add_argument("--only", default="", help="templates whose names contain this")
    parser.add_argument("--list", action="store_true", help="show the mutants, run none")
    flags = parser.parse_args()
    every = all_mutants(flags.only)
    chosen = spread(every, flags.sample)
    if flags.list:
        print("\n".join(map(str, chosen)))
        return 0
    began = monotonic()
    survivors: list[Mutant] = []
    by: Counter[str] = Counter()
    # Not forked: a fork takes over locks that other threads hold.
    with (
        tempfile.TemporaryDirectory(prefix="hybrid-mutations-") as folder,
        ProcessPoolExecutor(os.cpu_count() or 1, get_context("spawn"), _start, (folder,)) as workers,
    ):
        for number, (mutant, noticed) in enumerate(zip(chosen, workers.map(_notices, chosen), strict=True), start=1):
            if not noticed:
                survivors.append(mutant)
            by["rules" if noticed.startswith("rule: ") else "effects" if noticed else "nothing"] += 1
            print(f"[{number}/{len(chosen)}] {mutant}: {noticed or 'SURVIVED'}", flush=True)
    for mutant in survivors:
        print(f"survived: {mutant}")
    counts = ", ".join(f"{count} by {what}" for what, count in by.most_common())
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants noticed in {monotonic() - began:.0f} s ({counts})")
    return 1 if survivors else 0


if __name__ == "__main__":
    # Workers import this module by its name; run it under that name here too.
    from tests import mutations

    raise SystemExit(mutations.main())
