"""Scripts: from text to the tree of `syntax`, or a `ParseError` that names what was met.

The parser knows Windows PowerShell 5.1's grammar as far as the subset goes.  What 5.1 does not parse (``&&``, the
ternary, a try without catch) and what the subset leaves out (classes, traps, ``--%``) is refused by name.
"""

from __future__ import annotations

import re
from functools import lru_cache

from provision.rehearsal.powershell.parse_blocks import BlockParser
from provision.rehearsal.powershell.scan import ParseError
from provision.rehearsal.powershell.syntax import (
    Block,
    Body,
    Catch,
    DoLoop,
    Exit,
    For,
    ForEach,
    Function,
    If,
    Jump,
    Node,
    ParameterDeclaration,
    Return,
    Script,
    Statement,
    Switch,
    Throw,
    Try,
    While,
)

__all__ = ["ParseError", "parse"]

_REQUIRES = re.compile(r"^[ \t]*#requires[ \t]+-version[ \t]+(\d+)(?:\.(\d+))?", re.I | re.M)
_LEFT_OUT = frozenset(
    {"class", "enum", "workflow", "configuration", "data", "trap", "dynamicparam", "using", "parallel"}
)
_LOOPS = frozenset({"foreach", "for", "while", "do", "switch"})
_STRAY = frozenset({"else", "elseif", "catch", "finally", "until"})


