"""Rules of our own Windows scripts, beyond the language's subset (`provision.rehearsal.powershell.lint`).

- A loop that watches a clock sleeps: one that does not takes a whole processor away from what it waits for.
- Where errors stop, strict mode is on: an unset variable or a missing property is an error as well.
"""

from __future__ import annotations

from collections.abc import Iterator

from provision.rehearsal.powershell import syntax
from provision.rehearsal.powershell.lint import lint
from provision.rehearsal.powershell.parse import parse
from provision.rehearsal.powershell.walk import assigned, assigned_text, command_name, walk

_LOOPS = (syntax.While, syntax.DoLoop, syntax.For)


def broken_rules(script: str) -> list[str]:
    """Everything that the lint and our own rules find in a rendered script."""
    found = [f"{finding.construct}, line {finding.line}" for finding in lint(script)]
    return found or [*busy_loops(script), *lax_blocks(script)]


def busy_loops(script: str) -> Iterator[str]:
    """Loops that watch a stopwatch without sleeping."""
    for loop, _ in walk(parse(script).block):
        if not isinstance(loop, _LOOPS):
            continue
        within = [node for node, _ in walk(loop)]
        watches = any(isinstance(node, syntax.Member) and node.name == "Elapsed" for node in within)
        if watches and not any(_calls(node, "Start-Sleep") for node in within):
            yield f"busy-loop, line {loop.line}"


def lax_blocks(script: str) -> Iterator[str]:
    """Blocks that set ``$ErrorActionPreference = 'Stop'`` without ``Set-StrictMode`` before it."""
    top = parse(script).block
    for block in [top, *(node.block for node, _ in walk(top) if isinstance(node, syntax.BlockLiteral))]:
        strict = False
        for statement in block.end:
            if isinstance(statement, syntax.Pipeline):
                strict = strict or any(_calls(element, "Set-StrictMode") for element in statement.elements)
            elif isinstance(statement, syntax.Assign) and _stops(statement) and not strict:
                yield f"not-strict, line {statement.line}"


def _stops(statement: syntax.Assign) -> bool:
    return "erroractionpreference" in assigned(statement.target) and assigned_text(statement) == "Stop"


def _calls(node: syntax.Node, name: str) -> bool:
    return isinstance(node, syntax.Command) and command_name(node) == name
