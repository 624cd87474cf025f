"""Commands: bare words, parameters, arguments, redirections, pipelines."""

from __future__ import annotations

import re

from provision.rehearsal.powershell.parse_expressions import ExpressionParser
from provision.rehearsal.powershell.scan import number
from provision.rehearsal.powershell.syntax import (
    ArrayLiteral,
    Assign,
    Command,
    Const,
    Expand,
    ExpressionElement,
    Node,
    Parameter,
    Pipeline,
    Redirect,
    Splat,
    Statement,
)

_REDIRECT = re.compile(r"([1-6*])?>(?:&1|(>)?)")
_PARAMETER = re.compile(r"-([A-Za-z_?][^\s{}();,|&.\[:'\"]*)(:)?")
_PARAMETER_QUOTED = re.compile(r"-[A-Za-z_?][^\s{}();,|&.\[:'\"]*['\"]")
_ASSIGN = re.compile(r"(?:[-+*/%]|\?\?)?=(?!=)")
_WORD_END = " \t\r\n\f\v{}();,|&"
_EXPRESSION_START = "$'\"(@{[!,"
_VARIABLE_PATH = re.compile(r"\$(?:[\w:]+|\{[^}]+\})[/\\]")
_CALL_DOT = re.compile(r"\.(?=[\s'\"$({&])")


