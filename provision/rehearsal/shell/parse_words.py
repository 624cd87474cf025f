"""The words of a script: cut by bash's rules where tree-sitter's grammar cuts otherwise, with what was read kept."""

from __future__ import annotations

import re
from collections.abc import Iterable

import tree_sitter

from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.words import word_end

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(?:\[([^]]*)\])?(\+?=)")
_Tree = tree_sitter.Node


class WordReader:
    """A script's source, and the words and assignments at its positions."""

    def __init__(self, source: bytes, first_line: int) -> None:
        # The grammar wants a last line end behind a here-document.
        self.source = source if source.endswith(b"\n") else source + b"\n"
        # One character a byte, so that the grammar's positions are also the text's.
        self.plain = self.source.decode("latin-1")
        self.first = first_line
        self.read: list[tuple[int, int]] = []  # the words that we cut ourselves
        self.consumed = 0  # how far words were read, which may be further than the grammar's node

    def line(self, node: _Tree) -> int:
        return node.start_point[0] + self.first

    def text(self, node: _Tree) -> str:
        return self.source[node.start_byte : node.end_byte].decode()

    def word(self, node: _Tree) -> s.Word:
        return s.Word(self.text(node), self.line(node))

    def unknown(self, node: _Tree) -> s.Unsupported:
        return s.Unsupported(f"{node.type} {self.text(node)[:40]!r}", self.line(node))

    def words(self, nodes: Iterable[_Tree]) -> tuple[s.Word, ...]:
        """Words, joined where the grammar cut one in two."""
        spans: list[tuple[int, int, int]] = []
        for node in nodes:
            if spans and spans[-1][1] == node.start_byte:
                spans[-1] = (spans[-1][0], node.end_byte, spans[-1][2])
            else:
                spans.append((node.start_byte, node.end_byte, self.line(node)))
        return tuple(s.Word(self.source[a:b].decode(), line) for a, b, line in spans)

    def listed(self, nodes: list[_Tree]) -> tuple[s.Word, ...]:
        """The words from the first to the last of these nodes."""
        found: list[s.Word] = []
        at = nodes[0].start_byte if nodes else 0
        while nodes and (at := self.blanks(at)) < nodes[-1].end_byte:
            word, at = self.word_at(at)
            found.append(word)
        return tuple(found)

    def blanks(self, at: int) -> int:
        """The next position that is no white space within a command."""
        while self.plain[at : at + 1] in (" ", "\t") or self.plain.startswith("\\\n", at):
            at += 2 if self.plain[at] == "\\" else 1
        return at

    def word_at(self, at: int) -> tuple[s.Word, int]:
        """The word at a position, and where it ends."""
        line = self.plain.count("\n", 0, at) + self.first
        end = word_end(self.plain, at, line)
        if end == at:
            raise s.Unsupported(f"{self.plain[at : at + 10]!r} here", line)
        self.consumed = max(self.consumed, end)
        self.read.append((at, end))
        return s.Word(self.source[at:end].decode(), line), end

    def assigned(self, word: s.Word) -> s.Assignment | None:
        """The assignment that a word is; None when it is none."""
        found = _ASSIGNMENT.match(word.raw)
        if not found:
            return None
        index = None if found[2] is None else s.Word(found[2], word.line)
        return s.Assignment(found[1], index, found[3] == "+=", s.Word(word.raw[found.end() :], word.line), word.line)

    def assignment(self, node: _Tree) -> s.Assignment:
        target, operator, *value = node.children
        name, index = target, None
        if target.type == "subscript":
            name = target.children[0]
            index = s.Word(self.source[name.end_byte + 1 : target.end_byte - 1].decode(), self.line(node))
        given: s.Word | tuple[s.Word, ...]
        if value and value[0].type == "array":
            given = self.words([c for c in value[0].children[1:-1] if c.type != "comment"])
        else:
            end = word_end(self.plain, operator.end_byte, self.line(node))
            self.consumed = max(self.consumed, end)
            given = s.Word(self.source[operator.end_byte : end].decode(), self.line(node))
        return s.Assignment(self.text(name), index, operator.type == "+=", given, self.line(node))
