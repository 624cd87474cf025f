"""What a bash script calls: read from its syntax tree."""

from __future__ import annotations

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bash.language()))


def commands_and_functions(text: str) -> tuple[set[str], set[str]]:
    """The names of all commands that a script calls by a literal word, and of the functions that it defines.

    A command behind ``limited``, ``part``, ``ask`` and the like counts too.
    """
    commands: set[str] = set()
    functions: set[str] = set()
    todo: list[Node] = [_PARSER.parse(text.encode()).root_node]
    while todo:
        node = todo.pop()
        todo += node.children
        if node.type == "function_definition":
            name = node.child_by_field_name("name")
            functions.add(_text(name))
        if node.type == "command":
            words = [_text(child) for child in node.named_children if child.type in ("command_name", "word")]
            if words and words[0] in ("limited", "part", "json_bool") and len(words) > 1:
                commands.add(words[1])
            if words and not words[0].startswith(('"', "$")):
                commands.add(words[0])
    return commands, functions


def _text(node: Node | None) -> str:
    return (node.text or b"").decode() if node is not None else ""
