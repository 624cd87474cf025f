"""Blocks: their parameters with attributes, their begin, process and end."""

from __future__ import annotations

import re
from abc import abstractmethod

from provision.rehearsal.powershell.parse_commands import CommandParser
from provision.rehearsal.powershell.scan import NAME
from provision.rehearsal.powershell.syntax import Attribute, Block, Body, Node, ParameterDeclaration


class BlockParser(CommandParser):
    """What stands between the braces of a function, a script block, or in a whole script."""

    @abstractmethod
    def braces(self) -> Body: ...

    def block_body(self, closing: str, is_filter: bool = False) -> Block:
        line = self.line()
        self._separators()
        mark, attributes = self.at, self._attributes()
        parameters: tuple[ParameterDeclaration, ...] = ()
        if self.word() == "param" and re.match(r"param\s*\(", self.text[self.at : self.at + 40], re.I):
            self.at += len("param")
            self.blanks(newlines=True)
            parameters = self._parameters()
        else:
            self.at = mark
            attributes = ()
        binding = any(a.name.lower() == "cmdletbinding" for a in attributes) or self._advanced(parameters)
        self._separators()
        named = self._named_parts(closing)
        if named is not None:
            return Block(line, parameters, named["begin"], named["process"], named["end"], binding)
        body = self.statements(closing)
        if is_filter:
            return Block(line, parameters, (), body, (), binding)
        return Block(line, parameters, (), None, body, binding)

    @staticmethod
    def _advanced(parameters: tuple[ParameterDeclaration, ...]) -> bool:
        return any(a.name.lower() == "parameter" for p in parameters for a in p.attributes)

    def _named_parts(self, closing: str) -> dict[str, Body] | None:
        if not re.match(r"(begin|process|end)\s*\{", self.text[self.at : self.at + 40], re.I):
            return None
        parts: dict[str, Body] = {"begin": (), "process": (), "end": ()}
        while True:
            self._separators()
            if self.looking(closing) if closing else self.at >= self.end:
                return parts
            word = self.word()
            if word not in parts:
                raise self.fail("parse-error", "only begin, process and end may stand here")
            self.at += len(word)
            parts[word] = self.braces()

    def _parameters(self) -> tuple[ParameterDeclaration, ...]:
        self.expect("(")
        found: list[ParameterDeclaration] = []
        while True:
            self.blanks(newlines=True)
            if self.take(")"):
                return tuple(found)
            found.append(self._parameter_declaration())
            self.blanks(newlines=True)
            if not self.take(",") and not self.looking(")"):
                raise self.fail("parse-error", "the parameters are not closed")

    def _parameter_declaration(self) -> ParameterDeclaration:
        line = self.line()
        attributes = list(self._attributes())
        types = [a.name for a in attributes if a.line < 0]
        variable = self.variable()
        if variable is None:
            raise self.fail("parse-error", f"a parameter is missing before {self.peek(10)!r}")
        self.blanks(newlines=True)
        default: Node | None = None
        if self.take("="):
            self.blanks(newlines=True)
            commas, self._commas = self._commas, False
            try:
                default = self.expression()
            finally:
                self._commas = commas
        kept = tuple(a for a in attributes if a.line >= 0)
        return ParameterDeclaration(line, variable.name, types[-1] if types else None, default, kept)

    def _attributes(self) -> tuple[Attribute, ...]:
        """Attributes, and types as attributes on line -1."""
        found: list[Attribute] = []
        while True:
            self.blanks(newlines=True)
            if not self.looking("["):
                return tuple(found)
            head = re.compile(r"\[\s*([A-Za-z_][\w.]*)\s*\(").match(self.text, self.at)
            if not head:
                mark = self.at
                name = self.type_name()
                if self.looking("::") or not re.match(r"\s*[\[$]", self.text[self.at :]):
                    self.at = mark
                    return tuple(found)
                found.append(Attribute(-1, name))
                continue
            line = self.line()
            self.at = head.end()
            found.append(self._attribute(line, head.group(1)))

    def _attribute(self, line: int, name: str) -> Attribute:
        positional: list[Node] = []
        named: list[tuple[str, Node | None]] = []
        commas, self._commas = self._commas, False
        try:
            while True:
                self.blanks(newlines=True)
                if self.take(")"):
                    break
                key = NAME.match(self.text, self.at)
                if key:
                    self.at = key.end()
                    self.blanks(newlines=True)
                    value: Node | None = None
                    if self.take("="):
                        self.blanks(newlines=True)
                        value = self.expression()
                    named.append((key.group().lower(), value))
                else:
                    positional.append(self.expression())
                self.blanks(newlines=True)
                self.take(",")
        finally:
            self._commas = commas
        self.blanks(newlines=True)
        self.expect("]")
        return Attribute(line, name, tuple(positional), tuple(named))
