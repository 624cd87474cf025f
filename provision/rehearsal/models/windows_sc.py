"""sc.exe on a modelled Windows: services queried, made, changed, started, stopped, deleted; triggers deleted."""

from __future__ import annotations

from typing import Any

from provision.rehearsal.models.windows_process import Program
from provision.rehearsal.models.windows_registry import MachineRegistry
from provision.rehearsal.models.windows_scm import (
    KEYS,
    RUNNING,
    TEXTS,
    ServiceError,
    add,
    get,
    remove,
    services,
    start,
    stop,
)
from provision.rehearsal.models.windows_table import program

_NUMBERS = {"Stopped": 1, "Running": 4}
_MODES = {"auto": "Auto", "demand": "Manual", "disabled": "Disabled", "delayed-auto": "Auto"}
_WORDS = {"auto": 2, "manual": 3, "disabled": 4}


@program("sc")
def sc(call: Program) -> int:
    """As sc.exe: everything on standard output, the Windows error as the exit code."""
    words = list(call.arguments)
    if not words:
        return _usage(call)
    verb = words.pop(0).lower()
    action = _VERBS.get(verb)
    if action is None or (not words and verb not in ("query", "queryex")):
        return _usage(call)
    try:
        with call.machine.state.change():
            action(call, words)
    except ServiceError as error:
        what = {"start": "StartService", "delete": "DeleteService", "stop": "ControlService"}.get(verb, "OpenService")
        if error.code == 1060:
            what = "EnumQueryServicesStatus:OpenService" if verb.startswith("query") else "OpenService"
        call.out(f"[SC] {what} FAILED {error.code}:\n\n{TEXTS[error.code]}\n")
        return error.code
    except _Usage:
        return _usage(call)
    return 0


class _Usage(Exception):
    """An option that sc.exe does not know."""


def _usage(call: Program) -> int:
    call.out("ERROR:  Invalid usage.\n\nDESCRIPTION:\n        SC is a command line program used for communicating"
             " with the\n"
             "        Service Control Manager and services.")  # fmt: skip
    return 1639


def _options(words: list[str], known: set[str]) -> dict[str, str]:
    """``name= value`` pairs; sc.exe wants the blank after the equals sign, or takes ``name=value``."""
    found: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name, separator, value = word.partition("=")
        if not separator or name.lower() not in known:
            raise _Usage
        if not value:
            if not words:
                raise _Usage
            value = words.pop(0)
        found[name.lower()] = value
    return found


def _status(call: Program, service: dict[str, Any]) -> None:
    state = service["state"]
    call.out(
        f"\nSERVICE_NAME: {service['name']} \n        TYPE               : 10  WIN32_OWN_PROCESS  \n"
        f"        STATE              : {_NUMBERS[state]}  {state.upper()} \n"
        f"        WIN32_EXIT_CODE    : {service['exit']}  (0x{service['exit']:x})\n"
        "        SERVICE_EXIT_CODE  : 0  (0x0)\n        CHECKPOINT         : 0x0\n        WAIT_HINT          : 0x0"
    )


def _query(call: Program, words: list[str]) -> None:
    chosen = [get(call.machine, words[0])] if words else list(services(call.machine).values())
    for service in chosen:
        _status(call, service)


def _qc(call: Program, words: list[str]) -> None:
    service = get(call.machine, words[0])
    number = _WORDS[service["mode"].lower()]
    word = {2: "AUTO_START", 3: "DEMAND_START", 4: "DISABLED"}[number]
    call.out(
        f"[SC] QueryServiceConfig SUCCESS\n\nSERVICE_NAME: {service['name']}\n"
        f"        START_TYPE         : {number}   {word}\n        BINARY_PATH_NAME   : {service['path']}\n"
        f"        DISPLAY_NAME       : {service['display']}\n"
        f"        DEPENDENCIES       : {' '.join(service['depends'])}\n"
        f"        SERVICE_START_NAME : {service['account']}"
    )


def _create(call: Program, words: list[str]) -> None:
    name = words.pop(0)
    options = _options(words, {"binpath", "start", "depend", "displayname", "obj", "type"})
    if "binpath" not in options:
        raise _Usage
    add(
        call.machine, name, options["binpath"], options.get("displayname", ""),
        _MODES[options.get("start", "demand").lower()], depends=[d for d in options.get("depend", "").split("/") if d],
    )  # fmt: skip
    call.out("[SC] CreateService SUCCESS")


def _config(call: Program, words: list[str]) -> None:
    service = get(call.machine, words.pop(0))
    options = _options(words, {"binpath", "start", "depend", "displayname", "obj", "type"})
    if "binpath" in options:
        service["path"] = options["binpath"]
    if "start" in options:
        if options["start"].lower() not in _MODES:
            raise _Usage
        service["mode"] = _MODES[options["start"].lower()]
    if "depend" in options:
        service["depends"] = [d for d in options["depend"].split("/") if d]
    service["display"] = options.get("displayname", service["display"])
    call.out("[SC] ChangeServiceConfig SUCCESS")


def _failure(call: Program, words: list[str]) -> None:
    service = get(call.machine, words.pop(0))
    options = _options(words, {"reset", "actions", "reboot", "command"})
    parts = options["actions"].split("/") if options.get("actions") else []
    if "actions" in options and (len(parts) % 2 or not all(p in ("restart", "run", "reboot", "") for p in parts[::2])):
        raise _Usage
    service["failure"] = parts
    call.out("[SC] ChangeServiceConfig2 SUCCESS")


def _failureflag(call: Program, words: list[str]) -> None:
    service = get(call.machine, words.pop(0))
    if not words or words[0] not in ("0", "1"):
        raise _Usage
    service["failureflag"] = words[0] == "1"
    call.out("[SC] ChangeServiceConfig2 SUCCESS")


def _description(call: Program, words: list[str]) -> None:
    get(call.machine, words[0])["description"] = " ".join(words[1:])
    call.out("[SC] ChangeServiceConfig2 SUCCESS")


def _triggerinfo(call: Program, words: list[str]) -> None:
    service = get(call.machine, words.pop(0))
    if words != ["delete"]:
        raise _Usage
    MachineRegistry(call.machine.state).remove(f"{KEYS}\\{service['name']}\\TriggerInfo")
    call.out("[SC] ChangeServiceConfig2 SUCCESS")


def _start(call: Program, words: list[str]) -> None:
    if get(call.machine, words[0])["state"] == "Running":
        raise ServiceError(RUNNING)
    start(call.machine, words[0])
    _status(call, get(call.machine, words[0]))


def _stop(call: Program, words: list[str]) -> None:
    stop(call.machine, words[0])
    if words[0].lower() in services(call.machine):
        _status(call, get(call.machine, words[0]))


def _delete(call: Program, words: list[str]) -> None:
    remove(call.machine, words[0])
    call.out("[SC] DeleteService SUCCESS")


_VERBS = {
    "query": _query, "queryex": _query, "qc": _qc, "create": _create, "config": _config, "failure": _failure,
    "failureflag": _failureflag, "description": _description, "start": _start, "stop": _stop, "delete": _delete,
    "triggerinfo": _triggerinfo,
}  # fmt: skip
