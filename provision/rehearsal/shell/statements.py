"""Compound commands: lists, conditions, loops, functions; and when a failure ends the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from provision.rehearsal.shell import conditions, patterns
from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.control import BreakLoop, ExitShell, Killed, RedirectFailed
from provision.rehearsal.shell.expand import ExpansionFailed
from provision.rehearsal.shell.redirects import Redirecting


class Statements(Redirecting):
    """A shell that runs what is made of other commands; those themselves are the subclass's."""

    def run(self, node: s.Node) -> int:
        """Run one node; the result is also ``$?``."""
        if self.box.killed.is_set():
            raise Killed
        method: Callable[[s.Node], int] = getattr(self, f"_{type(node).__name__.lower()}")
        redirects: tuple[s.Redirect, ...] = getattr(node, "redirects", ())
        if redirects and not isinstance(node, s.Simple):
            try:
                with self.redirected(redirects):
                    self.status = method(node)
            except RedirectFailed as error:
                self.complain(str(error))
                self.status = 1
                self.failed(1)
        else:
            self.status = method(node)
        return self.status

    def failed(self, code: int) -> int:
        """errexit: a failure that nobody asked about ends the shell."""
        if code and self.options["errexit"] and not self.tested:
            self.status = code
            raise ExitShell(code)
        return code

    @contextmanager
    def testing(self) -> Iterator[None]:
        """Failures inside are answers."""
        self.tested += 1
        try:
            yield
        finally:
            self.tested -= 1

    def _andor(self, node: s.AndOr) -> int:
        with self.testing():
            code = self.run(node.first)
        for position, (operator, part) in enumerate(node.rest):
            if (operator == "&&") != (code == 0):
                continue
            if position == len(node.rest) - 1:
                return self.run(part)
            with self.testing():
                code = self.run(part)
        return code

    def _group(self, node: s.Group) -> int:
        return self.run(node.body)

    def _if(self, node: s.If) -> int:
        for condition, body in node.branches:
            with self.testing():
                code = self.run(condition)
            if code == 0:
                return self.run(body)
        return self.run(node.otherwise) if node.otherwise else 0

    def _loop(self, node: s.Loop) -> int:
        def goes_on() -> bool:
            with self.testing():
                return (self.run(node.condition) == 0) != node.until

        return self._repeat(goes_on, node.body)

    def _repeat(self, goes_on: Callable[[], bool], body: s.Sequence, after: Callable[[], None] = lambda: None) -> int:
        code = 0
        self.loops += 1
        try:
            while goes_on():
                try:
                    code = self.run(body)
                except BreakLoop as left:
                    code = 0
                    if left.levels > 1 and self.loops > 1:
                        raise BreakLoop(left.levels - 1, left.goes_on) from None
                    if not left.goes_on:
                        break
                after()
        finally:
            self.loops -= 1
        return code

    def _for(self, node: s.For) -> int:
        if node.values is None:
            values = list(self.positional)
        else:
            values = [field for word in node.values for field in self.expand.fields(word)]
        waiting = iter(values)

        def goes_on() -> bool:
            for value in waiting:
                self.assign(node.name, None, value)
                return True
            return False

        return self._repeat(goes_on, node.body)

    def _countingfor(self, node: s.CountingFor) -> int:
        self.expand.number(node.start, node.line)

        def goes_on() -> bool:
            return not node.condition.strip() or self.expand.number(node.condition, node.line) != 0

        return self._repeat(goes_on, node.body, lambda: (self.expand.number(node.step, node.line), None)[1])

    def _case(self, node: s.Case) -> int:
        subject = self.expand.text(node.subject)
        for choices, body in node.items:
            if any(patterns.matches(self.expand.pattern(choice), subject) for choice in choices):
                return self.run(body)
        return 0

    def _function(self, node: s.Function) -> int:
        self.functions[node.name] = node.body
        return 0

    def _condition(self, node: s.Condition) -> int:
        self.line = node.line
        return self.failed(int(not conditions.DoubleBrackets(self, node).value()))

    def _arithmetic(self, node: s.Arithmetic) -> int:
        self.line = node.line
        try:
            return self.failed(int(self.expand.number(node.text, node.line) == 0))
        except ExpansionFailed as error:
            if str(error).endswith("unbound variable"):
                raise
            self.complain(f"((: {error}")
            return self.failed(1)
