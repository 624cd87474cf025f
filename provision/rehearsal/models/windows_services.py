"""PowerShell's commands on services: Get-, Start-, Stop-, Restart-, New- and Set-Service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from provision.rehearsal.models.windows_process import WindowsProcess
from provision.rehearsal.models.windows_scm import (
    HAS_DEPENDENTS,
    NOT_STARTED,
    RUNNING,
    ServiceError,
    add,
    dependents,
    get,
    services,
    start,
    stop,
)
from provision.rehearsal.models.windows_table import command, matches
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.values import EnumValue, Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

_STATUS = {"Stopped": 1, "StartPending": 2, "StopPending": 3, "Running": 4}


def record(machine: WindowsMachine, service: dict[str, Any]) -> Record:
    modes = {"Auto": ("Automatic", 2), "Manual": ("Manual", 3), "Disabled": ("Disabled", 4)}
    status = service["state"]
    return Record(
        {
            "Name": service["name"],
            "ServiceName": service["name"],
            "DisplayName": service["display"],
            "Status": EnumValue("System.ServiceProcess.ServiceControllerStatus", status, _STATUS[status]),
            "StartType": EnumValue("System.ServiceProcess.ServiceStartMode", *modes[service["mode"]]),
            "ServicesDependedOn": [
                record(machine, services(machine)[d.lower()])
                for d in service["depends"]
                if d.lower() in services(machine)
            ],
            "DependentServices": [],
            "CanStop": status == "Running",
        },
        type_name="System.ServiceProcess.ServiceController",
        text=service["name"],
    )


def _not_found(name: str, partial: Iterable[object] = ()) -> CommandError:
    return CommandError(
        f"Cannot find any service with service name '{name}'.",
        "NoServiceFoundForGivenName",
        category="ObjectNotFound",
        exception="Microsoft.PowerShell.Commands.ServiceCommandException",
        partial=partial,
    )


def _failed(verb: str, done: str, service: str, error: ServiceError) -> CommandError:
    return CommandError(
        f"Service '{service} ({service})' cannot be {done} due to the following error: {error}",
        f"CouldNot{verb}Service",
        category="OpenError",
        exception="Microsoft.PowerShell.Commands.ServiceCommandException",
    )


def _chosen(process: WindowsProcess, bound: Bound) -> list[str]:
    """The names that Name, DisplayName or InputObject choose; a name without wildcards must exist."""
    machine = process.machine
    given = bound.get("InputObject")
    if given is not None:
        return [str(r.get("Name")) for r in (given if isinstance(given, list) else [given]) if isinstance(r, Record)]
    names: list[str] = []
    missing = ""
    patterns = bound.texts("Name") or bound.texts("ServiceName")
    for pattern in patterns or (["*"] if "DisplayName" not in bound else []):
        found = [s["name"] for s in services(machine).values() if matches(pattern, s["name"])]
        if not found and not any(c in pattern for c in "*?["):
            missing = missing or pattern
        names += found
    for pattern in bound.texts("DisplayName"):
        names += [s["name"] for s in services(machine).values() if matches(pattern, s["display"])]
    if missing:
        raise _not_found(missing, [record(machine, get(machine, name)) for name in names])
    return names


@command("Get-Service")
def get_service(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.reading():
        names = sorted(set(_chosen(process, bound)), key=str.lower)
        return [record(process.machine, get(process.machine, name)) for name in names]


@command("Start-Service")
def start_service(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    machine = process.machine
    for name in _chosen(process, bound):
        if get(machine, name)["state"] != "Running":
            machine.latencies.wait("windows-service-start", process.killed)
            try:
                start(machine, name)
            except ServiceError as error:
                if error.code != RUNNING:
                    raise _failed("Start", "started", name, error) from error
    return _passed(process, bound)


@command("Stop-Service")
def stop_service(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    machine = process.machine
    for name in _chosen(process, bound):
        try:
            stop(machine, name, force=bound.on("Force"))
        except ServiceError as error:
            if error.code == HAS_DEPENDENTS:
                raise CommandError(
                    f"Cannot stop service '{name} ({name})' because it has dependent services. It can only be stopped"
                    " if the Force flag is set.",
                    "ServiceHasDependentServices",
                    category="InvalidOperation",
                    exception="Microsoft.PowerShell.Commands.ServiceCommandException",
                ) from error
            if error.code != NOT_STARTED:
                raise _failed("Stop", "stopped", name, error) from error
    return _passed(process, bound)


@command("Restart-Service")
def restart_service(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    names = _chosen(process, bound)
    quiet = {key: value for key, value in bound.values.items() if key != "PassThru"}
    again = [d["name"] for name in names for d in dependents(process.machine, name)]
    list(stop_service(process, Bound(quiet)))
    list(start_service(process, Bound({"Name": [*names, *again]})))
    return _passed(process, bound)


def _passed(process: WindowsProcess, bound: Bound) -> list[object]:
    if not bound.on("PassThru"):
        return []
    return [record(process.machine, get(process.machine, name)) for name in _chosen(process, bound)]


@command("New-Service")
def new_service(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    name = bound.text("Name")
    mode = {"Automatic": "Auto", "Manual": "Manual", "Disabled": "Disabled"}[bound.text("StartupType", "Automatic")]
    with process.machine.state.change():
        try:
            add(
                process.machine, name, bound.text("BinaryPathName"), bound.text("DisplayName"), mode,
                depends=bound.texts("DependsOn"), description=bound.text("Description"),
            )  # fmt: skip
        except ServiceError as error:
            raise CommandError(
                f"Service '{name} ({name})' cannot be created due to the following error: {error}",
                "CouldNotNewService",
                category="PermissionDenied",
                exception="Microsoft.PowerShell.Commands.ServiceCommandException",
            ) from error
        return [record(process.machine, get(process.machine, name))]


@command("Set-Service")
def set_service(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change():
        for name in _chosen(process, bound):
            service = get(process.machine, name)
            if "StartupType" in bound:
                modes = {"Automatic": "Auto", "Manual": "Manual", "Disabled": "Disabled"}
                service["mode"] = modes[bound.text("StartupType")]
            for parameter, key in (("DisplayName", "display"), ("Description", "description")):
                if parameter in bound:
                    service[key] = bound.text(parameter)
    status = bound.text("Status")
    if status == "Running":
        start_service(process, bound)
    elif status == "Stopped":
        stop_service(process, bound)
    return _passed(process, bound)
