"""Scripts to trees: tree-sitter reads the structure, this module puts right what its grammar does otherwise than bash.

Differences that are mended here: a redirection belongs to the last command of a pipeline or list, ``!`` to the whole
pipeline, what follows a here-document's start on the same line to the statement around it; words are cut by
`parse_words`, because the grammar cuts some in two and leaves others out.  A script of which anything is left out is
refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import tree_sitter
import tree_sitter_bash

from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.parse_words import WordReader
from provision.rehearsal.shell.words import split_source

_LANGUAGE = tree_sitter.Language(tree_sitter_bash.language())
_SEPARATORS = {";", "\n", ";;", "comment"}
_Tree = tree_sitter.Node


@lru_cache(maxsize=4096)
def parse(text: str, first_line: int = 1) -> s.Sequence:
    """The tree of a script.

    Raises:
        Unsupported: the grammar cannot read it, or it uses a construct that the interpreter does not know.
    """
    return _Reader(text.encode(), first_line).program()


class _Reader(WordReader):
    """One script on its way from the grammar's tree to ours."""

    def program(self) -> s.Sequence:
        root = tree_sitter.Parser(_LANGUAGE).parse(self.source).root_node
        if root.has_error:
            raise s.Unsupported(f"a syntax error near {self._error(root)!r}", self.line(self._bad(root)))
        made = self.sequence(root.children)
        self._complete(root)
        return made

    def _complete(self, root: _Tree) -> None:
        """Nothing of the source may be missing from the tree.

        Raises:
            Unsupported: the grammar left something out, and so did we.
        """
        covered = bytearray(len(self.source))
        todo = [root]
        while todo:
            node = todo.pop()
            if not node.children or node.type in ("string", "heredoc_body", "expansion", "arithmetic_expansion"):
                covered[node.start_byte : node.end_byte] = b"\1" * (node.end_byte - node.start_byte)
            elif node.type == "heredoc_redirect":
                # The body's node may begin late; the body is taken from the source, the rest of the line is not.
                first = self.source.index(b"\n", node.children[0].end_byte)
                covered[first : node.end_byte] = b"\1" * (node.end_byte - first)
            todo += node.children
        for begin, end in self.read:
            covered[begin:end] = b"\1" * (end - begin)
        for at, byte in enumerate(self.source):
            if not covered[at] and byte not in b" \t\n\\;":
                line = self.plain.count("\n", 0, at) + self.first
                raise s.Unsupported(f"what the grammar leaves out: {self.plain[at : at + 20]!r}", line)

    def _bad(self, node: _Tree) -> _Tree:
        for child in node.children:
            if child.has_error or child.is_missing:
                return child if child.type == "ERROR" or child.is_missing else self._bad(child)
        return node

    def _error(self, node: _Tree) -> str:
        return self.text(self._bad(node))[:40]

    def sequence(self, nodes: Iterable[_Tree]) -> s.Sequence:
        made: list[tuple[s.Node, bool]] = []
        for node in nodes:
            if node.type in _SEPARATORS:
                continue
            if node.type == "&":
                made[-1] = (made[-1][0], True)
                continue
            if node.start_byte < self.consumed:
                raise s.Unsupported(f"what the grammar cuts in two near {self.text(node)[:40]!r}", self.line(node))
            made.append((self.statement(node), False))
        return s.Sequence(tuple(made))

    def statement(self, node: _Tree) -> s.Node:
        method = getattr(self, f"_{node.type}", None)
        if method is None:
            raise self.unknown(node)
        made: s.Node = method(node)
        return made

    # -- commands -------------------------------------------------------------------------------------------

    def _command(self, node: _Tree) -> s.Node:
        # The grammar gives the extent; words are cut here, because it sees two in `x=$a/$b.c` (tree-sitter-bash 0.25).
        assignments: list[s.Assignment] = []
        words: list[s.Word] = []
        redirects = [c for c in node.children if c.type.endswith("_redirect")]
        arrays = {
            c.start_byte: c for c in node.children if c.type == "variable_assignment" and c.children[-1].type == "array"
        }
        starts = {c.start_byte: c.end_byte for c in redirects}
        at = node.start_byte
        while (at := self.blanks(at)) < node.end_byte:
            if at in starts:
                at = max(starts[at], self.consumed)
            elif at in arrays:
                assignments.append(self.assignment(arrays[at]))
                at = arrays[at].end_byte
            else:
                word, at = self.word_at(at)
                assignment = None if words else self.assigned(word)
                if assignment is None:
                    words.append(word)
                else:
                    assignments.append(assignment)
        return self.redirected(s.Simple(tuple(assignments), tuple(words), self.line(node)), redirects)

    def _variable_assignment(self, node: _Tree) -> s.Node:
        return s.Simple((self.assignment(node),), (), self.line(node))

    def _variable_assignments(self, node: _Tree) -> s.Node:
        return s.Simple(tuple(self.assignment(c) for c in node.named_children), (), self.line(node))

    def _declaration_command(self, node: _Tree) -> s.Node:
        words: list[s.Word | s.Assignment] = []
        for child in node.children:
            if child.type == "variable_assignment":
                words.append(self.assignment(child))
            else:
                if child.start_byte < self.consumed:
                    continue  # the end of a word that the grammar cut in two
                words.append(self.word_at(child.start_byte)[0])
        return s.Simple((), tuple(words), self.line(node))

    def _unset_command(self, node: _Tree) -> s.Node:
        return s.Simple((), self.words(node.children), self.line(node))

    def _test_command(self, node: _Tree) -> s.Node:
        opener = self.text(node.children[0])
        if opener == "((":
            return s.Arithmetic(self.text(node)[2:-2], self.line(node))
        line = self.line(node)
        if opener == "[[":
            return s.Condition(tuple(split_source(self.text(node)[2:-2], line)), line)
        return s.Simple((), (s.Word("[", line), *split_source(self.text(node)[1:], line)), line)

    def _negated_command(self, node: _Tree) -> s.Node:
        return s.Pipeline((self.statement(node.children[1]),), True, self.line(node))

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
        return s.Pipeline(tuple(parts), negated, self.line(node))

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
        inner: s.Node = self.statement(body) if body else s.Simple((), (), self.line(node))
        # The grammar drops words right before a here-document (`cat - <<EOF`) and behind redirections.
        words: list[s.Word] = []
        starts = {c.start_byte: c for c in redirects}
        at = max(body.end_byte, self.consumed) if body else node.start_byte
        while (at := self.blanks(at)) < node.end_byte and self.plain[at] != "\n":
            if at in starts:
                if starts[at].type == "heredoc_redirect":
                    break
                before = self.consumed
                self.redirect(starts[at])
                # The grammar takes `> file word` for one redirection.
                at = self.consumed if self.consumed > before else starts[at].end_byte
            else:
                word, at = self.word_at(at)
                words.append(word)
        if words:
            inner = self._more_words(inner, tuple(words))
        return self.redirected(inner, redirects)

    def _more_words(self, node: s.Node, words: tuple[s.Word, ...]) -> s.Node:
        if isinstance(node, s.Simple):
            return replace(node, words=(*node.words, *words))
        if isinstance(node, s.Pipeline):
            return replace(node, parts=(*node.parts[:-1], self._more_words(node.parts[-1], words)))
        if isinstance(node, s.AndOr):
            operator, last = node.rest[-1]
            return replace(node, rest=(*node.rest[:-1], (operator, self._more_words(last, words))))
        raise s.Unsupported(f"{words[0].raw} behind a compound command", words[0].line)

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
                statement = self._pipe(statement, parts, self.line(node))
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
        sign = next(c for c in node.children if not c.is_named)
        operator = sign.type
        if operator in ("<&-", ">&-"):
            target = s.Word("-", self.line(node))
            operator = operator[:2]
        else:
            target, _ = self.word_at(self.blanks(sign.end_byte))
        if operator == "<<<":
            return s.Redirect(0, "<<<", target)
        fd = int(self.text(descriptor)) if descriptor else (0 if operator.startswith("<") else 1)
        return s.Redirect(fd, operator, target)

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
        return s.Redirect(0, "<<", s.Word(body, self.line(node) + 1), literal), more, rest

    # -- compound commands ----------------------------------------------------------------------------------

    def _compound_statement(self, node: _Tree) -> s.Node:
        if node.children[0].type == "((":
            return s.Arithmetic(self.text(node)[2:-2], self.line(node))
        return s.Group(self.sequence(node.children[1:-1]))

    def _do_group(self, node: _Tree) -> s.Sequence:
        return self.sequence(node.children[1:-1])

    def _subshell(self, node: _Tree) -> s.Node:
        return s.Subshell(self.sequence(node.children[1:-1]), self.line(node))

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
        values = self.listed(node.children_by_field_name("value")) if has_in else None
        return s.For(self.text(name), values, self._do_group(body))

    def _c_style_for_statement(self, node: _Tree) -> s.Node:
        body = node.child_by_field_name("body")
        assert body is not None
        opening = next(c for c in node.children if c.type == "((")
        ending = next(c for c in node.children if c.type == "))")
        parts = self.source[opening.end_byte : ending.start_byte].decode().split(";")
        if len(parts) != 3 or body.type != "do_group":
            raise self.unknown(node)
        return s.CountingFor(parts[0], parts[1], parts[2], self._do_group(body), self.line(node))

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
