"""The parts of a running pipeline: each takes objects and gives objects, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from provision.rehearsal.powershell import binder, functions, native, syntax
from provision.rehearsal.powershell.binder import Call, Given
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.convert import text, unwrap
from provision.rehearsal.powershell.faults import ErrorRecord, ExitFlow, Killed, NetException, ReturnFlow, ScriptError
from provision.rehearsal.powershell.scope import NOTHING, Scope
from provision.rehearsal.powershell.state import Sink
from provision.rehearsal.powershell.table import CommandRow
from provision.rehearsal.powershell.values import Record, Stream

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime

_REMOTE = "System.Management.Automation.RemoteException"


class Stage:
    """One part; `emit` takes what it gives.

    Attributes:
        piped: whether objects come in.
        failed: whether it reported an error: makes ``$?`` False.
    """

    name = ""

    def __init__(self, rt: Runtime, piped: bool, line: int) -> None:
        self.rt = rt
        self.piped = piped
        self.line = line
        self.scope = rt.scope
        self.emit: Sink = rt.out
        self.redirected = rt.redirected
        self.streams: dict[str, Sink | None] = {}
        self.failed = False

    def _within(self, action: Callable[..., None], *arguments: object) -> None:
        """Run with this stage's scope, output and redirections."""
        rt = self.rt
        before = (rt.out, rt.scope, rt.redirected)
        rt.out, rt.scope = self.emit, self.scope
        rt.redirected = self.redirected
        if self.streams:
            rt.redirected = rt.redirected | {k: (s or self.emit) for k, s in self.streams.items()}
        try:
            action(*arguments)
        finally:
            rt.out, rt.scope, rt.redirected = before

    def start(self) -> None:
        self._within(self.begin)

    def take(self, item: object) -> None:
        self._within(self.process, item)

    def finish(self) -> None:
        self._within(self.end)

    def begin(self) -> None:
        """Before the first object."""

    def process(self, item: object) -> None:
        """One object."""

    def end(self) -> None:
        """After the last object."""

    def close(self) -> None:
        """When the pipeline is over, after an error too."""


def record_of(failure: CommandError, command: str, line: int) -> ErrorRecord:
    """A command's failure as the script sees it."""
    return ErrorRecord(
        failure.message,
        f"{failure.id},{command}",
        exception=failure.exception,
        category=failure.category,
        line=line,
        command=command,
    )


class BoundStage(Stage):
    """A command of the table: binds, then runs once, or once for each object that comes in.

    Args:
        run: gives the command's results for one bound call.
    """

    def __init__(
        self,
        rt: Runtime,
        row: CommandRow,
        given: list[Given],
        run: Callable[[BoundStage, Bound], None],
        piped: bool,
        line: int,
    ) -> None:
        super().__init__(rt, piped, line)
        self.name = row.name
        self.run = run
        self.call = binder.bind(row, given, line)
        if piped:
            binder.check_before_pipeline(self.call)
        else:
            self.chosen = binder.settle(self.call)

    @property
    def action(self) -> str | None:
        found = self.call.bound.get("ErrorAction")
        return text(found) if found else None

    def report(self, record: ErrorRecord) -> None:
        """A non-terminating error of this command."""
        self.failed = True
        variable = text(self.call.bound.get("ErrorVariable"))
        if variable:
            known = self.rt.lookup(variable[1:], "", 0) if variable.startswith("+") else None
            errors = [*(known if isinstance(known, list) else []), record]
            self.rt.assign(variable.lstrip("+"), "", errors)
        self.rt.report(record, self.action)

    def begin(self) -> None:
        variable = text(self.call.bound.get("ErrorVariable"))
        if variable and not variable.startswith("+"):
            self.rt.assign(variable, "", [])

    def process(self, item: object) -> None:
        try:
            call = binder.bind_object(self.call, item)
            chosen = binder.settle(call)
        except ScriptError as failure:
            self.report(failure.record)
            return
        self._run(call, chosen)

    def end(self) -> None:
        if not self.piped:
            self._run(self.call, self.chosen)

    def _run(self, call: Call, chosen: str | None) -> None:
        self.rt.line = self.line
        values = dict(call.bound)
        try:
            self.run(self, Bound(values, chosen, self.line))
        except CommandError as failure:
            for value in failure.partial:
                self.emit_results(value)
            builtin = self.run is not box_command
            suffix = f"Microsoft.PowerShell.Commands.{self.name.replace('-', '')}Command" if builtin else self.name
            record = record_of(failure, suffix, self.line)
            record.command = self.name
            if failure.terminating:
                self.rt.remember(record)
                raise ScriptError(record) from failure
            self.report(record)

    def emit_results(self, value: object) -> None:
        """Give what a command answered; tables of Python become objects."""
        if isinstance(value, list):
            for item in value:
                self.emit_results(item)
        elif isinstance(value, dict):
            self.emit(as_record(value, self.name))
        elif value is not NOTHING:
            self.emit(value)


def as_record(value: dict[str, object], command: str) -> Record:
    """An object that a box wrote as a plain dict."""
    inner = {k: _inside(v, command) for k, v in value.items()}
    return Record(inner, type_name=f"Microsoft.Windows.{command.replace('-', '')}Result")


def _inside(value: object, command: str) -> object:
    if isinstance(value, dict):
        return as_record(value, command)
    if type(value) is list:
        return [_inside(item, command) for item in value]
    return value


