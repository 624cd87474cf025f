"""Pipelines: commands are found, their arguments evaluated, their parts joined and run."""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from provision.rehearsal.powershell import syntax
from provision.rehearsal.powershell.binder import Given
from provision.rehearsal.powershell.convert import BareNumber, text
from provision.rehearsal.powershell.expressions import each
from provision.rehearsal.powershell.faults import ScriptError, StopPipeline, Unsupported, error
from provision.rehearsal.powershell.parse import ParseError, parse
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.stages import (
    BlockStage,
    BoundStage,
    ProgramStage,
    Stage,
    box_command,
    stream_name,
)
from provision.rehearsal.powershell.statements import Statements
from provision.rehearsal.powershell.table import CommandRow, command_row
from provision.rehearsal.powershell.values import Hashtable, ScriptBlock

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime

FOLDERS_OF_REGISTRY = ("hklm:", "hkcu:", "registry::", "microsoft.powershell.core\\registry::")


class ParameterText(str):
    """A parameter's spelling among ``$args``, so that splatting passes it on as one."""

    __slots__ = ()


class Pipelines(Statements):
    """How pipelines run."""

    @property
    def runtime(self) -> Runtime:
        """This object under its whole type."""
        return cast("Runtime", self)

    @abstractmethod
    def builtin(self, row: CommandRow, given: list[Given], piped: bool, line: int) -> Stage | None: ...

    def pipeline(self, node: syntax.Pipeline) -> None:
        first = node.elements[0]
        feed: object = NOTHING
        has_feed = isinstance(first, syntax.ExpressionElement)
        if isinstance(first, syntax.ExpressionElement):
            feed = self.raw(first.expression)
        stages: list[Stage] = []
        for at, element in enumerate(node.elements):
            if isinstance(element, syntax.Command):
                stages.append(self.stage(element, at > 0))
        if isinstance(first, syntax.ExpressionElement) and first.redirects:
            raise Unsupported("redirection of an expression", node.line)
        self.run_stages(stages, each(feed) if has_feed else None)
        self.ok = not any(stage.failed for stage in stages)

    def run_stages(self, stages: list[Stage], feed: list[object] | None) -> None:
        """Run joined parts; ``feed`` goes into the first."""
        for stage, following in pairwise(stages):
            stage.emit = following.take
        for stage in stages:
            for number in getattr(stage, "muted", ()):
                if number in ("1", "*"):
                    stage.emit = lambda _: None
        try:
            self._drive(stages, feed)
        finally:
            for stage in stages:
                stage.close()

    def _drive(self, stages: list[Stage], feed: list[object] | None) -> None:
        live = stages
        for stage in stages:
            stage.start()
        try:
            for item in feed or ():
                stages[0].take(item)
        except StopPipeline as stop:
            live = self._from_owner(stages, stop)
        done = 0
        while done < len(live):
            try:
                live[done].finish()
                done += 1
            except StopPipeline as stop:
                live, done = self._from_owner(stages, stop), 0

    @staticmethod
    def _from_owner(stages: list[Stage], stop: StopPipeline) -> list[Stage]:
        if stop.owner not in stages:
            raise stop
        return stages[stages.index(stop.owner) :]

    def stage(self, node: syntax.Command, piped: bool) -> Stage:
        """The running part for one command."""
        self.line = node.line
        stage = self._named(node, piped) if not node.call else self._called(node, piped)
        muted = []
        for redirect in node.redirects:
            names = stream_name(redirect.stream)
            if redirect.target is None:
                stage.streams.update(dict.fromkeys(names))
            else:
                target = self.value(redirect.target)
                if target is not None:
                    raise Unsupported("redirection to a file", node.line)
                muted.append(redirect.stream)
                stage.streams.update(dict.fromkeys(names, lambda _: None))
        if muted:
            stage.muted = muted  # type: ignore[attr-defined]
            if "1" in muted or "*" in muted:
                stage.emit = lambda _: None
        return stage

    def _called(self, node: syntax.Command, piped: bool) -> Stage:
        target = self.value(node.name)
        if isinstance(target, ScriptBlock):
            given = self.given(node.arguments)
            parent = target.scope if target.scope is not None else None
            dot = node.call == "."
            return BlockStage(self.runtime, "", target.block, given, piped, node.line, dot=dot, parent=parent)  # type: ignore[arg-type, arg-type]
        return self._by_name(text(target), node, piped)

    def _named(self, node: syntax.Command, piped: bool) -> Stage:
        name = node.name
        shown = name.source if isinstance(name, syntax.Const) and name.source else text(self.value(name))
        if isinstance(name, syntax.Const) and isinstance(name.value, str):
            shown = name.value
        if node.tight and self.scope.is_strict:
            message = (
                "The function or command was called as if it were a method. Parameters should be separated by spaces. "
                "For information about parameters, see the about_Parameters Help topic."
            )
            raise error(message, "StrictModeFunctionCallWithParens", line=node.line)
        return self._by_name(shown, node, piped)

    def _by_name(self, name: str, node: syntax.Command, piped: bool) -> Stage:
        line = node.line
        found = self.scope.function(name)
        if found is not None:
            return BlockStage(self.runtime, found.name, found.block, self.given(node.arguments), piped, line)
        row = command_row(name)
        if row is not None:
            given = self.given(node.arguments)
            if row.name not in self.box.overrides and not self._on_registry(row, given):
                stage = self.builtin(row, given, piped, line)
                if stage is not None:
                    return stage
            return BoundStage(self.runtime, row, given, box_command, piped, line)
        if name.lower().endswith(".ps1"):
            return self._script(name, node, piped)
        path = self.box.find_program(name)
        if path is None:
            raise self.not_recognized(name, line)
        words = [word for argument in node.arguments for word in self._words(argument)]
        return ProgramStage(self.runtime, path, name, words, piped, line)

    def not_recognized(self, name: str, line: int) -> ScriptError:
        """The error of a command that is not there."""
        message = (
            f"The term '{name}' is not recognized as the name of a cmdlet, function, script file, or operable "
            "program. Check the spelling of the name, or if a path was included, verify that the path is correct "
            "and try again."
        )
        exception = "System.Management.Automation.CommandNotFoundException"
        failure = error(message, "CommandNotFoundException", exception, category="ObjectNotFound", line=line)
        failure.record.target = name
        failure.record.command = name
        return failure

    @staticmethod
    def _on_registry(row: CommandRow, given: list[Given]) -> bool:
        """Whether a path of the registry is among the arguments: the machine has the registry."""
        if not row.name.endswith(("Item", "ItemProperty", "ItemPropertyValue", "Path", "ChildItem")):
            return False
        for item in given:
            for value in item.value if isinstance(item.value, list) else [item.value]:
                if isinstance(value, str) and value.lower().startswith(FOLDERS_OF_REGISTRY):
                    return True
        return False

    def _script(self, name: str, node: syntax.Command, piped: bool) -> Stage:
        path = self.resolve(name)
        try:
            content = self.box.files.read(path)
        except OSError:
            raise self.not_recognized(name, node.line) from None
        try:
            script = parse(content.decode("utf-8-sig", "replace"))
        except ParseError as problem:
            if problem.foreign:
                raise Unsupported(f"{name}: {problem.construct}", problem.line) from problem
            exception = "System.Management.Automation.ParseException"
            raise error(str(problem), problem.construct, exception, category="ParserError", line=node.line) from None
        given = self.given(node.arguments)
        shown = path.rpartition("\\")[2]
        dot = node.call == "."
        return BlockStage(self.runtime, shown, script.block, given, piped, node.line, dot=dot, script=path)

    # --- arguments

    def given(self, nodes: tuple[syntax.Node, ...]) -> list[Given]:
        """The written arguments, evaluated."""
        found: list[Given] = []
        closed = False
        for node in nodes:
            if isinstance(node, syntax.Splat):
                found += self._splatted(node)
            elif isinstance(node, syntax.Parameter) and not closed:
                value = None if node.value is None else self._argument(node.value)
                text_of = ParameterText(node.text)
                found.append(Given(value, node.name, node.value is not None, text_of))
            elif isinstance(node, syntax.Parameter):
                found.append(Given(node.text, closed=True))
            elif isinstance(node, syntax.Const) and node.bare and node.source == "--" and not closed:
                closed = True
            else:
                found.append(Given(self._argument(node), closed=closed))
        return found

    def _argument(self, node: syntax.Node) -> object:
        if isinstance(node, syntax.Const) and node.bare and not isinstance(node.value, str):
            return BareNumber(node.value, node.source)  # type: ignore[arg-type]
        return self.value(node)

    def _splatted(self, node: syntax.Splat) -> list[Given]:
        value = self.lookup(node.name, "", node.line)
        if isinstance(value, Hashtable):
            return [Given(item, text(key), True) for key, item in value.items()]
        if isinstance(value, str):
            return [Given(c) for c in value]
        found = []
        for item in each(value):
            if isinstance(item, ParameterText):
                found.append(Given(None, item.strip("-:"), False, item))
            else:
                found.append(Given(item))
        return found

    def _words(self, node: syntax.Node) -> list[str]:
        """The words that an argument is for a program."""
        if isinstance(node, syntax.Splat):
            value = self.lookup(node.name, "", node.line)
            if isinstance(value, Hashtable):
                return [f"-{text(key)}:{text(item)}" for key, item in value.items()]
            return [text(item) for item in (list(value) if isinstance(value, str) else each(value))]
        if isinstance(node, syntax.Parameter):
            if node.value is None:
                return [node.text]
            value = self._argument(node.value)
            return [node.text, text(value)] if node.spaced else [node.text + text(value)]
        if isinstance(node, syntax.ArrayLiteral):
            return [",".join(text(self._argument(item)) for item in node.items)]
        value = self._argument(node)
        if isinstance(value, ScriptBlock):
            raise Unsupported("a script block as an argument of a program", node.line)
        return [text(item) for item in value] if isinstance(value, list) else [text(value)]