class CommandParser(ExpressionParser):
    """What stands between two separators: an assignment, or a pipeline of commands and expressions."""

    def pipeline(self) -> Statement:
        line = self.line()
        if not self._starts_expression():
            return self._pipeline_from(line, self._command())
        target = self.expression()
        mark = self.at
        self.blanks()
        operator = _ASSIGN.match(self.text, self.at)
        if operator:
            if operator.group() == "??=":
                raise self.fail("null-coalescing", "?? is not in Windows PowerShell 5.1")
            self.at = operator.end()
            self.blanks(newlines=True)
            if not self.peek() or self.peek() in ";)}":
                raise self.fail("parse-error", "nothing stands behind the equals sign")
            return Assign(line, target, operator.group(), self.statement_value())
        self.at = mark
        return self._pipeline_from(line, ExpressionElement(line, target, self._redirects()))

    def _pipeline_from(self, line: int, first: Command | ExpressionElement) -> Pipeline:
        elements = [first]
        while True:
            mark = self.at
            self.blanks()
            if self.peek(2) in ("&&", "||"):
                raise self.fail("pipeline-chain", f"{self.peek(2)} is not in Windows PowerShell 5.1")
            if self.looking("?") and isinstance(first, ExpressionElement):
                second = self.peek(2)
                if second == "??":
                    raise self.fail("null-coalescing", "?? is not in Windows PowerShell 5.1")
                if second == "?.":
                    raise self.fail("null-conditional", "?. is not in Windows PowerShell 5.1")
                raise self.fail("ternary", "the ternary operator is not in Windows PowerShell 5.1")
            if not self.take("|"):
                self.at = mark
                return Pipeline(line, tuple(elements))
            self.blanks(newlines=True)
            if self._starts_expression():
                raise self.fail("parse-error", "an expression may stand only first in a pipeline")
            elements.append(self._command())

    def _starts_expression(self) -> bool:
        c = self.peek()
        if not c or c in _EXPRESSION_START:
            return True
        if c in "+-":
            if re.match(r"(\+\+|--)[\s$(]", self.peek(3)) or re.match(r"[+-][\d$(.]", self.peek(2)):
                return True
            found = re.compile(r"-(not|bnot|c?split|isplit|join)(?![\w-])", re.I).match(self.text, self.at)
            return bool(found)
        if c.isdigit() or (c == "." and self.text[self.at + 1 : self.at + 2].isdigit()):
            word = re.compile(r"[^\s{}();,|&+*/%\]]+").match(self.text, self.at)
            literal = word.group() if word else ""
            literal = literal.split("..")[0].split("-")[0] or literal
            return number(literal) is not None or (number(literal.split(".")[0]) is not None and ".." in literal)
        return False

    def _command(self) -> Command:
        line, call = self.line(), ""
        if self.take("&"):
            call = "&"
            self.blanks()
        elif _CALL_DOT.match(self.text, self.at):
            call = "."
            self.at += 1
            self.blanks()
        name = self._command_name(call)
        tight = self.looking("(")
        arguments: list[Node] = []
        redirects: list[Redirect] = []
        while True:
            before = self.at
            self.blanks()
            c = self.peek()
            if not c or c in "\n;|)}":
                self.at = before if not c or c == "\n" else self.at
                return Command(line, name, call, tuple(arguments), tuple(redirects), tight)
            if c == "&":
                if self.looking("&&"):
                    raise self.fail("pipeline-chain", "&& is not in Windows PowerShell 5.1")
                raise self.fail("parse-error", "an ampersand inside a command: quote it")
            redirect = self._redirect()
            if redirect:
                redirects.append(redirect)
            else:
                arguments.append(self._argument())

    def _command_name(self, call: str) -> Node:
        c = self.peek()
        if call and _VARIABLE_PATH.match(self.text, self.at):
            return self._argument()  # & $env:SystemRoot/x.exe is one word, as an argument would be
        if call and c and c in "$'\"({@":
            return self.postfix(self.primary())
        if not c or c in _WORD_END:
            raise self.fail("parse-error", f"a command is missing before {self.peek(10)!r}")
        return self._word()

    def _argument(self) -> Node:
        line = self.line()
        if self.looking("--%"):
            raise self.fail("stop-parsing", "--% swallows the rest of the line; quote the argument", foreign=True)
        found = _PARAMETER.match(self.text, self.at)
        if found and not _PARAMETER_QUOTED.match(self.text, self.at):
            self.at = found.end()
            return self._parameter(line, found)
        splat = re.compile(r"@([A-Za-z_]\w*)").match(self.text, self.at)
        if splat:
            self.at = splat.end()
            return Splat(line, splat.group(1))
        return self._list()

    def _parameter(self, line: int, found: re.Match[str]) -> Parameter:
        name, colon = found.group(1), found.group(2)
        if not colon:
            if self.looking(".") and not self.looking(".\n"):
                why = f"-{name} ends at its first dot and what follows is another argument: quote the word"
                raise self.fail("single-dash-dot", why, foreign=True)
            if self.peek() in ("(", "{"):
                raise self.fail("bare-parentheses", f"-{name} ends at the bracket: quote the word", foreign=True)
            return Parameter(line, name, "-" + name)
        before = self.at
        self.blanks()
        if not self.peek() or self.peek() in "\n;|)}":
            return Parameter(line, name, f"-{name}:")
        return Parameter(line, name, f"-{name}:", self._list(), self.at > before and self.text[before] in " \t`")

    def _list(self) -> Node:
        """One argument, or several with commas between them."""
        line = self.line()
        items = [self._value(), *self.after_commas(self._value)]
        return items[0] if len(items) == 1 else ArrayLiteral(line, tuple(items))

    def _value(self) -> Node:
        c = self.peek()
        if c == "$" and self._plain_variable():
            return self.postfix(self.primary())
        if c in ("'", '"', "(", "{") or self.peek(2) in ("@(", "@{", "@'", '@"', "$("):
            return self.postfix(self.primary())
        if not c or c in _WORD_END:
            raise self.fail("parse-error", f"an argument is missing before {self.peek(10)!r}")
        word = self._word()
        if self.looking("("):
            raise self.fail("bare-parentheses", "bare parentheses run what is in them: quote the word", foreign=True)
        if self.looking("{"):
            raise self.fail("bare-braces", "bare braces are a script block: quote the word", foreign=True)
        return word

    def _plain_variable(self) -> bool:
        """Whether the variable here is the whole argument, and not the beginning of a longer word."""
        mark = self.at
        variable = self.variable()
        following = self.peek()
        self.at = mark
        return variable is not None and (not following or following in _WORD_END + ".[:" or self._steps(variable.name))

    def _steps(self, name: str) -> bool:
        return self.text.startswith(("++", "--"), self.at + 1 + len(name))

    def _word(self) -> Node:
        """A bare word: quotes inside it join, variables and ``$( )`` expand."""
        line, start = self.line(), self.at
        parts: list[str | Node] = []
        dashed = self.looking("-") and not self.looking("--")
        while self.at < self.end:
            c = self.text[self.at]
            if c in _WORD_END:
                break
            if c == "`" and self.text[self.at + 1 : self.at + 2] in ("\n", "\r"):
                break
            if c == "'":
                parts.append(str(self.single_quoted().value))
            elif c in '"':
                inner = self.double_quoted()
                parts += inner.parts if isinstance(inner, Expand) else [str(getattr(inner, "value", ""))]
            elif c in "$`" and not (c == "$" and dashed):
                self.text_part(parts, "$`")
            else:
                parts.append(c)
                self.at += 1
        source = self.text[start : self.at]
        if not source:
            raise self.fail("parse-error", f"a word is missing before {self.peek(10)!r}")
        node = self._text(line, parts, source)
        if isinstance(node, Expand):
            return Expand(line, node.parts, True, source)
        value = node.value if isinstance(node, Const) else source
        literal = None if source.startswith("-") else number(source)
        return Const(line, value if literal is None else literal, source, True)

    def _redirects(self) -> tuple[Redirect, ...]:
        found: list[Redirect] = []
        while True:
            mark = self.at
            self.blanks()
            redirect = self._redirect()
            if redirect is None:
                self.at = mark
                return tuple(found)
            found.append(redirect)

    def _redirect(self) -> Redirect | None:
        line = self.line()
        if self.looking("<") and not self.looking("<#"):
            raise self.fail("parse-error", "< is reserved: quote it")
        found = _REDIRECT.match(self.text, self.at)
        if not found:
            return None
        self.at = found.end()
        stream = found.group(1) or "1"
        if found.group().endswith("&1"):
            return Redirect(line, stream, None)
        self.blanks()
        return Redirect(line, stream, self._value(), bool(found.group(2)))
