"""The small part of WQL that filters are written in: ``Name='a' AND (State<>"b" OR Id>3)``, ``LIKE``, ``NULL``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from provision.rehearsal.powershell.box import CommandError

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>-?\d+)|(?P<sign><>|!=|<=|>=|=|<|>|\(|\))"""
    r"""|(?P<word>[A-Za-z_]\w*))"""
)
Test = Callable[[Mapping[str, object]], bool]


def _invalid() -> CommandError:
    return CommandError(
        "Invalid query ", "HRESULT 0x80041017,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand",
        category="InvalidArgument", exception="Microsoft.Management.Infrastructure.CimException",
    )  # fmt: skip


def parse_filter(text: str) -> Test:
    """A test of a row (names in lower case).

    Raises:
        CommandError: the query is invalid, as Windows says.
    """
    tokens: list[str] = []
    index = 0
    while index < len(text.rstrip()):
        match = _TOKEN.match(text, index)
        if match is None:
            raise _invalid()
        tokens.append(match.group(0).strip())
        index = match.end()
    parser = _Parser(tokens)
    test = parser.either()
    if parser.tokens:
        raise _invalid()
    return test


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens

    def _next(self) -> str:
        if not self.tokens:
            raise _invalid()
        return self.tokens.pop(0)

    def _is(self, word: str) -> bool:
        return bool(self.tokens) and self.tokens[0].upper() == word

    def either(self) -> Test:
        tests = [self.both()]
        while self._is("OR"):
            self._next()
            tests.append(self.both())
        return lambda row: any(test(row) for test in tests)

    def both(self) -> Test:
        tests = [self.one()]
        while self._is("AND"):
            self._next()
            tests.append(self.one())
        return lambda row: all(test(row) for test in tests)

    def one(self) -> Test:
        if self._is("NOT"):
            self._next()
            inner = self.one()
            return lambda row: not inner(row)
        if self._is("("):
            self._next()
            inner = self.either()
            if self._next() != ")":
                raise _invalid()
            return inner
        name, sign, value = self._next().lower(), self._next().upper(), self._next()
        if not re.fullmatch(r"[a-z_]\w*", name):
            raise _invalid()
        wanted = _literal(value)

        def test(row: Mapping[str, object]) -> bool:
            if name not in row:
                raise _invalid()
            return _compare(row[name], sign, wanted)

        return test


def _literal(text: str) -> object:
    if text[:1] in "'\"":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    constants = {"TRUE": True, "FALSE": False, "NULL": None}
    if text.upper() in constants:
        return constants[text.upper()]
    raise _invalid()


def _compare(have: object, sign: str, wanted: object) -> bool:
    if sign == "LIKE":
        pattern = re.escape(str(wanted)).replace("%", ".*").replace("_", ".")
        return re.fullmatch(pattern, str(have), re.IGNORECASE) is not None
    left = str(have).lower() if isinstance(wanted, str) else have
    right = wanted.lower() if isinstance(wanted, str) else wanted
    if sign == "=":
        return left == right
    if sign in ("<>", "!="):
        return left != right
    if isinstance(left, int) and isinstance(right, int):
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[sign]
    raise _invalid()
