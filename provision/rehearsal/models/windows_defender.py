"""Defender's exclusions, the dynamic port ranges (netsh), and small system programs."""

from __future__ import annotations

from collections.abc import Iterable

from provision.rehearsal.models.windows_process import Program, WindowsProcess
from provision.rehearsal.models.windows_scm import ServiceError, get
from provision.rehearsal.models.windows_table import command, program
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.values import Record

_EXCLUSIONS = ("ExclusionProcess", "ExclusionPath")


def _require_defender(process: WindowsProcess) -> None:
    try:
        if get(process.machine, "WinDefend")["state"] == "Running":
            return
    except ServiceError:
        pass
    raise CommandError(
        "The service cannot be started, either because it is disabled or because it has no enabled devices associated"
        " with it.",
        "HRESULT 0x80070422",
        exception="Microsoft.Management.Infrastructure.CimException",
    )


@command("Get-MpPreference")
def get_mp_preference(process: WindowsProcess, _: Bound) -> Iterable[object]:
    _require_defender(process)
    with process.machine.state.reading() as data:
        return [
            Record({name: list(data["defender"][name]) or None for name in _EXCLUSIONS}, type_name="MSFT_MpPreference")
        ]


@command("Add-MpPreference")
def add_mp_preference(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    _require_defender(process)
    with process.machine.state.change() as data:
        for name in _EXCLUSIONS:
            known = {text.lower() for text in data["defender"][name]}
            data["defender"][name] += [text for text in bound.texts(name) if text.lower() not in known]
    return []


@command("Remove-MpPreference")
def remove_mp_preference(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    _require_defender(process)
    with process.machine.state.change() as data:
        for name in _EXCLUSIONS:
            gone = {text.lower() for text in bound.texts(name)}
            data["defender"][name] = [text for text in data["defender"][name] if text.lower() not in gone]
    return []


@program("netsh")
def netsh(call: Program) -> int:
    """``netsh int ipv4 show|set dynamicport tcp|udp [start= num=]``, the part of netsh that is modelled."""
    words = [word.lower() for word in call.arguments]
    path = " ".join(words[:4])
    for spelled in ("interface ipv4", "int ipv4"):
        for verb in ("show", "set"):
            for noun in ("dynamicport", "dynamicportrange"):
                if path == f"{spelled} {verb} {noun}" and words[4:5] and words[4] in ("tcp", "udp"):
                    return _dynamic_port(call, verb, words[4], words[5:])
    call.out(f"The following command was not found: {' '.join(call.arguments)}.")
    return 1


def _dynamic_port(call: Program, verb: str, protocol: str, rest: list[str]) -> int:
    with call.machine.state.change() as data:
        ports = data["ports"]
        if verb == "show":
            start, count = ports[protocol]
            call.out(
                f"\nProtocol {protocol} Dynamic Port Range\n---------------------------------\n"
                f"Start Port      : {start}\nNumber of Ports : {count}\n"
            )
            return 0
        values = [word.split("=", 1)[-1] for word in rest]
        if len(values) < 2 or not all(value.isdigit() for value in values[:2]):
            call.out("The syntax supplied for this command is not valid. Check help for the correct syntax.")
            return 1
        start, count = int(values[0]), int(values[1])
        if start < 1025 or count < 255 or start + count > 65536:
            call.out("The parameter is incorrect.\n")
            return 1
        ports[protocol] = [start, count]
    call.out("Ok.\n")
    return 0
