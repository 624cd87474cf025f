"""The ways in: a script file as ``-File`` runs it, a text as ``-Command`` and ``-EncodedCommand`` do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from provision.rehearsal.powershell.binder import Given
from provision.rehearsal.powershell.box import Box
from provision.rehearsal.powershell.faults import (
    ErrorRecord,
    ExitFlow,
    JumpFlow,
    Killed,
    ReturnFlow,
    ScriptError,
    Unsupported,
)
from provision.rehearsal.powershell.parse import ParseError, parse
from provision.rehearsal.powershell.runtime import Runtime
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.stages import BlockStage
from provision.rehearsal.powershell.syntax import Script

KILLED = 0xC000013A  # STATUS_CONTROL_C_EXIT


def run_script(
    text: str,
    *,
    box: Box,
    arguments: Sequence[str] = (),
    name: str = "C:\\script.ps1",
    with_input: bool = False,
) -> int:
    """Run a script as ``powershell.exe -NonInteractive -File name arguments`` does.

    Args:
        text: the script.
        box: the machine.
        arguments: as the command line has them; ``-Name value`` is found out here.
        name: the script's full path.
        with_input: whether ``$input`` is the standard input's lines.

    Returns:
        The exit code: that of ``exit``; 1 after an error that ends the script or a wrong argument; else 0.

    Raises:
        Unsupported: the script uses what this interpreter does not reproduce.
    """
    script = _parsed(text, box, name)
    if script is None:
        return 1
    if script.requires > (5, 1):
        shown = ".".join(str(part) for part in script.requires)
        _complain(box, f"The script '{name}' requires PowerShell {shown}.", "ScriptRequiresUnmatchedPSVersion")
        return 1
    runtime = Runtime(box, name)

    def run() -> None:
        given = script_arguments(arguments)
        shown = name.rpartition("\\")[2]
        stage = BlockStage(runtime, shown, script.block, given, False, 0, dot=True)
        stage.scope = runtime.scope
        if with_input:
            runtime.scope.variables["input"] = _lines(box)
        runtime.run_stages([stage], None)

    return _run(runtime, run)


def run_command(text: str, *, box: Box, with_input: bool = False) -> int:
    """Run a text as ``powershell.exe -NonInteractive -Command`` or ``-EncodedCommand`` does.

    Returns:
        The exit code: that of ``exit``; 1 when the last command failed or an error ended it; else 0.

    Raises:
        Unsupported: the text uses what this interpreter does not reproduce.
    """
    script = _parsed(text, box, "")
    if script is None:
        return 1
    runtime = Runtime(box, "")
    if with_input:
        runtime.scope.variables["input"] = _lines(box)

    def run() -> None:
        stage = BlockStage(runtime, "", script.block, [], False, 0, dot=True)
        stage.scope = runtime.scope
        runtime.scope.variables["psscriptroot"] = ""
        before = runtime.scope.variables.get("input", NOTHING)
        runtime.scope.variables["input"] = before
        runtime.run_stages([stage], None)

    code = _run(runtime, run)
    return code if code or runtime.ok else 1


def _parsed(text: str, box: Box, name: str) -> Script | None:
    try:
        return parse(text)
    except ParseError as problem:
        if problem.foreign:
            raise Unsupported(problem.construct, problem.line) from problem
        _complain(box, f"At {name}:{problem.line} char:1\r\n{problem.why}", "ParserError")
        return None


def _complain(box: Box, message: str, id: str) -> None:
    box.write_error(f"{message}\r\n    + FullyQualifiedErrorId : {id}\r\n".encode())


def _lines(box: Box) -> list[object]:
    content = box.read_input().decode("utf-8-sig", "replace")
    return list(content.replace("\r\n", "\n").removesuffix("\n").split("\n")) if content else []


def script_arguments(arguments: Sequence[str]) -> list[Given]:
    """The arguments of ``-File``: all texts; ``$true`` cannot be passed in 5.1."""
    given: list[Given] = []
    for argument in arguments:
        found = re.fullmatch(r"-([A-Za-z_?][\w?]*)(?::(.*))?", argument, re.S)
        if not found:
            given.append(Given(argument))
        elif found.group(2) is not None:
            given.append(Given(found.group(2), found.group(1), True, argument))
        else:
            given.append(Given(None, found.group(1), False, argument))
    return given


def _run(runtime: Runtime, run: Callable[[], None]) -> int:
    try:
        run()
    except ExitFlow as leaving:
        return leaving.code & 0xFFFFFFFF
    except Killed:
        return KILLED
    except (ReturnFlow, JumpFlow):
        return 0  # a break outside of any loop ends the script silently
    except ScriptError as failure:
        record: ErrorRecord = failure.record
        runtime.redirected = {}
        runtime.show_error(record)
        return 1
    return 0
