"""Scripts to trees: tree-sitter reads the structure, this module puts right what its grammar groups otherwise than bash.

Differences that are mended here: a redirection belongs to the last command of a pipeline or list, ``!`` to the whole
pipeline, and what follows a here-document's start on the same line to the statement around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import tree_sitter
import tree_sitter_bash

from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.words import split_source

_LANGUAGE = tree_sitter.Language(tree_sitter_bash.language())
_SEPARATORS = {";", "\n", ";;", "comment"}
_Tree = tree_sitter.Node


@lru_cache(maxsize=256)
def parse(text: str, first_line: int = 1) -> s.Sequence:
    """The tree of a script.

    Raises:
        Unsupported: the grammar cannot read it, or it uses a construct that the interpreter does not know.
    """
    return _Reader(text.encode(), first_line).program()


class _Reader:
    def __init__(self, source: bytes, first_line: int) -> None:
        self.source = source
        self.first = first_line

    def program(self) -> s.Sequence:
        # The grammar wants a last line end behind a here-document.
        if not self.source.endswith(b"\n"):
            self.source += b"\n"
        root = tree_sitter.Parser(_LANGUAGE).parse(self.source).root_node
        if root.has_error:
            raise s.Unsupported(f"a syntax error near {self._error(root)!r}", self._line(self._bad(root)))
        return self.sequence(root.children)

    def _bad(self, node: _Tree) -> _Tree:
        for child in node.children:
            if child.has_error or child.is_missing:
                return child if child.type == "ERROR" or child.is_missing else self._bad(child)
        return node

    def _error(self, node: _Tree) -> str:
        return self.text(self._bad(node))[:40]

    def _line(self, node: _Tree) -> int:
        return node.start_point[0] + self.first

    def text(self, node: _Tree) -> str:
        return self.source[node.start_byte : node.end_byte].decode()

    def word(self, node: _Tree) -> s.Word:
        return s.Word(self.text(node), self._line(node))

    def unknown(self, node: _Tree) -> s.Unsupported:
        return s.Unsupported(f"{node.type} {self.text(node)[:40]!r}", self._line(node))

    def sequence(self, nodes: Iterable[_Tree]) -> s.Sequence:
        made: list[tuple[s.Node, bool]] = []
        for node in nodes:
            if node.type in _SEPARATORS:
                continue
            if node.type == "&":
                made[-1] = (made[-1][0], True)
                continue
            made.append((self.statement(node), False))
        return s.Sequence(tuple(made))

    def words(self, nodes: Iterable[_Tree]) -> tuple[s.Word, ...]:
        """Words, joined where the grammar cut one in two."""
        spans: list[tuple[int, int, int]] = []
        for node in nodes:
            if spans and spans[-1][1] == node.start_byte:
                spans[-1] = (spans[-1][0], node.end_byte, spans[-1][2])
            else:
                spans.append((node.start_byte, node.end_byte, self._line(node)))
        return tuple(s.Word(self.source[a:b].decode(), line) for a, b, line in spans)

    def statement(self, node: _Tree) -> s.Node:
        method = getattr(self, f"_{node.type}", None)
        if method is None:
            raise self.unknown(node)
        made: s.Node = method(node)
        return made

    # -- commands -------------------------------------------------------------------------------------------

    def _command(self, node: _Tree) -> s.Node:
        assignments = [c for c in node.children if c.type == "variable_assignment"]
        redirects = [c for c in node.children if c.type.endswith("_redirect")]
        rest = [c for c in node.children if c not in assignments and c not in redirects]
        simple = s.Simple(tuple(map(self.assignment, assignments)), self.words(rest), self._line(node))
        return self.redirected(simple, redirects)

    def _variable_assignment(self, node: _Tree) -> s.Node:
        return s.Simple((self.assignment(node),), (), self._line(node))

    def _variable_assignments(self, node: _Tree) -> s.Node:
        return s.Simple(tuple(self.assignment(c) for c in node.named_children), (), self._line(node))

    def _declaration_command(self, node: _Tree) -> s.Node:
        words: list[s.Word | s.Assignment] = []
        for child in node.children:
            if child.type == "variable_assignment":
                words.append(self.assignment(child))
            else:
                words.append(self.word(child))
        return s.Simple((), tuple(words), self._line(node))

    def _unset_command(self, node: _Tree) -> s.Node:
        return s.Simple((), self.words(node.children), self._line(node))

    def assignment(self, node: _Tree) -> s.Assignment:
        target, operator, *value = node.children
        name, index = target, None
        if target.type == "subscript":
            name = target.children[0]
            index = s.Word(self.source[name.end_byte + 1 : target.end_byte - 1].decode(), self._line(node))
        given: s.Word | tuple[s.Word, ...]
        if value and value[0].type == "array":
            given = self.words([c for c in value[0].children[1:-1] if c.type != "comment"])
        else:
            given = s.Word(self.source[operator.end_byte : node.end_byte].decode(), self._line(node))
        return s.Assignment(self.text(name), index, operator.type == "+=", given, self._line(node))

    def _test_command(self, node: _Tree) -> s.Node:
        opener = self.text(node.children[0])
        if opener == "((":
            return s.Arithmetic(self.text(node)[2:-2], self._line(node))
        line = self._line(node)
        if opener == "[[":
            return s.Condition(tuple(split_source(self.text(node)[2:-2], line)), line)
        return s.Simple((), (s.Word("[", line), *split_source(self.text(node)[1:], line)), line)

    def _negated_command(self, node: _Tree) -> s.Node:
        return s.Pipeline((self.statement(node.children[1]),), True, self._line(node))

    def _pipeline(self, node: _Tree) -> s.Node:
        parts: list[s.Node] = []
        negated = False
        for child in node.children:
            if child.type == "|&":
                raise self.unknown(child)
            if child.type == "|" or child.type in _SEPARATORS:
                continue
            if child.type == "negated_command" and not parts:
                negated, child = True, child.children[1]
            part = self.statement(child)
            parts += part.parts if isinstance(part, s.Pipeline) and not part.negated else (part,)
        return s.Pipeline(tuple(parts), negated, self._line(node))

    def _list(self, node: _Tree) -> s.Node:
        left, operator, right = [c for c in node.children if c.type not in _SEPARATORS]
        return self._joined(self.statement(left), operator.type, self.statement(right))

    def _joined(self, left: s.Node, operator: str, right: s.Node) -> s.Node:
        if isinstance(right, s.AndOr):
            return self._chain(self._joined(left, operator, right.first), right.rest)
        if isinstance(left, s.AndOr):
            return replace(left, rest=(*left.rest, (operator, right)))
        return s.AndOr(left, ((operator, right),))

    def _chain(self, left: s.Node, rest: tuple[tuple[str, s.Node], ...]) -> s.Node:
        for operator, node in rest:
            left = self._joined(left, operator, node)
        return left

    # -- redirections ---------------------------------------------------------------------------------------

    def _redirected_statement(self, node: _Tree) -> s.Node:
        body = node.child_by_field_name("body")
        redirects = [c for c in node.children if c.type.endswith("_redirect")]
        inner: s.Node = self.statement(body) if body else s.Simple((), (), self._line(node))
        return self.redirected(inner, redirects)

    def redirected(self, inner: s.Node, nodes: list[_Tree]) -> s.Node:
        made: list[s.Redirect] = []
        behind: list[_Tree] = []
        for node in nodes:
            if node.type == "heredoc_redirect":
                redirect, more, rest = self.document(node)
                made += [redirect, *more]
                behind += rest
            else:
                made.append(self.redirect(node))
        statement = self._attach(inner, tuple(made)) if made else inner
        return self._follow(statement, behind)

    def _attach(self, node: s.Node, redirects: tuple[s.Redirect, ...]) -> s.Node:
        if isinstance(node, s.Pipeline):
            return replace(node, parts=(*node.parts[:-1], self._attach(node.parts[-1], redirects)))
        if isinstance(node, s.AndOr):
            operator, last = node.rest[-1]
            return replace(node, rest=(*node.rest[:-1], (operator, self._attach(last, redirects))))
        if isinstance(node, s.Function | s.Sequence):
            raise s.Unsupported("a redirection of this", redirects[0].target.line)
        return replace(node, redirects=(*node.redirects, *redirects))

    def _follow(self, statement: s.Node, behind: list[_Tree]) -> s.Node:
        """What stood behind ``<<EOF`` on its line: ``| command``, ``&& command``, ``|| command``."""
        i = 0
        while i < len(behind):
            node = behind[i]
            if node.type == "pipeline":
                parts = [self.statement(c) for c in node.children if c.type != "|"]
                statement = self._pipe(statement, parts, self._line(node))
                i += 1
            elif node.type in ("&&", "||"):
                statement = self._joined(statement, node.type, self.statement(behind[i + 1]))
                i += 2
            else:
                raise self.unknown(node)
        return statement

    def _pipe(self, statement: s.Node, parts: list[s.Node], line: int) -> s.Node:
        first = statement.parts if isinstance(statement, s.Pipeline) else (statement,)
        if isinstance(statement, s.AndOr):
            raise s.Unsupported("a pipe behind a here-document in a list", line)
        return s.Pipeline((*first, *parts), isinstance(statement, s.Pipeline) and statement.negated, line)

    def redirect(self, node: _Tree) -> s.Redirect:
        descriptor = node.child_by_field_name("descriptor")
        if node.type == "herestring_redirect":
            return s.Redirect(0, "<<<", self.words(node.children[1:])[0])
        operators = [c for c in node.children if not c.is_named]
        operator = operators[0].type
        targets = self.words(c for c in node.children if c.is_named and c != descriptor)
        if len(targets) != 1:
            if operator in ("<&-", ">&-"):
                targets = (s.Word("-", self._line(node)),)
                operator = operator[:2]
            else:
                raise self.unknown(node)
        fd = int(self.text(descriptor)) if descriptor else (0 if operator.startswith("<") else 1)
        return s.Redirect(fd, operator, targets[0])

    def document(self, node: _Tree) -> tuple[s.Redirect, list[s.Redirect], list[_Tree]]:
        start = next(c for c in node.children if c.type == "heredoc_start")
        end = next(c for c in node.children if c.type == "heredoc_end")
        operator = node.children[0].type if node.children[0].type.startswith("<<") else node.children[1].type
        first = self.source.index(b"\n", start.end_byte) + 1
        delimiter = self.text(start)
        # The end's node may or may not include the indentation before it.
        body = self.source[first : end.start_byte].decode()
        body = body[: body.rfind("\n") + 1]
        if operator == "<<-":
            body = re.sub(r"^\t+", "", body, flags=re.M)
        known = ("<<", "<<-", "heredoc_start", "heredoc_body", "heredoc_end", "file_descriptor")
        more = [self.redirect(c) for c in node.children if c.type in ("file_redirect", "herestring_redirect")]
        rest = [c for c in node.children if c.type not in known and not c.type.endswith("_redirect")]
        literal = delimiter[:1] in "'\"\\"
        return s.Redirect(0, "<<", s.Word(body, self._line(node) + 1), literal), more, rest

    # -- compound commands ----------------------------------------------------------------------------------

    def _compound_statement(self, node: _Tree) -> s.Node:
        if node.children[0].type == "((":
            return s.Arithmetic(self.text(node)[2:-2], self._line(node))
        return s.Group(self.sequence(node.children[1:-1]))

    def _do_group(self, node: _Tree) -> s.Sequence:
        return self.sequence(node.children[1:-1])

    def _subshell(self, node: _Tree) -> s.Node:
        return s.Subshell(self.sequence(node.children[1:-1]), self._line(node))

    def _if_statement(self, node: _Tree) -> s.Node:
        branches = [self._branch(node)]
        otherwise = None
        for child in node.children:
            if child.type == "elif_clause":
                branches.append(self._branch(child))
            elif child.type == "else_clause":
                otherwise = self.sequence(child.children[1:])
        return s.If(tuple(branches), otherwise)

    def _branch(self, node: _Tree) -> tuple[s.Sequence, s.Sequence]:
        children = node.children[1:]
        then = next(i for i, c in enumerate(children) if c.type == "then")
        body = [c for c in children[then + 1 :] if c.type not in ("elif_clause", "else_clause", "fi")]
        return self.sequence(children[:then]), self.sequence(body)

    def _while_statement(self, node: _Tree) -> s.Node:
        condition = self.sequence(node.children[1:-1])
        return s.Loop(condition, self._do_group(node.children[-1]), node.children[0].type == "until")

    def _for_statement(self, node: _Tree) -> s.Node:
        if node.children[0].type != "for":
            raise self.unknown(node)
        body = node.child_by_field_name("body")
        name = node.child_by_field_name("variable")
        assert body is not None and name is not None
        has_in = any(c.type == "in" for c in node.children)
        values = self.words(node.children_by_field_name("value")) if has_in else None
        return s.For(self.text(name), values, self._do_group(body))

    def _c_style_for_statement(self, node: _Tree) -> s.Node:
        body = node.child_by_field_name("body")
        assert body is not None
        opening = next(c for c in node.children if c.type == "((")
        ending = next(c for c in node.children if c.type == "))")
        parts = self.source[opening.end_byte : ending.start_byte].decode().split(";")
        if len(parts) != 3 or body.type != "do_group":
            raise self.unknown(node)
        return s.CountingFor(parts[0], parts[1], parts[2], self._do_group(body), self._line(node))

    def _case_statement(self, node: _Tree) -> s.Node:
        subject = node.child_by_field_name("value")
        assert subject is not None
        items = []
        for item in (c for c in node.children if c.type == "case_item"):
            close = next(i for i, c in enumerate(item.children) if c.type == ")")
            if any(c.type in (";&", ";;&") for c in item.children):
                raise self.unknown(item)
            patterns: list[s.Word] = []
            group: list[_Tree] = []
            for child in [*item.children[:close], item.children[close]]:
                if child.type in ("|", ")"):
                    patterns += self.words(group)
                    group = []
                elif child.type != "(":
                    group.append(child)
            items.append((tuple(patterns), self.sequence(item.children[close + 1 :])))
        return s.Case(self.word(subject), tuple(items))

    def _function_definition(self, node: _Tree) -> s.Node:
        name = node.child_by_field_name("name")
        body = node.child_by_field_name("body")
        assert name is not None and body is not None
        inner = self.statement(body)
        redirects = [c for c in node.children if c.type.endswith("_redirect")]
        return s.Function(self.text(name), self.redirected(inner, redirects))
