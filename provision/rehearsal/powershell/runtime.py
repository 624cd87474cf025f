"""One running script: the language, the commands that it has itself, and the ways in."""

from __future__ import annotations

import threading

from provision.rehearsal.powershell import own_commands, syntax
from provision.rehearsal.powershell.binder import Given
from provision.rehearsal.powershell.box import Box
from provision.rehearsal.powershell.convert import truth
from provision.rehearsal.powershell.expressions import collapse
from provision.rehearsal.powershell.faults import ReturnFlow, Unsupported
from provision.rehearsal.powershell.parse import parse
from provision.rehearsal.powershell.pipelines import Pipelines
from provision.rehearsal.powershell.scope import NOTHING, Scope
from provision.rehearsal.powershell.stages import BlockStage, Stage
from provision.rehearsal.powershell.table import CommandRow
from provision.rehearsal.powershell.values import ScriptBlock


class Runtime(Pipelines):
    """A script on its machine; belongs to one thread."""

    def __init__(self, box: Box, name: str) -> None:
        super().__init__(box, name)

    def builtin(self, row: CommandRow, given: list[Given], piped: bool, line: int) -> Stage | None:
        return own_commands.stage_for(self, row, given, piped, line)

    def set_exit_code(self, code: int) -> None:
        """``$LASTEXITCODE``."""
        self.scope.outermost.variables["lastexitcode"] = code

    def in_place(self, block: ScriptBlock, item: object) -> None:
        """Run a block in the current scope with ``$_``, as ForEach-Object does; outputs go on."""
        before = self.scope.variables.get("_", NOTHING)
        scope = self.scope
        scope.variables["_"] = item
        try:
            if block.block.parameters or block.block.process is not None:
                raise Unsupported("param or process in a block for each object", self.line)
            self.body(block.block.end)
        except ReturnFlow:
            pass
        finally:
            if before is NOTHING:
                scope.variables.pop("_", None)
            else:
                scope.variables["_"] = before

    def call_block(self, block: object, item: object) -> object:
        """The value of a block for one object."""
        if not isinstance(block, ScriptBlock):
            raise Unsupported("a block is expected here", self.line)
        found: list[object] = []
        with self.sink(found.append):
            self.in_place(block, item)
        value = collapse(found)
        return None if value is NOTHING else value

    def each_method(self, items: list[object], block: ScriptBlock, keep: bool) -> list[object]:
        """``.Where({ })`` and ``.ForEach({ })``."""
        if keep:
            return [item for item in items if truth(self.call_block(block, item))]
        found: list[object] = []
        for item in items:
            with self.sink(found.append):
                self.in_place(block, item)
        return found

    def block_method(self, block: ScriptBlock, name: str, arguments: list[object]) -> object:
        """``.Invoke()`` and ``.GetNewClosure()`` of a block."""
        if name == "getnewclosure":
            closed = Scope(self.scope)
            closed.variables.update(self.scope.variables)
            return ScriptBlock(block.block, block.text, closed)
        if name == "invoke":
            found: list[object] = []
            with self.sink(found.append):
                parent = block.scope if isinstance(block.scope, Scope) else None
                given = [Given(argument) for argument in arguments]
                stage = BlockStage(self, "", block.block, given, False, self.line, parent=parent)
                self.run_stages([stage], None)
            return found
        if name == "tostring":
            return block.text
        raise Unsupported(f"method {name} of a script block", self.line)

    def block_of(self, body: str) -> ScriptBlock:
        """A block made of text."""
        return ScriptBlock(parse(body).block, body)

    def run_inner(self, script: str, arguments: list[object], stop: threading.Event) -> list[object]:
        """Run a script of its own beside this one and give its output."""
        inner = Runtime(self.box, self.name)
        inner.stop = stop
        found: list[object] = []
        block: syntax.Block = parse(script).block
        with inner.sink(found.append):
            stage = BlockStage(inner, "", block, [Given(a) for a in arguments], False, 0)
            inner.run_stages([stage], None)
        return found