class Parser(BlockParser):
    """Statements and blocks."""

    def script(self) -> Script:
        block = self.block_body("")
        self.blanks(newlines=True)
        if self.at < self.end:
            raise self.fail("parse-error", f"{self.peek()!r} closes nothing")
        requires: tuple[int, ...] = ()
        for found in _REQUIRES.finditer(self.text):
            requires = max(requires, (int(found.group(1)), int(found.group(2) or 0)))
        return Script(1, block, self.text, requires)

    def statements(self, closing: str) -> Body:
        found: list[Statement] = []
        while True:
            self._separators()
            if self.at >= self.end:
                if closing:
                    raise self.fail("parse-error", f"the closing {closing} is missing")
                return tuple(found)
            if closing and self.looking(closing):
                return tuple(found)
            if self.peek() in ")}":
                raise self.fail("parse-error", f"{self.peek()!r} closes nothing")
            statement = self.statement()
            found.append(statement)
            self.blanks()
            if self.at < self.end and self.peek() not in "\n;)}" and not self._may_follow(statement):
                raise self.fail("parse-error", f"unexpected {self.peek(20).splitlines()[0]!r} behind a statement")

    @staticmethod
    def _may_follow(statement: Statement) -> bool:
        """Statements that end with a brace need no separator behind them."""
        return isinstance(statement, (Function, If, ForEach, For, While, Switch, Try))

    def statement_value(self) -> Statement:
        return self.statement()

    def statement(self) -> Statement:
        label = ""
        found = re.compile(r":(\w+)\s+").match(self.text, self.at)
        if found:
            label = found.group(1)
            self.at = found.end()
        word = self.word()
        if word in _LEFT_OUT:
            raise self.fail(word, f"{word} is not in the subset", foreign=True)
        if word in _STRAY:
            raise self.fail("parse-error", f"a stray {word}")
        if word in ("if", "foreach", "for", "while", "do", "switch", "try", "function", "filter"):
            after = self.text[self.at + len(word) : self.at + len(word) + 1]
            if not after or after in " \t\r\n({":
                return self._compound(word, label)
        if word in ("throw", "return", "exit", "break", "continue"):
            return self._leave(word)
        return self.pipeline()

    def _compound(self, word: str, label: str) -> Statement:
        line = self.line()
        self.at += len(word)
        self.blanks(newlines=True)
        if word == "if":
            return self._if(line)
        if word == "foreach":
            return self._foreach(line, label)
        if word == "for":
            return self._for(line, label)
        if word == "while":
            condition = self._condition()
            return While(line, condition, self.braces(), label)
        if word == "do":
            return self._do(line, label)
        if word == "switch":
            return self._switch(line, label)
        if word == "try":
            return self._try(line)
        return self._function(line, word == "filter")

    def braces(self) -> Body:
        self.blanks(newlines=True)
        start = self.at
        self.expect("{")
        try:
            body = self.statements("}")
        except ParseError as error:
            if error.why.startswith("the closing }"):
                raise self.fail("parse-error", "the brace is not closed", start) from error
            raise
        self.expect("}")
        return body

    def _condition(self) -> Statement:
        self.blanks(newlines=True)
        self.expect("(")
        self.blanks(newlines=True)
        condition = self.pipeline()
        self.blanks(newlines=True)
        self.expect(")")
        return condition

    def _then(self, *words: str) -> str:
        """The word that follows, over line ends, when it is one of ``words``; it is taken."""
        mark = self.at
        self.blanks(newlines=True)
        word = self.word()
        if word in words:
            self.at += len(word)
            return word
        self.at = mark
        return ""

    def _if(self, line: int) -> If:
        condition = self._condition()
        clauses = [(condition, self.braces())]
        while word := self._then("elseif", "else"):
            if word == "else":
                return If(line, tuple(clauses), self.braces())
            condition = self._condition()
            clauses.append((condition, self.braces()))
        return If(line, tuple(clauses), None)

    def _foreach(self, line: int, label: str) -> ForEach:
        self.expect("(")
        self.blanks(newlines=True)
        variable = self.variable()
        if variable is None:
            raise self.fail("parse-error", "foreach needs a variable")
        self.blanks(newlines=True)
        if self.word() != "in":
            raise self.fail("parse-error", "foreach needs 'in'")
        self.at += 2
        self.blanks(newlines=True)
        items = self.pipeline()
        self.blanks(newlines=True)
        self.expect(")")
        return ForEach(line, variable, items, self.braces(), label)

    def _for(self, line: int, label: str) -> For:
        self.expect("(")
        parts: list[Statement | None] = []
        for end in (";", ";", ")"):
            self.blanks(newlines=True)
            parts.append(None if self.looking(end) else self.pipeline())
            self.blanks(newlines=True)
            self.expect(end)
        return For(line, parts[0], parts[1], parts[2], self.braces(), label)

    def _do(self, line: int, label: str) -> DoLoop:
        body = self.braces()
        word = self._then("while", "until")
        if not word:
            raise self.fail("parse-error", "do needs while or until")
        return DoLoop(line, body, self._condition(), word == "until", label)

    def _switch(self, line: int, label: str) -> Switch:
        kind, case = "exact", False
        while found := re.compile(r"-(\w+)\s*").match(self.text, self.at):
            option = found.group(1).lower()
            if option not in ("wildcard", "regex", "exact", "casesensitive"):
                raise self.fail(f"switch-{option}", f"switch -{option} is not in the subset", foreign=True)
            case = case or option == "casesensitive"
            kind = kind if option == "casesensitive" else option
            self.at = found.end()
        subject = self._condition()
        self.blanks(newlines=True)
        self.expect("{")
        clauses: list[tuple[Node | None, Body]] = []
        while True:
            self._separators()
            if self.take("}"):
                return Switch(line, subject, kind, case, tuple(clauses), label)
            if self.word() == "default":
                self.at += len("default")
                clauses.append((None, self.braces()))
                continue
            pattern = self._value()
            clauses.append((pattern, self.braces()))

    def _try(self, line: int) -> Try:
        body = self.braces()
        catches: list[Catch] = []
        last: Body | None = None
        while word := self._then("catch", "finally"):
            if word == "finally":
                last = self.braces()
                break
            here, types = self.line(), []
            self.blanks(newlines=True)
            while self.looking("["):
                types.append(self.type_name())
                self.blanks(newlines=True)
                self.take(",")
                self.blanks(newlines=True)
            catches.append(Catch(here, tuple(types), self.braces()))
        if not catches and last is None:
            raise self.fail("parse-error", "a try needs a catch or a finally")
        return Try(line, body, tuple(catches), last)

    def _function(self, line: int, is_filter: bool) -> Function:
        found = re.compile(r"[\w:.-]+").match(self.text, self.at)
        if not found or ":" in found.group():
            raise self.fail("parse-error" if not found else "scoped-function", "a function needs a plain name")
        self.at = found.end()
        self.blanks(newlines=True)
        parameters: tuple[ParameterDeclaration, ...] = ()
        if self.looking("("):
            parameters = self._parameters()
        self.blanks(newlines=True)
        self.expect("{")
        block = self.block_body("}", is_filter)
        self.expect("}")
        if parameters:
            block = Block(line, parameters, block.begin, block.process, block.end, self._advanced(parameters))
        return Function(line, found.group(), block, is_filter)

    def _leave(self, word: str) -> Statement:
        line = self.line()
        self.at += len(word)
        if word in ("break", "continue"):
            found = re.compile(r"[ \t]+([A-Za-z_]\w*)").match(self.text, self.at)
            if found:
                self.at = found.end()
            return Jump(line, word, found.group(1) if found else "")
        self.blanks()
        value = None if not self.peek() or self.peek() in "\n;)}" else self.pipeline()
        if word == "throw":
            return Throw(line, value)
        return Return(line, value) if word == "return" else Exit(line, value)


@lru_cache(maxsize=1024)
def parse(text: str) -> Script:
    """The tree of a script; cached by its text.

    Raises:
        ParseError: the first thing that does not parse.
    """
    return Parser(text.replace("\r\n", "\n")).script()
