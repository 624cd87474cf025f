"""Scheduled tasks: work that outlives the connection that began it and dies with its boot."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from provision.rehearsal.models.windows_process import SYSTEM32, WindowsProcess
from provision.rehearsal.models.windows_table import cim_failed, cim_not_found, command, matches
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.native import split_arguments
from provision.rehearsal.powershell.values import EnumValue, Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

_STATES = {"Unknown": 0, "Disabled": 1, "Queued": 2, "Ready": 3, "Running": 4}
NEVER_RUN, STILL_RUNNING, TERMINATED, NO_FILE = 0x41303, 0x41301, 0x41306, 0x80070002
_CIM = "Microsoft.Management.Infrastructure.CimInstance#Root/Microsoft/Windows/TaskScheduler/"
_SYSTEM = frozenset({"s-1-5-18", "system", "nt authority\\system", "localsystem"})
# Threads of running tasks: (machine object, key) -> the event that ends it.
_RUNNING: dict[tuple[int, str], threading.Event] = {}


def tasks(machine: WindowsMachine) -> dict[str, Any]:
    return machine.state.section("tasks")


def _key(path: str, name: str) -> str:
    return (path.rstrip("\\") + "\\" + name).lower()


def end_all(machine: WindowsMachine) -> None:
    """The boot is over, or the rehearsal was killed: what ran has ended."""
    with machine.state.change():
        for key, task in tasks(machine).items():
            if task["state"] == "Running":
                task.update(state="Ready", result=TERMINATED)
                event = _RUNNING.pop((id(machine), key), None)
                if event is not None:
                    event.set()


@command("New-ScheduledTaskAction")
def new_action(_: WindowsProcess, bound: Bound) -> Iterable[object]:
    names = ("Execute", "Argument", "WorkingDirectory", "Id")
    return [Record({name: bound.text(name) for name in names}, type_name=_CIM + "MSFT_TaskExecAction")]


@command("New-ScheduledTaskPrincipal")
def new_principal(_: WindowsProcess, bound: Bound) -> Iterable[object]:
    names = ("UserId", "LogonType", "RunLevel", "GroupId")
    return [Record({name: bound.text(name) for name in names}, type_name=_CIM + "MSFT_TaskPrincipal2")]


@command("New-ScheduledTaskSettingsSet")
def new_settings(_: WindowsProcess, bound: Bound) -> Iterable[object]:
    limit = bound.get("ExecutionTimeLimit", timedelta(hours=72))
    seconds = limit.total_seconds() if isinstance(limit, timedelta) else 0.0
    return [
        Record({"ExecutionTimeLimit": f"PT{seconds:.0f}S", "Seconds": seconds}, type_name=_CIM + "MSFT_TaskSettings3")
    ]


@command("New-ScheduledTaskTrigger")
def new_trigger(_: WindowsProcess, bound: Bound) -> Iterable[object]:
    kind = next((name for name in ("AtStartup", "AtLogOn", "Once", "Daily") if bound.on(name)), "")
    return [Record({"Kind": kind, "Enabled": True}, type_name=_CIM + "MSFT_TaskTrigger")]


@command("Register-ScheduledTask")
def register_task(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    machine = process.machine
    action, principal, settings = bound.get("Action"), bound.get("Principal"), bound.get("Settings")
    action = action[0] if isinstance(action, list) and action else action
    if not isinstance(action, Record):
        raise CommandError("The task XML is missing a required element or attribute.", "HRESULT 0x8004131D")
    user = str(principal.get("UserId")) if isinstance(principal, Record) else bound.text("User", process.user)
    if user.lower() not in _SYSTEM and user.lower() != machine.spec["user"].lower():
        raise cim_failed("No mapping between account names and security IDs was done.", "HRESULT 0x80070534")
    path, name = "\\" + bound.text("TaskPath", "\\").strip("\\"), bound.text("TaskName")
    key = _key(path, name)
    with machine.state.change():
        if key in tasks(machine) and not bound.on("Force"):
            raise cim_failed(
                "Cannot create a file when that file already exists.", "HRESULT 0x800700b7", "ResourceExists"
            )
        if key in tasks(machine) and tasks(machine)[key]["state"] == "Running":
            _end(machine, key)
        seconds = settings.get("Seconds") if isinstance(settings, Record) else 259200.0
        tasks(machine)[key] = {
            "path": path.rstrip("\\") + "\\", "name": name, "execute": str(action.get("Execute")),
            "argument": str(action.get("Argument") or ""), "folder": str(action.get("WorkingDirectory") or ""),
            "user": "SYSTEM" if user.lower() in _SYSTEM else user, "limit": float(str(seconds)),
            "state": "Ready", "result": NEVER_RUN, "ran": None,
        }  # fmt: skip
        return [_record(tasks(machine)[key])]


def _record(task: dict[str, Any]) -> Record:
    return Record(
        {
            "TaskName": task["name"],
            "TaskPath": task["path"],
            "State": EnumValue("Microsoft.PowerShell.Cmdletization.GeneratedTypes.ScheduledTask.StateEnum",
                               task["state"], _STATES[task["state"]]),
        },
        type_name=_CIM + "MSFT_ScheduledTask",
    )  # fmt: skip


def _pick(machine: WindowsMachine, bound: Bound, *, required: bool = True) -> list[str]:
    given = bound.get("InputObject")
    if given is not None:
        rows = [r for r in (given if isinstance(given, list) else [given]) if isinstance(r, Record)]
        return [_key(str(r.get("TaskPath")), str(r.get("TaskName"))) for r in rows]
    names, paths = bound.texts("TaskName") or ["*"], bound.texts("TaskPath") or ["*"]
    found = [
        key
        for key, task in tasks(machine).items()
        if any(matches(n, task["name"]) for n in names) and any(matches(p.rstrip("\\") + "\\", task["path"]) or
                                                                matches(p, task["path"]) for p in paths)
    ]  # fmt: skip
    if not found and required:
        if "TaskName" in bound:
            raise cim_not_found("MSFT_ScheduledTask", "TaskName", ",".join(names))
        raise cim_not_found("MSFT_ScheduledTask", "TaskPath", ",".join(paths))
    return found


@command("Get-ScheduledTask")
def get_task(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        required = "TaskName" in bound or "TaskPath" in bound
        return [_record(tasks(process.machine)[key]) for key in _pick(process.machine, bound, required=required)]


@command("Get-ScheduledTaskInfo")
def get_task_info(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        return [
            Record({"TaskName": t["name"], "TaskPath": t["path"], "LastTaskResult": t["result"]})
            for t in (tasks(process.machine)[key] for key in _pick(process.machine, bound))
        ]


@command("Start-ScheduledTask")
def start_task(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    for key in _pick(process.machine, bound):
        _start(process.machine, key)
    return []


def _start(machine: WindowsMachine, key: str) -> None:
    ended = threading.Event()
    with machine.state.change():
        task = tasks(machine)[key]
        if task["state"] == "Running":
            return  # MultipleInstances IgnoreNew, the default
        task.update(state="Running", result=STILL_RUNNING, ran=machine.clock())
        _RUNNING[(id(machine), key)] = ended
        work = dict(task)

    def run() -> None:
        process = WindowsProcess(
            machine,
            killed=ended,
            write=lambda _: None,
            write_error=lambda _: None,
            user=work["user"],
            folder=work["folder"] or SYSTEM32,
        )
        program = process.find_program(work["execute"])
        try:
            if program is None:
                code = NO_FILE
            else:
                arguments = split_arguments(work["argument"])
                code = process.program(program, arguments, b"", process.write, process.write_error)
        except (CommandError, OSError):
            code = NO_FILE
        with machine.state.change():
            if _RUNNING.get((id(machine), key)) is ended:
                del _RUNNING[(id(machine), key)]
                if key in tasks(machine):
                    tasks(machine)[key].update(state="Ready", result=code)

    threading.Thread(target=run, name=f"task {key} on {machine.name}", daemon=True).start()


def _end(machine: WindowsMachine, key: str) -> None:
    event = _RUNNING.pop((id(machine), key), None)
    if event is not None:
        event.set()
    tasks(machine)[key].update(state="Ready", result=TERMINATED)


@command("Stop-ScheduledTask")
def stop_task(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for key in _pick(process.machine, bound):
            if tasks(process.machine)[key]["state"] == "Running":
                _end(process.machine, key)
    return []


@command("Unregister-ScheduledTask")
def unregister_task(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    if bound.get("Confirm") is not False:
        raise CommandError("PowerShell is in NonInteractive mode. Read and Prompt functionality is not available.",
                           "InvalidOperation", terminating=True, category="InvalidOperation")  # fmt: skip
    with process.machine.state.change():
        for key in _pick(process.machine, bound):
            if tasks(process.machine)[key]["state"] == "Running":
                _end(process.machine, key)
            del tasks(process.machine)[key]
    return []
