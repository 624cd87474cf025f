"""Mutation of the Windows scripts: delete any one command, and some check has to notice.

``python -m tests.mutations [--sample N] [--only TEMPLATE]``; ends with 1 when a mutant survives.

A mutant is judged by the cluster that it makes: the plan is run on modelled machines from several
beginnings (fresh, finished, disturbed) and compared with what the whole scripts do: outcome, steps applied,
what they said, and the machines' state afterwards.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import tree_sitter
import tree_sitter_powershell

from provision.host.workspace import TEMPLATES

_PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))


@dataclass(frozen=True)
class Mutant:
    """One template with one command deleted."""

    template: str
    line: int
    command: str
    text: str

    def __str__(self) -> str:
        return f"{self.template}:{self.line}: {self.command[:80]}"


def templates() -> list[str]:
    """Every PowerShell template that runs on Windows nodes."""
    found = [*TEMPLATES.glob("windows/*.ps1"), *TEMPLATES.glob("facts/windows/*.ps1"), *TEMPLATES.glob("cni/**/*.ps1")]
    return sorted(str(path.relative_to(TEMPLATES)) for path in found)


def mutants(template: str) -> Iterator[Mutant]:
    """All mutants of a template, in the order of its commands."""
    source = (TEMPLATES / template).read_bytes()
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
    return Mutant(template, line, source[node.start_byte : node.end_byte].decode().split("\n")[0], text.decode())


def main() -> int:
    """Run all mutants, or a sample spread evenly over them."""
    parser = argparse.ArgumentParser(prog="tests.mutations")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    flags = parser.parse_args()
    every = [mutant for name in templates() if flags.only in name for mutant in mutants(name)]
    chosen = every
    if flags.sample and flags.sample < len(every):
        step = len(every) / flags.sample
        chosen = [every[int(number * step)] for number in range(flags.sample)]
    if flags.list:
        print("\n".join(map(str, chosen)))
        return 0
    from tests.scenarios.effects import Judge

    judge = Judge()
    survivors = []
    for number, mutant in enumerate(chosen, start=1):
        noticed = judge.notices(mutant.template, mutant.text)
        if not noticed:
            survivors.append(mutant)
        print(f"[{number}/{len(chosen)}] {'noticed' if noticed else 'SURVIVED'} {mutant} {noticed}", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants noticed ({len(every)} in all)")
    for mutant in survivors:
        print(f"survived: {mutant}", file=sys.stderr)
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