def box_command(stage: BoundStage, bound: Bound) -> None:
    """Run a command of the machine."""
    rt = stage.rt
    rt.check_killed()
    kept: list[object] = []
    before = stage.emit
    variable = bound.text("OutVariable")
    if variable:

        def both(item: object) -> None:
            kept.append(item)
            before(item)

        stage.emit = both
    try:
        for value in rt.box.command(stage.name, bound):
            stage.emit_results(value)
    finally:
        stage.emit = before
    if variable:
        rt.assign(variable, "", kept)


class BlockStage(Stage):
    """A function, a script block, or a script file.

    Args:
        dot: runs in the caller's scope.
        script: the path of a script file, None otherwise.
    """

    def __init__(
        self,
        rt: Runtime,
        name: str,
        block: syntax.Block,
        given: list[Given],
        piped: bool,
        line: int,
        *,
        dot: bool = False,
        script: str | None = None,
        parent: Scope | None = None,
    ) -> None:
        super().__init__(rt, piped, line)
        self.name = name
        self.block = block
        self.script = script
        self.dot = dot
        self.left: int | None = None
        row = functions.row_of_block(name, block)
        self.call = binder.bind(row, given, line)
        if piped:
            binder.check_before_pipeline(self.call)
        else:
            binder.settle(self.call)
        if not dot:
            self.scope = Scope(parent or rt.scope, script)
            self.scope.function_level = script is None
        self.items: list[object] = []

    def begin(self) -> None:
        rt = self.rt
        functions.enter(rt, self.scope, self.block, self.call)
        if self.script:
            rt._set_paths(self.scope, self.script)
        self._part(self.block.begin)

    def process(self, item: object) -> None:
        if self.left is not None:
            return
        if self.block.process is None:
            self.items.append(item)
            if not any(
                p.sets["(All)"].by_value or p.sets["(All)"].by_property for p in self.call.row.parameters.values()
            ):
                return
        if any(p.sets["(All)"].by_value or p.sets["(All)"].by_property for p in self.call.row.parameters.values()):
            try:
                call = binder.bind_object(self.call, item)
                binder.settle(call)
            except ScriptError as failure:
                self.failed = True
                self.rt.report(failure.record)
                return
            functions.enter(self.rt, self.scope, self.block, call)
        if self.block.process is not None:
            self.scope.variables["_"] = item
            self._part(self.block.process)

    def end(self) -> None:
        if self.left is not None:
            return
        if self.block.process is not None and not self.piped:
            self._part(self.block.process)
        if self.piped:
            self.scope.variables["input"] = self.items
        self._part(self.block.end)
        if self.script and self.left is not None:
            self.rt.set_exit_code(self.left)
            self.failed = self.left != 0

    def _part(self, body: syntax.Body) -> None:
        if not body or self.left is not None:
            return
        before = self.rt.invocation
        self.rt.invocation = self.name or before
        try:
            self.rt.body(body)
        except ReturnFlow:
            pass
        except ExitFlow as leaving:
            if not self.script:
                raise
            self.left = leaving.code
        finally:
            self.rt.invocation = before


class ProgramStage(Stage):
    """A program of the machine."""

    def __init__(self, rt: Runtime, path: str, shown: str, words: list[str], piped: bool, line: int) -> None:
        super().__init__(rt, piped, line)
        self.path = path
        self.name = shown
        self.words = words
        self.items: list[str] = []
        self._rest = b""
        self._errors = b""

    def process(self, item: object) -> None:
        self.items.append(text(item))

    def end(self) -> None:
        rt = self.rt
        rt.check_killed()
        rt.line = self.line
        stdin = "".join(item + "\r\n" for item in self.items).encode("utf-8") if self.piped else None
        redirected = "Error" in rt.redirected
        on_error = self._error_bytes if redirected else rt.box.write_error
        code = rt.box.program(self.path, native.pass_on(self.words), stdin, self._bytes, on_error)
        if self._rest:
            self._line(self._rest)
        if self._errors:
            self._error_line(self._errors)
        rt.set_exit_code(code)
        self.failed = self.failed or code != 0
        if rt.box.killed.is_set():
            raise Killed

    def _bytes(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        self.emit(line.decode("utf-8", "replace").removesuffix("\r"))

    def _error_bytes(self, data: bytes) -> None:
        *lines, self._errors = (self._errors + data).split(b"\n")
        for line in lines:
            self._error_line(line)

    def _error_line(self, line: bytes) -> None:
        """A redirected line of standard error is an error record in 5.1; under Stop it ends the statement."""
        message = line.decode("utf-8", "replace").removesuffix("\r")
        record = ErrorRecord(message, "NativeCommandError", exception=_REMOTE, line=self.line, command=self.name)
        self.failed = True
        if self.rt.preference("ErrorActionPreference") == "Stop":
            self.rt.remember(record)
            raise ScriptError(record, final=True)
        self.rt.redirected["Error"](record)


def stream_name(number: str) -> tuple[str, ...]:
    """The names of the streams behind ``2>``, ``*>`` and so on."""
    names = {"2": ("Error",), "3": ("Warning",), "4": ("Verbose",), "5": ("Debug",), "6": ("Information",)}
    return names.get(number, ("Error", "Warning", "Verbose", "Debug", "Information") if number == "*" else ())


__all__ = ["BlockStage", "BoundStage", "NetException", "ProgramStage", "Stage", "Stream", "box_command", "unwrap"]
