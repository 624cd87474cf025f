"""Words taken apart: quotes, parameters, command substitutions. Source text in, parts out; nothing is run here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from provision.rehearsal.shell.syntax import (
    ArithmeticValue,
    CommandOutput,
    Parameter,
    Part,
    ProcessInput,
    Text,
    Unsupported,
    Word,
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = "@*#?$!-0123456789"
_OPERATORS = (
    ":-",
    ":=",
    ":+",
    ":?",
    "##",
    "%%",
    "//",
    "^^",
    ",,",
    "-",
    "=",
    "+",
    "?",
    "#",
    "%",
    "/",
    "^",
    ",",
    ":",
    "@",
)
_HEREDOC = re.compile(r"<<(-?)\s*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}


def ansi(text: str, line: int) -> str:
    """The text of ``$'...'``."""

    def one(found: re.Match[str]) -> str:
        code = found.group(1)
        if code in _ANSI:
            return _ANSI[code]
        if code[0] == "x":
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8))
        if code in "\\'\"?":
            return code
        raise Unsupported(f"$'\\{code}'", line)

    return re.sub(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", one, text, flags=re.S)


def closing(text: str, start: int, opener: str, closer: str, line: int) -> int:
    """Where the bracket before ``start`` is closed; quotes, comments and here-documents are skipped."""
    depth, i = 1, start
    while i < len(text):
        c = text[i]
        if c == "\\":
            i += 2
            continue
        if c == "'":
            i = text.index("'", i + 1)
        elif c == '"':
            i = _end_of_double(text, i + 1, line)
        elif c == "#" and opener == "(" and text[i - 1] in " \t\n;(":
            end = text.find("\n", i)
            i = len(text) if end < 0 else end
            continue
        elif c == "<" and opener == "(" and text[i : i + 3] != "<<<" and (found := _HEREDOC.match(text, i)):
            indent = "[ \\t]*" if found[1] else ""
            last = re.compile(rf"\n{indent}{found[3]}(?=\n|\)|$)").search(text, i)
            if last:
                i = last.end()
                continue
        elif c == "$" and text[i + 1 : i + 2] == "{" and opener != "{":
            i = closing(text, i + 2, "{", "}", line)
        elif c == opener:
            depth += 1
        elif c == closer:
            depth -= 1
            if depth == 0:
                return i
        i += 1
    raise Unsupported(f"a {opener} that is not closed", line)


def _end_of_double(text: str, i: int, line: int) -> int:
    while i < len(text):
        c = text[i]
        if c == "\\":
            i += 2
            continue
        if c == '"':
            return i
        if text.startswith("$(", i):
            i = closing(text, i + 2, "(", ")", line)
        elif text.startswith("${", i):
            i = closing(text, i + 2, "{", "}", line)
        i += 1
    raise Unsupported("a double quote that is not closed", line)


class Scanner:
    """Takes one source text apart.

    Args:
        inside: ``word`` (ordinary), ``document`` (a here-document's body) or ``quotes`` (within double quotes).
    """

    def __init__(self, text: str, line: int, inside: str = "word") -> None:
        self.text = text
        self.line = line
        self.inside = inside
        self.parts: list[Part] = []

    def scan(self) -> list[Part]:
        if self.inside == "word":
            self._word()
        else:
            self._quoted(0, len(self.text))
        return self.parts

    def _add(self, text: str, quoted: bool) -> None:
        last = self.parts[-1] if self.parts else None
        if isinstance(last, Text) and last.quoted == quoted:
            last.text += text
        else:
            self.parts.append(Text(text, quoted))

    def _word(self) -> None:
        text, i = self.text, 0
        while i < len(text):
            c = text[i]
            if c == "\\":
                if text[i + 1 : i + 2] != "\n":
                    self._add(text[i + 1 : i + 2], True)
                i += 2
            elif c == "'":
                end = text.index("'", i + 1)
                self._add(text[i + 1 : end], True)
                i = end + 1
            elif c == '"':
                end = _end_of_double(text, i + 1, self.line)
                self._add("", True)
                self._quoted(i + 1, end)
                i = end + 1
            elif text.startswith("$'", i):
                end = i + 2
                while text[end] != "'":
                    end += 2 if text[end] == "\\" else 1
                self._add(ansi(text[i + 2 : end], self.line), True)
                i = end + 1
            elif text.startswith("<(", i):
                end = closing(text, i + 2, "(", ")", self.line)
                self.parts.append(ProcessInput(text[i + 2 : end]))
                i = end + 1
            elif text.startswith(">(", i):
                raise Unsupported(">( )", self.line)
            elif c in "$`":
                i = self._dollar(i, False)
            else:
                self._add(c, False)
                i += 1

    def _quoted(self, i: int, end: int) -> None:
        text = self.text
        escapable = '$`"\\\n' if self.inside == "word" else "$`\\\n"
        if self.inside == "quotes":
            escapable += '"}'
        while i < end:
            c = text[i]
            if c == "\\" and i + 1 < end and text[i + 1] in escapable:
                if text[i + 1] != "\n":
                    self._add(text[i + 1], True)
                i += 2
            elif c in "$`":
                i = self._dollar(i, True)
            elif c == '"' and self.inside == "quotes":
                i += 1  # quotes within "${x:-"..."}" only group
            else:
                self._add(c, True)
                i += 1

    def _dollar(self, i: int, quoted: bool) -> int:
        text, line = self.text, self.line
        if text[i] == "`":
            raise Unsupported("`...` (write $(...))", line)
        if text.startswith("$((", i):
            end = closing(text, i + 3, "(", ")", line)
            if text[end + 1 : end + 2] == ")":
                self.parts.append(ArithmeticValue(text[i + 3 : end], quoted))
                return end + 2
        if text.startswith("$(", i):
            end = closing(text, i + 2, "(", ")", line)
            self.parts.append(CommandOutput(text[i + 2 : end], quoted))
            return end + 1
        if text.startswith("${", i):
            end = closing(text, i + 2, "{", "}", line)
            self.parts.append(self._braces(text[i + 2 : end], quoted))
            return end + 1
        rest = text[i + 1 :]
        if found := _NAME.match(rest):
            self.parts.append(Parameter(found[0], quoted))
            return i + 1 + found.end()
        if rest[:1] and rest[0] in _SPECIAL:
            self.parts.append(Parameter(rest[0], quoted))
            return i + 2
        self._add("$", quoted)
        return i + 1

    def _braces(self, body: str, quoted: bool) -> Parameter:
        prefix, rest = "", body
        if rest[:1] in ("#", "!") and len(rest) > 1:
            prefix, rest = rest[0], rest[1:]
        found = _NAME.match(rest) or re.match(r"[0-9]+|[@*#?$!-]", rest)
        if not found:
            raise Unsupported(f"${{{body}}}", self.line)
        parameter = Parameter(found[0], quoted, prefix=prefix)
        rest = rest[found.end() :]
        if rest.startswith("["):
            end = closing(rest, 1, "[", "]", self.line)
            parameter.index, rest = rest[1:end], rest[end + 1 :]
        if not rest:
            return parameter
        for operator in _OPERATORS:
            if rest.startswith(operator):
                if operator == "@" or prefix:
                    break
                parameter.operator, parameter.argument = operator, rest[len(operator) :]
                return parameter
        raise Unsupported(f"${{{body}}}", self.line)


@lru_cache(maxsize=8192)
def scan(text: str, line: int, inside: str = "word") -> tuple[Part, ...]:
    """The parts of a text, as `Scanner` finds them; what stands in a loop or a function is read once."""
    return tuple(Scanner(text, line, inside).scan())


def parts_of(word: Word) -> Sequence[Part]:
    """The parts of an ordinary word."""
    if re.search(r"(?<![$\\'\"])\{[^{}'\" ]*(,|\.\.)[^{}'\" ]*\}", word.raw) and not re.search(r"['\"]", word.raw):
        raise Unsupported(f"brace expansion in {word.raw}", word.line)
    return scan(word.raw, word.line)


def split_source(text: str, line: int) -> list[Word]:
    """Source text cut at unquoted white space, as for ``[ ... ]`` and ``[[ ... ]]``."""
    words: list[Word] = []
    i, start, at = 0, -1, line
    while i <= len(text):
        c = text[i] if i < len(text) else " "
        if c in " \t\n" or text.startswith("\\\n", i):
            if start >= 0:
                words.append(Word(text[start:i], at))
                start = -1
            at += c == "\n" or c == "\\"
            i += 2 if c == "\\" else 1
            continue
        if start < 0:
            start = i
        if c == "\\":
            i += 2
        elif c == "'":
            i = text.index("'", i + 1) + 1
        elif c == '"':
            i = _end_of_double(text, i + 1, line) + 1
        elif text.startswith(("$(", "${"), i):
            i = closing(text, i + 2, text[i + 1], ")" if text[i + 1] == "(" else "}", line) + 1
        else:
            i += 1
    return words


def word_end(text: str, i: int, line: int) -> int:
    """Where the word that begins at ``i`` ends: at unquoted white space or an operator."""
    start = i
    while i < len(text):
        c = text[i]
        if c in " \t\n;|&()" or (c in "<>" and not (i == start and text.startswith("<(", i))):
            return i
        if c == "\\":
            i += 2
        elif c == "'" or text.startswith("$'", i):
            i += 1 if c == "'" else 2
            while text[i] != "'":
                i += 2 if c == "$" and text[i] == "\\" else 1
            i += 1
        elif c == '"':
            i = _end_of_double(text, i + 1, line) + 1
        elif text.startswith(("$(", "${", "<("), i):
            i = closing(text, i + 2, text[i + 1], ")" if text[i + 1] == "(" else "}", line) + 1
        else:
            i += 1
    return i
