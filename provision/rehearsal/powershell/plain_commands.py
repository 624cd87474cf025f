"""Commands without objects from the pipeline: messages, dates, paths, variables, sleep."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.convert import text, to_number
from provision.rehearsal.powershell.dotnet import new_object
from provision.rehearsal.powershell.expressions import each
from provision.rehearsal.powershell.faults import ErrorRecord, NetException, Unsupported
from provision.rehearsal.powershell.file_commands import paths, refuse
from provision.rehearsal.powershell.table import command_row, modules
from provision.rehearsal.powershell.text_tools import format_date
from provision.rehearsal.powershell.values import Hashtable, Record, SecureString

if TYPE_CHECKING:
    from provision.rehearsal.powershell.stages import BoundStage

_WRITE_ERROR = "Microsoft.PowerShell.Commands.WriteErrorException"


def write_error(stage: BoundStage, bound: Bound) -> None:
    rt = stage.rt
    given = bound.get("ErrorRecord")
    if isinstance(given, ErrorRecord):
        stage.report(given)
        return
    exception = bound.get("Exception")
    message = bound.text("Message")
    kind = _WRITE_ERROR
    if isinstance(exception, NetException):
        message, kind = message or exception.message, exception.type_name
    id = bound.text("ErrorId") or kind
    record = ErrorRecord(
        message,
        f"{id},{rt.invocation}" if rt.invocation else id,
        exception=kind,
        category=bound.text("Category", "NotSpecified"),
        target=bound.get("TargetObject"),
        command=rt.invocation,
        line=stage.line,
    )
    stage.report(record)


def _message(kind: str, preference: str, parameter: str) -> Callable[[BoundStage, Bound], None]:
    def run(stage: BoundStage, bound: Bound) -> None:
        action = bound.text("WarningAction") if kind == "Warning" else ""
        if kind == "Information":
            action = bound.text("InformationAction")
        if kind in ("Verbose", "Debug") and kind in bound:
            action = "Continue" if bound.on(kind) else "SilentlyContinue"
        stage.rt.stream(kind, text(bound.get(parameter)), preference, action or None)

    return run


def start_sleep(stage: BoundStage, bound: Bound) -> None:
    seconds = to_number(bound.get("Seconds", 0)) + to_number(bound.get("Milliseconds", 0)) / 1000
    stage.rt.box.sleep(seconds)
    stage.rt.check_killed()


def get_date(stage: BoundStage, bound: Bound) -> None:
    rt = stage.rt
    refuse(bound, "UFormat", "DisplayHint", "Year", "Month", "Day", "Hour", "Minute", "Second", "Millisecond")
    moment = bound.get("Date") if "Date" in bound else rt.now()
    form = bound.text("Format")
    stage.emit(format_date(moment, form) if form else moment)  # type: ignore[arg-type]


def new_time_span(stage: BoundStage, bound: Bound) -> None:
    if "Start" in bound or "End" in bound:
        now = stage.rt.now()
        stage.emit(bound.get("End", now) - bound.get("Start", now))  # type: ignore[operator]
        return
    units = {n.lower(): float(to_number(bound.get(n, 0))) for n in ("Days", "Hours", "Minutes", "Seconds")}
    stage.emit(timedelta(**units))


def join_path(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "Resolve")
    for parent in bound.texts("Path"):
        child = bound.text("ChildPath").replace("/", "\\").lstrip("\\")
        stage.emit(parent.replace("/", "\\").rstrip("\\") + "\\" + child)


def split_path(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "Resolve", "NoQualifier", "Qualifier", "IsAbsolute")
    for path in bound.texts("LiteralPath") or bound.texts("Path"):
        trimmed = path.replace("/", "\\").rstrip("\\")
        parent, _, leaf = trimmed.rpartition("\\")
        if bound.on("Leaf"):
            stage.emit(leaf)
        else:
            stage.emit(parent + "\\" if parent.endswith(":") else parent)


def get_location(stage: BoundStage, _bound: Bound) -> None:
    folder = stage.rt.folder
    stage.emit(
        Record({"Path": folder, "ProviderPath": folder}, type_name="System.Management.Automation.PathInfo", text=folder)
    )


def set_location(stage: BoundStage, bound: Bound) -> None:
    for path in paths(stage.rt, bound):
        stage.rt.folder = path


def resolve_path(stage: BoundStage, bound: Bound) -> None:
    for path in paths(stage.rt, bound):
        plain = stage.name == "Convert-Path"
        stage.emit(
            path
            if plain
            else Record(
                {"Path": path, "ProviderPath": path}, type_name="System.Management.Automation.PathInfo", text=path
            )
        )


def set_variable(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "Option", "Force", "Visibility", "Description", "Include", "Exclude")
    scope = {"": "", "local": "", "script": "script", "global": "global"}.get(bound.text("Scope").lower())
    if scope is None:
        raise Unsupported("Set-Variable -Scope by number", stage.line)
    for name in bound.texts("Name"):
        stage.rt.assign(name, scope, bound.get("Value"), stage.line)


def get_variable(stage: BoundStage, bound: Bound) -> None:
    rt = stage.rt
    for name in bound.texts("Name"):
        found = rt.scope.find(name.lower())
        if found is None:
            message = f"Cannot find a variable with the name '{name}'."
            raise CommandError(message, "VariableNotFound", category="ObjectNotFound")
        value = found.variables[name.lower()]
        stage.emit(
            value
            if bound.on("ValueOnly")
            else Record({"Name": name, "Value": value}, type_name="System.Management.Automation.PSVariable")
        )


def remove_variable(stage: BoundStage, bound: Bound) -> None:
    for name in bound.texts("Name"):
        if stage.rt.scope.variables.pop(name.lower(), None) is None and stage.rt.scope.find(name.lower()) is None:
            raise CommandError(f"Cannot find a variable with the name '{name}'.", "VariableNotFound")


def get_command(stage: BoundStage, bound: Bound) -> None:
    rt = stage.rt
    refuse(bound, "Module", "Verb", "Noun", "ListImported", "All", "Syntax")
    for name in bound.texts("Name"):
        function = rt.scope.function(name)
        row = command_row(name)
        path = rt.box.find_program(name)
        if function is not None:
            properties = {"Name": function.name, "CommandType": "Function", "Source": ""}
        elif row is not None:
            properties = {"Name": row.name, "CommandType": "Cmdlet", "Source": ""}
        elif path is not None:
            leaf = path.rpartition("\\")[2]
            properties = {"Name": leaf, "CommandType": "Application", "Source": path, "Path": path}
        else:
            exception = "System.Management.Automation.CommandNotFoundException"
            message = f"The term '{name}' is not recognized as the name of a cmdlet, function, script file, or program."
            raise CommandError(message, "CommandNotFoundException", category="ObjectNotFound", exception=exception)
        stage.emit(Record(properties, type_name="System.Management.Automation.CommandInfo", text=properties["Name"]))


def make_object(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "ComObject", "Strict")
    arguments = each(bound.get("ArgumentList")) if bound.get("ArgumentList") is not None else []
    made = new_object(stage.rt, bound.text("TypeName"), arguments)
    properties = bound.get("Property")
    if isinstance(properties, Hashtable):
        if not isinstance(made, Record):
            raise Unsupported("New-Object -Property of this type", stage.line)
        for name, value in properties.items():
            made.set(text(name), value)
    stage.emit(made)


def secure_string(stage: BoundStage, bound: Bound) -> None:
    if not bound.on("AsPlainText"):
        raise Unsupported("ConvertTo-SecureString without -AsPlainText", stage.line)
    stage.emit(SecureString(bound.text("String")))


def set_strict_mode(stage: BoundStage, bound: Bound) -> None:
    scope = stage.rt.scope
    scope.strict = not bound.on("Off")
    if scope.strict and bound.text("Version").lower() not in ("latest", "3.0", "3", "2.0", "2"):
        raise Unsupported(f"Set-StrictMode -Version {bound.text('Version')}", stage.line)


def get_random(stage: BoundStage, bound: Bound) -> None:
    refuse(bound, "SetSeed", "InputObject", "Count")
    low, high = int(to_number(bound.get("Minimum", 0))), int(to_number(bound.get("Maximum", 2**31 - 1)))
    stage.emit(random.randrange(low, high))


def write_progress(_stage: BoundStage, _bound: Bound) -> None:
    """A script without a console shows none."""


def import_module(_stage: BoundStage, bound: Bound) -> None:
    """Modules load by themselves; asking for one that is not there is an error."""
    known = modules()
    for name in bound.texts("Name"):
        if name.lower() not in known:
            message = f"The specified module '{name}' was not loaded because no valid module file was found."
            exception = "System.IO.FileNotFoundException"
            raise CommandError(message, "Modules_ModuleNotFound", category="ResourceUnavailable", exception=exception)


COMMANDS: dict[str, Callable[[BoundStage, Bound], None]] = {
    "Write-Error": write_error,
    "Write-Warning": _message("Warning", "WarningPreference", "Message"),
    "Write-Verbose": _message("Verbose", "VerbosePreference", "Message"),
    "Write-Debug": _message("Debug", "DebugPreference", "Message"),
    "Write-Information": _message("Information", "InformationPreference", "MessageData"),
    "Write-Progress": write_progress,
    "Start-Sleep": start_sleep,
    "Get-Date": get_date,
    "New-TimeSpan": new_time_span,
    "Join-Path": join_path,
    "Split-Path": split_path,
    "Get-Location": get_location,
    "Set-Location": set_location,
    "Resolve-Path": resolve_path,
    "Convert-Path": resolve_path,
    "Set-Variable": set_variable,
    "Get-Variable": get_variable,
    "Remove-Variable": remove_variable,
    "Get-Command": get_command,
    "New-Object": make_object,
    "ConvertTo-SecureString": secure_string,
    "Set-StrictMode": set_strict_mode,
    "Get-Random": get_random,
    "Import-Module": import_module,
}
