"""``[[ ]]``, ``[`` and ``test``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from provision.rehearsal.shell import patterns
from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.expand import ExpansionFailed

if TYPE_CHECKING:
    from provision.rehearsal.shell.state import State

_NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
_FILES = ("-e", "-f", "-d", "-s", "-r", "-w", "-x", "-h", "-L", "-S", "-b", "-c", "-p")


class BadTest(Exception):
    """What ``[`` calls an error: exit code 2."""


def unary(shell: State, operator: str, value: str, line: int) -> bool:
    """``-f path``, ``-n text``, ``-v name`` and the like."""
    if operator == "-n":
        return value != ""
    if operator == "-z":
        return value == ""
    if operator == "-v":
        return shell.is_set(value)
    if operator in _FILES:
        return _file(shell, operator, value)
    if operator == "-t":
        return False
    raise s.Unsupported(f"the test {operator}", line)


def _file(shell: State, operator: str, path: str) -> bool:
    if not path:
        return False
    try:
        if operator in ("-h", "-L"):
            return shell.box.is_link(shell.path(path))
        if path == "/dev/null":
            return operator in ("-e", "-r", "-w", "-c")
        found = shell.box.files.stat(shell.path(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    if operator == "-d":
        return found.folder
    if operator == "-f":
        return not found.folder
    if operator == "-s":
        return found.folder or found.size > 0
    if operator == "-x":
        return found.folder or bool(found.mode & 0o111)
    if operator in ("-S", "-b", "-c", "-p"):
        return found.mode & 0o170000 == {"-S": 0o140000, "-b": 0o060000, "-c": 0o020000, "-p": 0o010000}[operator]
    return True


def _integer(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise BadTest(f"{text}: integer expression expected") from None


def binary(shell: State, left: str, operator: str, right: str) -> bool:
    """Two operands of ``[``."""
    if operator in ("=", "=="):
        return left == right
    if operator == "!=":
        return left != right
    if operator in ("<", ">"):
        return left < right if operator == "<" else left > right
    if operator in ("-nt", "-ot"):
        return _newer(shell, left, right) if operator == "-nt" else _newer(shell, right, left)
    return _NUMBERS[operator](_integer(left), _integer(right))


def _newer(shell: State, left: str, right: str) -> bool:
    def time(path: str) -> float | None:
        try:
            return shell.box.files.stat(shell.path(path)).mtime
        except FileNotFoundError:
            return None

    a, b = time(left), time(right)
    return a is not None and (b is None or a > b)


_BINARY = ("=", "==", "!=", "<", ">", "-nt", "-ot", *_NUMBERS)


def single_brackets(shell: State, arguments: list[str], line: int) -> bool:
    """``test`` and ``[``: the rules by number of arguments.

    Raises:
        BadTest: not a test.
    """
    n = len(arguments)
    if n == 0:
        return False
    if n == 1:
        return arguments[0] != ""
    if arguments[0] == "!" and not (n == 3 and arguments[1] in _BINARY):
        return not single_brackets(shell, arguments[1:], line)
    if n == 2:
        if not re.fullmatch(r"-[a-zA-Z]", arguments[0]):
            raise BadTest(f"{arguments[0]}: unary operator expected")
        return unary(shell, arguments[0], arguments[1], line)
    if n == 3 and arguments[1] in _BINARY:
        return binary(shell, arguments[0], arguments[1], arguments[2])
    if n == 3:
        raise BadTest(f"{arguments[1]}: binary operator expected")
    if any(a in ("-a", "-o", "(", ")") for a in arguments):
        raise s.Unsupported("-a, -o or parentheses in [ (write [ ] && [ ])", line)
    raise BadTest("too many arguments")


class DoubleBrackets:
    """``[[ ... ]]``: no splitting, patterns and expressions on the right, ``&&`` and ``||`` inside."""

    def __init__(self, shell: State, node: s.Condition) -> None:
        self.shell = shell
        self.expand = shell.expand
        self.line = node.line
        self.words: list[s.Word] = []
        after = ""
        for word in node.words:
            # Parentheses group where they touch a word, except within a regular expression.
            opening = re.match(r"[(!]*(?=.)", word.raw) if after != "=~" and word.raw.startswith("(") else None
            raw = word.raw
            if opening:
                self.words += [s.Word(c, word.line) for c in opening[0]]
                raw = raw[opening.end() :]
            tail = 0
            while after != "=~" and raw.endswith(")") and raw.count(")") > raw.count("("):
                raw, tail = raw[:-1], tail + 1
            if raw:
                self.words.append(s.Word(raw, word.line))
            self.words += [s.Word(")", word.line)] * tail
            after = word.raw
        self.at = 0

    def value(self) -> bool:
        """The result.

        Raises:
            Unsupported: a form that is not known.
        """
        result = self._either(True)
        if self.at != len(self.words):
            raise s.Unsupported(f"[[ ... {self.words[self.at].raw} ... ]]", self.line)
        return result

    def _peek(self, offset: int = 0) -> str:
        at = self.at + offset
        return self.words[at].raw if at < len(self.words) else ""

    def _either(self, really: bool) -> bool:
        value = self._both(really)
        while self._peek() == "||":
            self.at += 1
            right = self._both(really and not value)
            value = value or right
        return value

    def _both(self, really: bool) -> bool:
        value = self._one(really)
        while self._peek() == "&&":
            self.at += 1
            right = self._one(really and value)
            value = value and right
        return value

    def _one(self, really: bool) -> bool:
        sign = self._peek()
        if sign == "!":
            self.at += 1
            return not self._one(really)
        if sign == "(":
            self.at += 1
            value = self._either(really)
            if self._peek() != ")":
                raise s.Unsupported("[[ ( without ) ]]", self.line)
            self.at += 1
            return value
        operator = self._peek(1)
        if operator in (*_BINARY, "=~"):
            left, right = self.words[self.at], self.words[self.at + 2 : self.at + 3]
            self.at += 3
            if not right:
                raise s.Unsupported(f"[[ {left.raw} {operator} ]]", self.line)
            return really and self._binary(self.expand.text(left), operator, right[0])
        if re.fullmatch(r"-[a-zA-Z]", sign) and operator not in ("", "&&", "||", ")"):
            word = self.words[self.at + 1]
            self.at += 2
            return really and unary(self.shell, sign, self.expand.text(word), self.line)
        if not sign:
            raise s.Unsupported("an empty [[ ]]", self.line)
        word = self.words[self.at]
        self.at += 1
        return really and self.expand.text(word) != ""

    def _binary(self, left: str, operator: str, right: s.Word) -> bool:
        if operator in ("=", "==", "!="):
            same = patterns.matches(self.expand.pattern(right), left)
            return same if operator != "!=" else not same
        if operator == "=~":
            return self._matches(left, right)
        if operator in _NUMBERS:
            numbers = self.expand.number(left, self.line), self.expand.number(self.expand.text(right), self.line)
            return _NUMBERS[operator](*numbers)
        return binary(self.shell, left, operator, self.expand.text(right))

    def _matches(self, left: str, right: s.Word) -> bool:
        expression = "".join(re.escape(t) if quoted else t for t, quoted in self._regex(right))
        try:
            found = re.search(patterns.classes(expression), left)
        except re.error as error:
            raise ExpansionFailed(f"{right.raw}: {error}") from None
        groups = [found[0], *(g or "" for g in found.groups())] if found else []
        self.shell.set_array("BASH_REMATCH", groups)
        return found is not None

    def _regex(self, word: s.Word) -> list[tuple[str, bool]]:
        return self.expand.pattern(word)
