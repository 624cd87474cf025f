"""Statements: control flow, errors and what is done about them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from provision.rehearsal.powershell import syntax
from provision.rehearsal.powershell.convert import text, to_number, unwrap
from provision.rehearsal.powershell.expressions import Expressions, each
from provision.rehearsal.powershell.faults import (
    ErrorRecord,
    ExitFlow,
    JumpFlow,
    Killed,
    NetException,
    ReturnFlow,
    ScriptError,
    derives,
    error,
)
from provision.rehearsal.powershell.operators import equal, groups_of
from provision.rehearsal.powershell.scope import NOTHING, Definition
from provision.rehearsal.powershell.state import QUIET
from provision.rehearsal.powershell.text_tools import regex, wildcard
from provision.rehearsal.powershell.types import type_of
from provision.rehearsal.powershell.values import ScriptBlock

Run = Callable[[Any, Any], None]


class Statements(Expressions):
    """Execution of statements; what they give goes to `out`."""

    @abstractmethod
    def pipeline(self, node: syntax.Pipeline) -> None: ...

    def emit(self, value: object) -> None:
        """Give a value: lists element by element."""
        if isinstance(value, (list, bytes)):
            for item in list(value):
                self.out(item)
        elif value is not NOTHING:
            self.out(value)

    def body(self, body: syntax.Body) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, node: syntax.Statement) -> None:
        """Run one statement; its error is judged by ``try`` and the preference."""
        if self.box.killed.is_set() or self.stop.is_set():
            raise Killed
        self.line = node.line
        try:
            _RUN[type(node)](self, node)
        except ScriptError as failure:
            self.judge(failure, node.line)

    def unjudged(self, node: syntax.Statement) -> None:
        """Run a statement that is part of another: its error is the outer one's."""
        self.check_killed()
        self.line = node.line
        _RUN[type(node)](self, node)

    def judge(self, failure: ScriptError, line: int) -> None:
        """Go on behind a failed statement, or raise the error further.

        Raises:
            ScriptError: a ``try`` or the end of the script is to have it.
        """
        record = failure.record
        record.line = record.line or line
        self.ok = False
        self.remember(record)
        if self.in_try or failure.final:
            raise failure
        wanted = self.preference("ErrorActionPreference")
        if wanted in QUIET:
            return
        if failure.thrown or wanted == "Stop":
            failure.final = True
            raise failure
        self.show_error(record)

    def _assign(self, node: syntax.Assign) -> None:
        self.assignment(node)

    def _if(self, node: syntax.If) -> None:
        for condition, body in node.clauses:
            if self.condition(condition):
                self.body(body)
                return
        if node.otherwise is not None:
            self.body(node.otherwise)

    def _round(self, body: syntax.Body, label: str) -> bool:
        """One round of a loop; False when the loop is left."""
        try:
            self.body(body)
        except JumpFlow as jump:
            if jump.label and jump.label != label.lower():
                raise
            return jump.kind == "continue"
        return True

    def _while(self, node: syntax.While) -> None:
        while self.condition(node.condition):
            self.check_killed()
            if not self._round(node.body, node.label):
                return

    def _do(self, node: syntax.DoLoop) -> None:
        while True:
            self.check_killed()
            if not self._round(node.body, node.label) or self.condition(node.condition) == node.until:
                return

    def _for(self, node: syntax.For) -> None:
        if node.start is not None:
            self.silent(node.start)
        while node.condition is None or self.condition(node.condition):
            self.check_killed()
            if not self._round(node.body, node.label):
                return
            if node.step is not None:
                self.silent(node.step)

    def silent(self, node: syntax.Statement) -> None:
        """Run a statement for its effect."""
        with self.sink(lambda _: None):
            self.statement_value(node)

    def _foreach(self, node: syntax.ForEach) -> None:
        found = self.statement_value(node.items)
        for item in [] if found is None else each(found):
            self.assign(node.variable.name, node.variable.scope, item, node.line)
            if not self._round(node.body, node.label):
                return

    def _switch(self, node: syntax.Switch) -> None:
        found = self.statement_value(node.subject)
        before = self.scope.variables.get("_", NOTHING)
        try:
            for item in each(found):
                self.scope.variables["_"] = item
                if not self._round_switch(node, item):
                    return
        finally:
            self._restore("_", before)

    def _restore(self, name: str, before: object) -> None:
        if before is NOTHING:
            self.scope.variables.pop(name, None)
        else:
            self.scope.variables[name] = before

    def _round_switch(self, node: syntax.Switch, item: object) -> bool:
        try:
            hit = False
            for pattern, body in node.clauses:
                if pattern is not None and self._clause(node, pattern, item):
                    hit = True
                    self.body(body)
            if not hit:
                for pattern, body in node.clauses:
                    if pattern is None:
                        self.body(body)
        except JumpFlow as jump:
            if jump.label and jump.label != node.label.lower():
                raise
            return jump.kind == "continue"
        return True

    def _clause(self, node: syntax.Switch, pattern: syntax.Node, item: object) -> bool:
        wanted = unwrap(self.value(pattern))
        if isinstance(wanted, ScriptBlock):
            found: list[object] = []
            with self.sink(found.append):
                self.body(wanted.block.end)
            return any(found)
        if node.kind == "wildcard":
            return bool(wildcard(text(wanted), not node.case).match(text(item)))
        if node.kind == "regex":
            match = regex(text(wanted), not node.case).search(text(item))
            if match:
                self.set_matches(groups_of(match))
            return bool(match)
        return equal(item, wanted, node.case)

    # --- errors

    def _try(self, node: syntax.Try) -> None:
        outer = self.in_try
        try:
            self.in_try = True
            try:
                self.body(node.body)
            finally:
                self.in_try = outer
        except ScriptError as failure:
            self.remember(failure.record)
            clause = self._catch_for(node, failure.record)
            if clause is None:
                self._last(node)
                raise
            self._handled(node, clause, failure)
            return
        except Killed:
            raise
        except BaseException:
            self._last(node)
            raise
        self._last(node)

    def _last(self, node: syntax.Try) -> None:
        if node.last is not None:
            ok = self.ok
            self.body(node.last)
            self.ok = ok

    def _catch_for(self, node: syntax.Try, record: ErrorRecord) -> syntax.Catch | None:
        kinds = [record.exception.type_name]
        if record.exception.inner is not None:
            kinds.append(record.exception.inner.type_name)
        for clause in node.catches:
            if not clause.types:
                return clause
            for wanted in clause.types:
                full = type_of(wanted) or wanted
                if any(derives(kind, full) for kind in kinds):
                    return clause
        return None

    def _handled(self, node: syntax.Try, clause: syntax.Catch, failure: ScriptError) -> None:
        before = self.scope.variables.get("_", NOTHING)
        self.scope.variables["_"] = failure.record
        self.caught.append(failure.record)
        try:
            self.body(clause.body)
        except Killed:
            raise
        except BaseException:
            self._leave_catch(before)
            self._last(node)
            raise
        self._leave_catch(before)
        self._last(node)

    def _leave_catch(self, before: object) -> None:
        self.caught.pop()
        self._restore("_", before)

    def _throw(self, node: syntax.Throw) -> None:
        if node.value is None:
            if self.caught:
                raise ScriptError(self.caught[-1], thrown=True)
            raise ScriptError(ErrorRecord("ScriptHalted", "ScriptHalted", line=node.line), thrown=True)
        found = self.statement_value(node.value)
        value = None if found is NOTHING else unwrap(found)
        if isinstance(value, ErrorRecord):
            raise ScriptError(value, thrown=True)
        if isinstance(value, NetException):
            record = ErrorRecord(
                value.message, value.message, exception=value.type_name, category="OperationStopped", line=node.line
            )
            record.exception.inner = value.inner
            raise ScriptError(record, thrown=True)
        message = text(value)
        record = ErrorRecord(message, message, category="OperationStopped", target=value, line=node.line)
        raise ScriptError(record, thrown=True)

    # --- leaving

    def _return(self, node: syntax.Return) -> None:
        if node.value is not None:
            self.emit(self.statement_value(node.value))
        raise ReturnFlow

    def _exit(self, node: syntax.Exit) -> None:
        code = 0
        if node.value is not None:
            found = self.statement_value(node.value)
            try:
                code = int(to_number(None if found is NOTHING else found))
            except ScriptError:
                code = 0  # a text that is no number: 5.1 says 0
        raise ExitFlow(code)

    def _jump(self, node: syntax.Jump) -> None:
        raise JumpFlow(node.kind, node.label)

    def _function(self, node: syntax.Function) -> None:
        self.scope.functions[node.name.lower()] = Definition(node.name, node.block)

    def _pipeline(self, node: syntax.Pipeline) -> None:
        if len(node.elements) == 1:
            only = node.elements[0]
            if isinstance(only, syntax.ExpressionElement) and not only.redirects:
                self._expression(only)
                return
        self.pipeline(node)

    def _expression(self, element: syntax.ExpressionElement) -> None:
        expression = element.expression
        found = self.raw(expression)
        self.ok = True
        if not isinstance(expression, syntax.Step):
            self.emit(found)


_RUN: dict[type, Run] = {
    syntax.Pipeline: Statements._pipeline,
    syntax.Assign: Statements._assign,
    syntax.If: Statements._if,
    syntax.While: Statements._while,
    syntax.DoLoop: Statements._do,
    syntax.For: Statements._for,
    syntax.ForEach: Statements._foreach,
    syntax.Switch: Statements._switch,
    syntax.Try: Statements._try,
    syntax.Throw: Statements._throw,
    syntax.Return: Statements._return,
    syntax.Exit: Statements._exit,
    syntax.Jump: Statements._jump,
    syntax.Function: Statements._function,
}

__all__ = ["Statements", "error"]
