"""The lowest part of the parser: places, blanks, comments, names, numbers and text with values in it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_right

from provision.rehearsal.powershell.syntax import Body, Const, Expand, Node, Sub, Var

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_VARIABLE = re.compile(r"\$(?:\{([^}]+)\}|([$?^])(?![\w:])|([\w?]+))")
_NUMBER = re.compile(r"(0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)(l)?(kb|mb|gb|tb|pb)?", re.I)
_SIZES = {"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40, "pb": 1 << 50}
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
DRIVES = frozenset({"env", "script", "global", "local", "private", "variable", "function"})


class ParseError(Exception):
    """The text is no script of the subset: Windows PowerShell would refuse the file, or the subset does.

    Args:
        construct: stable name of what was met.
        why: one line for the author of the script.
        line: from 1.
        foreign: Windows PowerShell 5.1 itself would run it; only the subset leaves it out.
    """

    def __init__(self, construct: str, why: str, line: int, *, foreign: bool = False) -> None:
        super().__init__(f"line {line}: {construct}: {why}")
        self.construct = construct
        self.why = why
        self.line = line
        self.foreign = foreign


def number(text: str) -> int | float | None:
    """The value of a number literal, None when the whole text is none."""
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    digits, _, unit = found.groups()
    value: int | float
    if digits.lower().startswith("0x"):
        value = int(digits, 16)
    elif any(c in digits.lower() for c in ".e"):
        value = float(digits)
    else:
        value = int(digits)
    return value * _SIZES[unit.lower()] if unit else value


class Scanner(ABC):
    """A text and a place in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.end = len(text)
        self._lines = [0] + [m.end() for m in re.finditer("\n", text)]

    # the statements inside "$( )"; the top of the parser supplies it
    @abstractmethod
    def statements(self, closing: str) -> Body: ...

    def line(self, at: int | None = None) -> int:
        return bisect_right(self._lines, self.at if at is None else at)

    def fail(self, construct: str, why: str, at: int | None = None, *, foreign: bool = False) -> ParseError:
        return ParseError(construct, why, self.line(at), foreign=foreign)

    def peek(self, count: int = 1) -> str:
        return self.text[self.at : self.at + count]

    def looking(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.take(token):
            found = self.peek(12).split("\n")[0] or "the end of the file"
            raise self.fail("parse-error", f"expected {token!r}, found {found!r}")

    def word(self) -> str:
        """The identifier at this place in lower case, not taken."""
        found = NAME.match(self.text, self.at)
        return found.group().lower() if found else ""

    def blanks(self, newlines: bool = False) -> None:
        """Skip blanks, comments and continued lines; with ``newlines`` line ends too."""
        text, end = self.text, self.end
        while self.at < end:
            c = text[self.at]
            if c in " \t\r\f\v" or (c == "\n" and newlines):
                self.at += 1
            elif c == "#":
                stop = text.find("\n", self.at)
                self.at = end if stop < 0 else stop
            elif c == "<" and text.startswith("<#", self.at):
                stop = text.find("#>", self.at)
                if stop < 0:
                    raise self.fail("parse-error", "the comment has no end: #>")
                self.at = stop + 2
            elif c == "`" and (text.startswith("`\n", self.at) or text.startswith("`\r\n", self.at)):
                self.at = text.index("\n", self.at) + 1
            elif c == "`" and self.text[self.at + 1 : self.at + 2] in (" ", "\t"):
                why = "a blank behind the backtick: the line does not go on"
                raise self.fail("backtick-before-blank", why, foreign=True)
            else:
                return

    def variable(self, in_text: bool = False) -> Var | None:
        """``$name`` at this place; None when the dollar is only a dollar."""
        found = _VARIABLE.match(self.text, self.at)
        if not found:
            return None
        line = self.line()
        braced, special, plain = found.groups()
        if special:
            self.at = found.end()
            return Var(line, special)
        if braced is not None:
            self.at = found.end()
            scope, colon, rest = braced.partition(":")
            return Var(line, rest, scope.lower()) if colon and scope.lower() in DRIVES else Var(line, braced)
        at = found.end()
        if self.text.startswith(":", at) and not self.text.startswith("::", at):
            more = re.compile(r"[\w?]+").match(self.text, at + 1)
            if more:
                scope = plain.lower()
                if scope not in DRIVES:
                    why = f"${plain}:{more.group()} names a drive; write ${{{plain}}}: for the variable {plain}"
                    raise self.fail("colon-after-variable", why)
                self.at = more.end()
                if self.looking(":") and not self.looking("::"):
                    name = f"{scope}:{more.group()}"
                    why = f"the colon behind ${name} is taken for its name: write ${{{name}}}"
                    raise self.fail("colon-after-variable", why, foreign=True)
                return Var(line, more.group(), scope)
            if in_text or plain.lower() in DRIVES:
                raise self.fail("colon-after-variable", f"write ${{{plain}}}: , else the file does not parse")
            if self.text.startswith(":", at):
                raise self.fail("colon-after-variable", f"write ${{{plain}}}: , else the file does not parse")
        self.at = at
        return Var(line, plain)

    def single_quoted(self) -> Const:
        line, start = self.line(), self.at
        self.at += 1
        parts = []
        while True:
            stop = self.text.find("'", self.at)
            if stop < 0:
                raise self.fail("parse-error", "the text has no closing quote: '", start)
            parts.append(self.text[self.at : stop])
            self.at = stop + 1
            if not self.looking("'"):
                return Const(line, "".join(parts), self.text[start : self.at])
            parts.append("'")
            self.at += 1

    def double_quoted(self) -> Node:
        line, start = self.line(), self.at
        self.at += 1
        parts: list[str | Node] = []
        while True:
            if self.at >= self.end:
                raise self.fail("parse-error", 'the text has no closing quote: "', start)
            if self.looking('""'):
                parts.append('"')
                self.at += 2
            elif self.take('"'):
                return self._text(line, parts, self.text[start : self.at])
            else:
                self.text_part(parts, '"$`')

    def text_part(self, parts: list[str | Node], stops: str) -> None:
        """One piece of a text that expands: an escape, a value, or plain characters up to one of ``stops``."""
        c = self.text[self.at]
        if c == "`" and self.at + 1 < self.end:
            escaped = self.text[self.at + 1]
            parts.append(ESCAPES.get(escaped, escaped))
            self.at += 2
        elif c == "$":
            if self.looking("$("):
                parts.append(self.sub())
                return
            variable = self.variable(in_text=True)
            if variable is None:
                parts.append("$")
                self.at += 1
            else:
                parts.append(variable)
        else:
            start = self.at
            self.at += 1
            while self.at < self.end and self.text[self.at] not in stops:
                self.at += 1
            parts.append(self.text[start : self.at])

    def sub(self) -> Sub:
        """``$( )`` at this place."""
        line = self.line()
        self.at += 2
        body = self.statements(")")
        self.expect(")")
        return Sub(line, body)

    def here_string(self) -> Node:
        """``@'`` or ``@"`` up to its end at the start of a line."""
        line, start, quote = self.line(), self.at, self.text[self.at + 1]
        opening = re.compile(r"@['\"][ \t]*\r?\n").match(self.text, self.at)
        if not opening:
            raise self.fail("parse-error", "nothing may stand behind the start of a here-string")
        ending = re.compile(r"\r?\n" + quote + "@|(?<=\n)" + quote + "@")
        if quote == "'":
            found = ending.search(self.text, opening.end() - 1)
            if not found:
                raise self.fail("parse-error", "the here-string has no end", start)
            self.at = found.end()
            value = self.text[opening.end() : max(opening.end(), found.start())]
            return Const(line, value, self.text[start : self.at])
        self.at = opening.end()
        parts: list[str | Node] = []
        while True:
            found = ending.match(self.text, self.at)
            if found:
                self.at = found.end()
                return self._text(line, parts, self.text[start : self.at])
            if self.at >= self.end:
                raise self.fail("parse-error", "the here-string has no end", start)
            self.text_part(parts, "\r\n$`")

    @staticmethod
    def _text(line: int, parts: list[str | Node], source: str) -> Node:
        joined: list[str | Node] = []
        for part in parts:
            if isinstance(part, str) and joined and isinstance(joined[-1], str):
                joined[-1] += part
            else:
                joined.append(part)
        if not joined:
            return Const(line, "", source)
        if len(joined) == 1 and isinstance(joined[0], str):
            return Const(line, joined[0], source)
        return Expand(line, tuple(joined), False, source)
