"""Every Windows script as it would run: parsed twice, clean for the lint, its commands and parameters real ones."""

from __future__ import annotations

import re

import pytest
import tree_sitter
import tree_sitter_powershell

from provision.host.workspace import TEMPLATES
from provision.rehearsal.powershell import syntax
from provision.rehearsal.powershell.lint import lint, unknown_commands
from provision.rehearsal.powershell.parse import parse
from provision.rehearsal.powershell.walk import assigned, assigned_text, walk
from tests.scripts.windows_scripts import rendered_windows_scripts

NAMES = sorted(rendered_windows_scripts())
GRAMMAR = tree_sitter.Language(tree_sitter_powershell.language())


@pytest.mark.parametrize("name", NAMES)
def test_keeps_to_the_subset(name: str) -> None:
    assert lint(rendered_windows_scripts()[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_parameters_are_in_the_table(name: str) -> None:
    assert unknown_commands(rendered_windows_scripts()[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_parses_by_an_independent_grammar(name: str) -> None:
    tree = tree_sitter.Parser(GRAMMAR).parse(rendered_windows_scripts()[name].encode())
    wrong = []
    todo = [tree.root_node]
    while todo:
        node = todo.pop()
        if node.type == "ERROR" or node.is_missing:
            wrong.append((node.start_point[0] + 1, (node.text or b"")[:80]))
        elif node.has_error:
            todo += node.children
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_starts_strictly(name: str) -> None:
    """Strict mode and Stop stand before the first command that does something."""
    text = rendered_windows_scripts()[name]
    tree = parse(text)
    stops = [
        node.line
        for node, _ in walk(tree.block)
        if isinstance(node, syntax.Assign)
        and "erroractionpreference" in assigned(node.target)
        and assigned_text(node) in ("Stop", "Continue")
    ]
    strict = re.search(r"^Set-StrictMode -Version \S+$", text, re.M)
    assert strict and stops, "Set-StrictMode and $ErrorActionPreference"
    usage = text.splitlines()[0]
    assert usage.startswith("#"), "a usage comment stands first"


def test_every_template_is_rendered_somewhere() -> None:
    """A template that no step, probe or manifest uses would be checked by nobody."""
    texts = "\n".join(rendered_windows_scripts().values())
    for path in [*TEMPLATES.glob("windows/[0-9]*.ps1"), *TEMPLATES.glob("facts/windows/*.ps1")]:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        if "{" not in first and first:
            assert first in texts, path.name
