"""Expansion of words: parameters, command output, arithmetic, splitting, file patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provision.rehearsal.shell import patterns
from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.arithmetic import BadExpression, evaluate
from provision.rehearsal.shell.variables import Variable
from provision.rehearsal.shell.words import parts_of, scan

if TYPE_CHECKING:
    from provision.rehearsal.shell.interpreter import Shell

Pieces = list[tuple[str, bool]]
_BLANK = " \t\n"


class ExpansionFailed(Exception):
    """An expansion that ends a non-interactive shell: an unset variable, ``${x:?}``, a bad expression."""


class Expander:
    """Expands the words of one shell."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    # -- entry points ---------------------------------------------------------------------------------------

    def fields(self, word: s.Word) -> list[str]:
        """The arguments that a word becomes: none, one or several."""
        made: list[str] = []
        for pieces in self._fields(parts_of(word), word.line):
            made += self._files(pieces)
        return made

    def text(self, word: s.Word) -> str:
        """One text without splitting: values of assignments, targets of redirections, ``case`` subjects."""
        return _join(self._unsplit(parts_of(word), word.line))

    def document(self, word: s.Word) -> str:
        """The body of a here-document."""
        return _join(self._unsplit(scan(word.raw, word.line, "document"), word.line))

    def pattern(self, word: s.Word) -> Pieces:
        """A pattern: what was quoted is literal."""
        return self._unsplit(parts_of(word), word.line)

    def number(self, text: str, line: int) -> int:
        """The value of an arithmetic expression."""
        expanded = _join(self._unsplit(scan(text, line, "quotes"), line)) if "$" in text else text
        try:
            return evaluate(expanded.replace('"', ""), self)
        except BadExpression as error:
            raise ExpansionFailed(str(error)) from None

    # -- arithmetic's variables -----------------------------------------------------------------------------

    def get(self, name: str, index: str | None) -> str:
        parameter = s.Parameter(name, True, index=index)
        values = self._values(parameter, 0)
        if values is None and self.shell.options["nounset"]:
            raise ExpansionFailed(f"{name}: unbound variable")
        return values[0] if values else ""

    def set(self, name: str, index: str | None, value: str) -> None:
        self.shell.assign(name, index, value)

    # -- splitting ------------------------------------------------------------------------------------------

    def _fields(self, parts: Sequence[s.Part], line: int) -> list[Pieces]:
        done: list[Pieces] = []
        current: Pieces = []
        started = False
        for position, part in enumerate(parts):
            if isinstance(part, s.Text):
                current.append((self._tilde(part, position), part.quoted))
                started = True
                continue
            if isinstance(part, s.Parameter) and self._is_list(part):
                values = self._list(part, line)
                for i, value in enumerate(values):
                    if i:
                        done.append(current)
                        current = []
                    current.append((value, True))
                    started = True
                if not values and part.quoted:
                    # "$@" without values leaves no field, unless something else stands in the word.
                    current = [piece for piece in current if piece[0]]
                    started = bool(current)
                continue
            if isinstance(part, s.Parameter) and not part.quoted and part.operator in _ALTERNATIVES:
                chosen = self._alternative(part, line)
                if chosen is not None:
                    inner = self._fields(scan(chosen, line), line)
                    for i, pieces in enumerate(inner):
                        if i:
                            done.append(current)
                            current = []
                        current += pieces
                        started = True
                    continue
            value = self._value(part, line)
            if part.quoted or isinstance(part, s.ProcessInput):
                current.append((value, True))
                started = True
                continue
            pieces_of, before, after = self._split(value)
            if before and started:
                done.append(current)
                current, started = [], False
            for i, piece in enumerate(pieces_of):
                if i:
                    done.append(current)
                    current = []
                current.append((piece, False))
                started = True
            if after and started:
                done.append(current)
                current, started = [], False
        if started:
            done.append(current)
        return done

    def _split(self, value: str) -> tuple[list[str], bool, bool]:
        """Fields of an unquoted value, and whether it began and ended with a separator."""
        separators = self.shell.variables.text("IFS")
        if separators is None:
            separators = _BLANK
        if not separators:
            return ([value] if value else []), False, False
        blank = "".join(c for c in separators if c in _BLANK)
        hard = "".join(c for c in separators if c not in _BLANK)
        trimmed = value.strip(blank) if blank else value
        before = value != (value.lstrip(blank) if blank else value)
        after = value != (value.rstrip(blank) if blank else value) and bool(trimmed)
        if not trimmed:
            return [], bool(value), False
        expression = (
            (rf"[{re.escape(blank)}]*[{re.escape(hard)}][{re.escape(blank)}]*|" if blank else rf"[{re.escape(hard)}]|")
            if hard
            else ""
        ) + (rf"[{re.escape(blank)}]+" if blank else "(?!)")
        pieces = re.split(expression, trimmed)
        if pieces and pieces[-1] == "":
            pieces, after = pieces[:-1], True
        return pieces, before, after

    def _files(self, pieces: Pieces) -> list[str]:
        text = _join(pieces)
        if not patterns.has_magic(pieces) or self.shell.options["noglob"]:
            return [text]
        found = self.shell.glob(pieces)
        if found:
            return found
        return [] if self.shell.options["nullglob"] else [text]

    def _unsplit(self, parts: Sequence[s.Part], line: int) -> Pieces:
        pieces: Pieces = []
        for position, part in enumerate(parts):
            if isinstance(part, s.Text):
                pieces.append((self._tilde(part, position), part.quoted))
            elif isinstance(part, s.Parameter) and self._is_list(part):
                pieces.append((" ".join(self._list(part, line)), part.quoted))
            elif isinstance(part, s.Parameter) and part.operator in _ALTERNATIVES:
                chosen = self._alternative(part, line)
                if chosen is None:
                    pieces.append((self._value(part, line), part.quoted))
                else:
                    inner = scan(chosen, line, "quotes" if part.quoted else "word")
                    pieces += self._unsplit(inner, line)
            else:
                pieces.append((self._value(part, line), part.quoted))
        return pieces

    def _tilde(self, part: s.Text, position: int) -> str:
        if position == 0 and not part.quoted and re.match(r"~(/|$)", part.text):
            return (self.shell.variables.text("HOME") or "/root") + part.text[1:]
        return part.text

    # -- values ---------------------------------------------------------------------------------------------

    def _value(self, part: s.Part, line: int) -> str:
        if isinstance(part, s.CommandOutput):
            return self.shell.command_output(part.source, line)
        if isinstance(part, s.ArithmeticValue):
            return str(self.number(part.text, line))
        if isinstance(part, s.ProcessInput):
            return self.shell.process_input(part.source, line)
        assert isinstance(part, s.Parameter)
        return self._parameter(part, line)

    @staticmethod
    def _is_list(part: s.Parameter) -> bool:
        """Whether it gives several fields: ``$@``, ``"${a[@]}"``, ``${!a[@]}`` (``*`` unquoted does the same)."""
        if part.prefix == "#" or (part.operator in _ALTERNATIVES and part.operator.endswith("+")):
            return False
        if part.name in "@*" and not part.prefix:
            return part.name == "@" or not part.quoted
        return part.index == "@" or (part.index == "*" and not part.quoted)

    def _list(self, part: s.Parameter, line: int) -> list[str]:
        values = self._all(part)
        if part.operator in (":-", "-") and not values:
            chosen = part.argument
            return [_join(p) for p in self._fields(scan(chosen, line, "quotes"), line)] if chosen else []
        if part.operator == ":":
            return self._slice(values, part.argument, line, base=1 if part.name == "@" else 0)
        if part.operator:
            values = [self._modified(value, part, line) for value in values]
        if part.quoted:
            return values
        return [piece for value in values for piece in self._split(value)[0]]

    def _all(self, part: s.Parameter) -> list[str]:
        if part.name in ("@", "*"):
            return list(self.shell.positional)
        variable = self.shell.variables.find(part.name)
        if variable is None:
            return []
        if part.prefix == "!":
            return [key for key, _ in variable.ordered()]
        return [value for _, value in variable.ordered()]

    def _values(self, part: s.Parameter, line: int) -> list[str] | None:
        """The values that a parameter stands for; None when it is not set."""
        if part.name in ("@", "*"):
            return list(self.shell.positional) or None
        special = self.shell.special(part.name, line)
        if special is not None:
            return [special]
        variable = self.shell.variables.find(part.name)
        if variable is None:
            return None
        if part.index in ("@", "*"):
            return [value for _, value in variable.ordered()] or None
        key = self.key(variable, part.index, line) if part.index is not None else "0"
        value = variable.values.get(key)
        return None if value is None else [value]

    def key(self, variable: Variable, index: str, line: int) -> str:
        """The key of a subscript: text for keyed arrays, a number for others."""
        if variable.kind == "keyed":
            return self.text(s.Word(index, line))
        number = self.number(index, line)
        if number < 0:
            number += max((int(k) for k in variable.values), default=-1) + 1
        return str(number)

    def _parameter(self, part: s.Parameter, line: int) -> str:
        if part.prefix == "#":
            return self._length(part, line)
        if part.prefix == "!" and part.index not in ("@", "*"):
            target = self._values(s.Parameter(part.name, True), line)
            if not target:
                raise ExpansionFailed(f"{part.name}: invalid indirect expansion")
            part = s.Parameter(target[0], part.quoted, operator=part.operator, argument=part.argument)
        values = self._all(part) if part.prefix == "!" else self._values(part, line)
        if part.operator in _ALTERNATIVES:
            chosen = self._alternative(part, line)
            if chosen is not None:
                return _join(self._unsplit(scan(chosen, line, "quotes" if part.quoted else "word"), line))
            if part.operator.endswith("+"):
                return ""
        elif (
            values is None and self.shell.options["nounset"] and part.name not in "@*" and part.index not in ("@", "*")
        ):
            name = part.name if part.index is None else f"{part.name}[{part.index}]"
            raise ExpansionFailed(f"{name}: unbound variable")
        separator = self.shell.variables.text("IFS")
        value = (" " if separator is None else separator[:1]).join(values or [])
        return value if part.operator in _ALTERNATIVES else self._modified(value, part, line)

    def _length(self, part: s.Parameter, line: int) -> str:
        if part.name in ("@", "*"):
            return str(len(self.shell.positional))
        if part.index in ("@", "*"):
            return str(len(self._values(part, line) or []))
        values = self._values(part, line)
        if values is None and self.shell.options["nounset"]:
            raise ExpansionFailed(f"{part.name}: unbound variable")
        return str(len(values[0])) if values else "0"

    def _alternative(self, part: s.Parameter, line: int) -> str | None:
        """The argument's source when ``:-`` and its like choose it; None when the value itself is meant."""
        plain = s.Parameter(part.name, part.quoted, index=part.index)
        values = self._values(plain, line)
        is_set = values is not None and not (part.operator.startswith(":") and "".join(values) == "")
        kind = part.operator[-1]
        if kind == "+":
            return part.argument if is_set else None
        if is_set:
            return None
        if kind == "-":
            return part.argument
        text = _join(self._unsplit(scan(part.argument, line, "quotes" if part.quoted else "word"), line))
        if kind == "=":
            self.shell.assign(part.name, part.index, text)
            return None
        raise ExpansionFailed(f"{part.name}: {text or 'parameter null or not set'}")

    def _modified(self, value: str, part: s.Parameter, line: int) -> str:
        operator = part.operator
        if not operator:
            return value
        if operator == ":":
            return self._substring(value, part.argument, line)
        if operator in ("%", "%%", "#", "##"):
            pattern = self._unsplit(scan(part.argument, line), line)
            return patterns.trim(value, pattern, operator)
        if operator in ("/", "//"):
            old, new = _cut_unquoted(part.argument, "/")
            pattern = self._unsplit(scan(old, line), line)
            by = _join(self._unsplit(scan(new, line), line))
            return patterns.replace(value, pattern, by, every=operator == "//")
        if part.argument:
            raise s.Unsupported(f"${{{part.name}{operator}{part.argument}}}", line)
        if operator in ("^^", ",,"):
            return value.upper() if operator == "^^" else value.lower()
        first = value[:1].upper() if operator == "^" else value[:1].lower()
        return first + value[1:]

    def _substring(self, value: str, argument: str, line: int) -> str:
        return "".join(self._slice(list(value), argument, line))

    def _slice(self, values: list[str], argument: str, line: int, base: int = 0) -> list[str]:
        start_text, colon, length_text = argument.partition(":")
        start = self.number(start_text, line)
        if base and start == 0:
            values, base = [self.shell.name, *values], 0
        start = start - base if start >= 0 else len(values) + start
        if start < 0:
            return []
        if not colon:
            return values[start:]
        length = self.number(length_text, line)
        end = start + length if length >= 0 else len(values) + length
        if end < start:
            raise ExpansionFailed(f"{length_text}: substring expression < 0")
        return values[start:end]


_ALTERNATIVES = (":-", "-", ":=", "=", ":+", "+", ":?", "?")


def _join(pieces: Pieces) -> str:
    return "".join(text for text, _ in pieces)


def _cut_unquoted(text: str, mark: str) -> tuple[str, str]:
    i, quote = 0, ""
    while i < len(text):
        c = text[i]
        if c == "\\" and quote != "'":
            i += 2
            continue
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c == mark and i:
            return text[:i], text[i + 1 :]
        elif text.startswith("${", i):
            i = text.find("}", i)
        i += 1
    return text, ""
