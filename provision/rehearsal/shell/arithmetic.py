"""Integer arithmetic of ``$(( ))``, ``(( ))`` and subscripts: 64 bits, C's operators."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol


class Numbers(Protocol):
    """The variables that an expression reads and writes."""

    def get(self, name: str, index: str | None) -> str: ...
    def set(self, name: str, index: str | None, value: str) -> None: ...


class BadExpression(Exception):
    """What bash calls a syntax error in expression, or a division by 0."""


_TOKEN = re.compile(
    r"\s*(0[xX][0-9a-fA-F]+|\d+#\w+|\d+|[A-Za-z_]\w*(?:\[[^\]]*\])?|<<=|>>=|\*\*|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||"
    r"[-+*/%&|^]=|[-+*/%&|^!~<>=?:(),])"
)
_LEVELS: list[dict[str, Callable[[int, int], int]]] = [
    {"|": lambda a, b: a | b},
    {"^": lambda a, b: a ^ b},
    {"&": lambda a, b: a & b},
    {"==": lambda a, b: int(a == b), "!=": lambda a, b: int(a != b)},
    {
        "<": lambda a, b: int(a < b),
        ">": lambda a, b: int(a > b),
        "<=": lambda a, b: int(a <= b),
        ">=": lambda a, b: int(a >= b),
    },
    {"<<": lambda a, b: a << (b & 63), ">>": lambda a, b: a >> (b & 63)},
    {"+": lambda a, b: a + b, "-": lambda a, b: a - b},
    {"*": lambda a, b: a * b, "/": lambda a, b: _divide(a, b), "%": lambda a, b: a - b * _divide(a, b)},
    {"**": lambda a, b: a**b},
]


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise BadExpression("division by 0")
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _wrapped(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def evaluate(text: str, numbers: Numbers, depth: int = 0) -> int:
    """The value of an expression; an empty one is 0.

    Raises:
        BadExpression: it is none.
    """
    if depth > 20:
        raise BadExpression(f"{text}: expression recursion level exceeded")
    tokens: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise BadExpression(f"{text}: syntax error: operand expected")
        tokens.append(found[1])
        at = found.end()
    if not tokens:
        return 0
    return _Evaluation(text, tokens, numbers, depth).whole()


class _Evaluation:
    def __init__(self, text: str, tokens: list[str], numbers: Numbers, depth: int) -> None:
        self.text, self.tokens, self.numbers, self.depth = text, tokens, numbers, depth
        self.at = 0
        self.skip = 0  # > 0 in the part of && || ?: that is not taken

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        sign = self.peek()
        if not sign or (expected and sign != expected):
            raise BadExpression(f"{self.text}: syntax error in expression")
        self.at += 1
        return sign

    def whole(self) -> int:
        value = self.comma()
        if self.peek():
            raise BadExpression(f"{self.text}: syntax error in expression")
        return value

    def comma(self) -> int:
        value = self.assignment()
        while self.peek() == ",":
            self.take()
            value = self.assignment()
        return value

    def assignment(self) -> int:
        name, operator = self.peek(), self.tokens[self.at + 1 : self.at + 2]
        if _is_name(name) and operator and re.fullmatch(r"(<<|>>|[-+*/%&|^])?=", operator[0]):
            self.at += 2
            value = self.assignment()
            if operator[0] != "=":
                function = next(level[operator[0][:-1]] for level in _LEVELS if operator[0][:-1] in level)
                value = function(self.read(name), value)
            return self.write(name, value)
        return self.ternary()

    def ternary(self) -> int:
        condition = self.either()
        if self.peek() != "?":
            return condition
        self.take()
        yes = self.taken(bool(condition), self.comma)
        self.take(":")
        no = self.taken(not condition, self.assignment)
        return yes if condition else no

    def taken(self, really: bool, what: Callable[[], int]) -> int:
        self.skip += not really
        try:
            return what()
        finally:
            self.skip -= not really

    def either(self) -> int:
        value = self.both()
        while self.peek() == "||":
            self.take()
            right = self.taken(not value, self.both)
            value = int(bool(value) or bool(right))
        return value

    def both(self) -> int:
        value = self.binary(0)
        while self.peek() == "&&":
            self.take()
            right = self.taken(bool(value), lambda: self.binary(0))
            value = int(bool(value) and bool(right))
        return value

    def binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self.unary()
        value = self.binary(level + 1)
        while self.peek() in _LEVELS[level]:
            function = _LEVELS[level][self.take()]
            right = self.binary(level + 1)
            value = 0 if self.skip else _wrapped(function(value, right))
        return value

    def unary(self) -> int:
        sign = self.peek()
        if sign in ("++", "--"):
            self.take()
            name = self.take()
            return self.write(name, self.read(name) + (1 if sign == "++" else -1))
        if sign in ("+", "-", "!", "~"):
            self.take()
            value = self.unary()
            return {"+": value, "-": -value, "!": int(not value), "~": ~value}[sign]
        if sign == "(":
            self.take()
            value = self.comma()
            self.take(")")
            return value
        self.take()
        if _is_name(sign):
            value = self.read(sign)
            if self.peek() in ("++", "--"):
                self.write(sign, value + (1 if self.take() == "++" else -1))
            return value
        try:
            if "#" in sign:
                base, digits = sign.split("#")
                return int(digits, int(base))
            return int(sign, 16) if sign[:2] in ("0x", "0X") else int(sign, 8 if sign[0] == "0" else 10)
        except ValueError:
            raise BadExpression(f"{sign}: value too great for base") from None

    def read(self, sign: str) -> int:
        if self.skip:
            return 0
        name, _, index = sign.partition("[")
        return evaluate(self.numbers.get(name, index[:-1] if index else None), self.numbers, self.depth + 1)

    def write(self, sign: str, value: int) -> int:
        name, _, index = sign.partition("[")
        if not self.skip:
            self.numbers.set(name, index[:-1] if index else None, str(_wrapped(value)))
        return value


def _is_name(sign: str) -> bool:
    return bool(sign) and (sign[0].isalpha() or sign[0] == "_")
