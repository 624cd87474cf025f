"""Expressions: operators by their levels, literals, members, indexes, calls."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator

from provision.rehearsal.powershell.scan import NAME, Scanner, number
from provision.rehearsal.powershell.syntax import (
    CASED,
    ArrayLiteral,
    ArrayOf,
    Binary,
    Block,
    BlockLiteral,
    Call,
    Cast,
    Const,
    HashLiteral,
    Index,
    Member,
    Node,
    Paren,
    Statement,
    Step,
    TypeLiteral,
    Unary,
)

COMPARISONS = frozenset(prefix + op for op in CASED for prefix in ("", "c", "i")) | {
    "is",
    "isnot",
    "as",
    "join",
    "shl",
    "shr",
}
_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"and", "or", "xor"}),
    frozenset({"band", "bor", "bxor"}),
    COMPARISONS,
)
_OPERATOR = re.compile(r"-([A-Za-z]+)(?![\w-])")
_UNARY = frozenset({"not", "bnot", "split", "csplit", "isplit", "join"})
_DIGITS = re.compile(r"\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?")
_TYPE = re.compile(r"\[([A-Za-z_][\w.+`]*(?:\[[\w.,\[\] ]*\])*)\]")


class ExpressionParser(Scanner):
    """Parses from the lowest operator level up; a comma ends an argument of a method."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._commas = True

    @abstractmethod
    def pipeline(self) -> Statement: ...

    @abstractmethod
    def block_body(self, closing: str) -> Block: ...

    @abstractmethod
    def statement_value(self) -> Statement: ...

    def expression(self, level: int = 0) -> Node:
        """An expression from operator level ``level`` (0: -and -or, 1: -band, 2: comparison) up."""
        if level == len(_LEVELS):
            return self._arithmetic(0)
        left = self.expression(level + 1)
        while True:
            line = self.line()
            operator = self._operator(_LEVELS[level])
            if operator is None:
                return left
            self.blanks(newlines=True)
            left = Binary(line, operator, left, self.expression(level + 1))

    def _operator(self, wanted: frozenset[str]) -> str | None:
        mark = self.at
        self.blanks()
        found = _OPERATOR.match(self.text, self.at)
        if found and found.group(1).lower() in wanted:
            self.at = found.end()
            return found.group(1).lower()
        self.at = mark
        return None

    def _arithmetic(self, level: int) -> Node:
        """Level 0: + -, 1: * / %, 2: -f, 3: ``..``, 4: the comma."""
        if level == 4:
            return self._comma()
        left = self._arithmetic(level + 1)
        while True:
            mark, line = self.at, self.line()
            self.blanks()
            operator = self._sign(level)
            if operator is None:
                self.at = mark
                return left
            self.blanks(newlines=True)
            left = Binary(line, operator, left, self._arithmetic(level + 1))

    def _sign(self, level: int) -> str | None:
        c = self.peek()
        if level == 0 and c and c in "+-" and not _OPERATOR.match(self.text, self.at):
            if self.peek(2) in ("++", "--", "+=", "-="):
                return None
            self.at += 1
            return c
        if level == 1 and c and c in "*/%" and self.peek(2) not in ("*=", "/=", "%="):
            self.at += 1
            return c
        if level == 2:
            found = _OPERATOR.match(self.text, self.at)
            if found and found.group(1).lower() == "f":
                self.at = found.end()
                return "f"
        if level == 3 and self.take(".."):
            return ".."
        return None

    def _comma(self) -> Node:
        first = self.unary()
        if not self._commas:
            return first
        items = [first, *self.after_commas(self.unary)]
        return first if len(items) == 1 else ArrayLiteral(first.line, tuple(items))

    def after_commas(self, item: Callable[[], Node]) -> Iterator[Node]:
        """What stands behind each comma that follows; what is no comma is left unread."""
        while True:
            mark = self.at
            self.blanks()
            if not self.take(","):
                self.at = mark
                return
            self.blanks(newlines=True)
            yield item()

    def unary(self) -> Node:
        line, c = self.line(), self.peek()
        if c == ",":
            self.at += 1
            self.blanks(newlines=True)
            return ArrayLiteral(line, (self.unary(),))
        if c == "!":
            self.at += 1
            self.blanks()
            return Unary(line, "not", self.unary())
        if self.peek(2) in ("++", "--"):
            delta = 1 if c == "+" else -1
            self.at += 2
            self.blanks()
            return Step(line, self.unary(), delta, True)
        if c == "-":
            found = _OPERATOR.match(self.text, self.at)
            if found:
                operator = found.group(1).lower()
                if operator not in _UNARY:
                    raise self.fail("parse-error", f"-{operator} has nothing on its left")
                self.at = found.end()
                self.blanks(newlines=True)
                return Unary(line, operator, self.unary())
        if c and c in "+-":
            self.at += 1
            self.blanks()
            operand = self.unary()
            if isinstance(operand, Const) and isinstance(operand.value, (int, float)) and c == "-":
                return Const(line, -operand.value, "-" + operand.source)
            return Unary(line, c, operand)
        if c == "[":
            return self._bracket()
        return self.postfix(self.primary())

    def _bracket(self) -> Node:
        line = self.line()
        name = self.type_name()
        after = self.at
        self.blanks()
        if self.at == after and self.looking("::"):
            return self.postfix(TypeLiteral(line, name))
        c = self.peek()
        operand = bool(c) and (c in "$'\"(@{[" or c.isdigit())
        if c == "-":
            operand = bool(re.match(r"-[\d$(.]", self.peek(2)))
        if operand:
            return Cast(line, name, self.unary())
        self.at = after
        return self.postfix(TypeLiteral(line, name))

    def type_name(self) -> str:
        """``[Some.Type[]]`` at this place, without the outer brackets."""
        found = _TYPE.match(self.text, self.at)
        if not found:
            raise self.fail("parse-error", f"no type name: {self.peek(30)!r}")
        self.at = found.end()
        return re.sub(r"\s", "", found.group(1))

    def primary(self) -> Node:
        line, c = self.line(), self.peek()
        if c == "$":
            if self.looking("$("):
                return self._free(self.sub)
            variable = self.variable()
            if variable is None:
                raise self.fail("parse-error", "a dollar without a name")
            return variable
        if c == "'":
            return self.single_quoted()
        if c == '"':
            return self._free(self.double_quoted)
        if c == "(":
            return self._free(self._paren)
        if c == "@":
            return self._free(self._at)
        if c == "{":
            return self._free(self.block_literal)
        found = _DIGITS.match(self.text, self.at)
        if found:
            # "1..3" is a range, not a number
            literal = found.group().split("..")[0].rstrip(".")
            value = number(literal)
            if value is None:
                raise self.fail("parse-error", f"no number: {literal}")
            self.at += len(literal)
            return Const(line, value, literal)
        if not c:
            raise self.fail("parse-error", "an expression is missing at the end of the file")
        raise self.fail("parse-error", f"an expression is missing before {self.peek(20).splitlines()[0]!r}")

    def _free(self, parse: object) -> Node:
        """Parse a bracketed part, in which commas make lists again."""
        commas, self._commas = self._commas, True
        try:
            node: Node = parse()  # type: ignore[operator]
        finally:
            self._commas = commas
        return node

    def _paren(self) -> Node:
        line = self.line()
        self.at += 1
        self.blanks(newlines=True)
        if self.looking(")"):
            raise self.fail("parse-error", "empty parentheses")
        body = self.statement_value()
        self.blanks(newlines=True)
        self.expect(")")
        return Paren(line, body)

    def _at(self) -> Node:
        line = self.line()
        if self.looking("@("):
            self.at += 2
            body = self.statements(")")
            self.expect(")")
            return ArrayOf(line, body)
        if self.looking("@{"):
            return self._hash()
        if self.peek(2) in ("@'", '@"'):
            return self.here_string()
        raise self.fail("parse-error", "a splatted variable is only an argument of a command")

    def _hash(self) -> Node:
        line = self.line()
        self.at += 2
        pairs: list[tuple[Node, Statement]] = []
        seen: set[object] = set()
        while True:
            self._separators()
            if self.take("}"):
                return HashLiteral(line, tuple(pairs))
            key = self._key()
            if isinstance(key, Const):
                folded = key.value.lower() if isinstance(key.value, str) else key.value
                if folded in seen:
                    raise self.fail("parse-error", f"the key {key.value} stands twice in the table")
                seen.add(folded)
            self.blanks()
            self.expect("=")
            self.blanks(newlines=True)
            pairs.append((key, self.statement_value()))
            self.blanks()
            if self.peek() not in (";", "\n", "}"):
                raise self.fail("parse-error", f"the table is not closed: {self.peek(20)!r}")

    def _separators(self) -> None:
        self.blanks(newlines=True)
        while self.take(";"):
            self.blanks(newlines=True)

    def _key(self) -> Node:
        found = NAME.match(self.text, self.at)
        if found:
            line = self.line()
            self.at = found.end()
            return Const(line, found.group(), found.group())
        return self.unary()

    def block_literal(self) -> BlockLiteral:
        """``{ }`` at this place, as a value."""
        line, start = self.line(), self.at
        self.at += 1
        block = self.block_body("}")
        self.expect("}")
        return BlockLiteral(line, block, self.text[start + 1 : self.at - 1])

    def postfix(self, node: Node) -> Node:
        """Members, indexes, calls and ``++`` that touch what is already parsed."""
        while True:
            line = self.line()
            if self.looking("::"):
                self.at += 2
                node = self._member(line, node, True)
            elif self.looking(".") and not self.looking("..") and self._names_member():
                self.at += 1
                node = self._member(line, node, False)
            elif self.looking("["):
                self.at += 1
                self.blanks(newlines=True)
                index = self._free(self.expression)
                self.blanks(newlines=True)
                self.expect("]")
                node = Index(line, node, index)
            elif self.peek(2) in ("++", "--") and not isinstance(node, Const):
                delta = 1 if self.peek() == "+" else -1
                self.at += 2
                return Step(line, node, delta, False)
            else:
                return node

    def _names_member(self) -> bool:
        following = self.text[self.at + 1 : self.at + 2]
        return following.isalpha() or following in ("_", "$", "'", '"', "(")

    def _member(self, line: int, target: Node, static: bool) -> Node:
        name: str | Node
        found = re.compile(r"[A-Za-z_]\w*").match(self.text, self.at)
        if found:
            name = found.group()
            self.at = found.end()
        else:
            name = self.primary()
        if not self.looking("("):
            return Member(line, target, name, static)
        self.at += 1
        arguments: list[Node] = []
        commas, self._commas = self._commas, False
        try:
            self.blanks(newlines=True)
            while not self.looking(")"):
                arguments.append(self.expression())
                self.blanks(newlines=True)
                if not self.take(","):
                    break
                self.blanks(newlines=True)
            self.expect(")")
        finally:
            self._commas = commas
        return Call(line, target, name, tuple(arguments), static)
