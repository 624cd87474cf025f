"""CIM classes of root/cimv2: what Get-CimInstance shows and Invoke-CimMethod does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provision import knowledge
from provision.rehearsal.models.windows_features import FEATURES, active
from provision.rehearsal.models.windows_network import adapters
from provision.rehearsal.models.windows_process import WindowsProcess
from provision.rehearsal.models.windows_scm import ServiceError, get, remove, services, start, stop
from provision.rehearsal.models.windows_table import command, not_modelled
from provision.rehearsal.models.windows_wql import parse_filter
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.values import Hashtable, Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

Rows = Callable[["WindowsMachine"], list[dict[str, object]]]
# Return values of Win32_Service's methods (MSDN: Change method of the Win32_Service class).
_RETURNS = {1060: 16, 1056: 10, 1058: 14, 1062: 6, 1068: 13, 1053: 7, 2: 9, 193: 8, 1051: 3, 1072: 16}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _operating_system(machine: WindowsMachine) -> list[dict[str, object]]:
    row = knowledge.windows(machine.spec["windows_version"])
    memory = int(machine.spec.get("memory", 4096)) * 1024
    return [
        {
            "Caption": f"Microsoft Windows Server {row.version} Standard Evaluation",
            "Version": f"10.0.{row.build}",
            "BuildNumber": str(row.build),
            "OSArchitecture": "64-bit",
            "CSName": machine.computer_name,
            "LastBootUpTime": _moment(machine.boot_time),
            "LocalDateTime": _moment(machine.clock()),
            "TotalVisibleMemorySize": memory,
            "FreePhysicalMemory": memory // 2,
            "ProductType": 3,
        }
    ]


def _computer_system(machine: WindowsMachine) -> list[dict[str, object]]:
    return [
        {
            "Name": machine.computer_name,
            "DNSHostName": machine.host_name,
            "Domain": "WORKGROUP",
            "PartOfDomain": False,
            "Manufacturer": "rehearsal",
            "Model": "rehearsal",
            "NumberOfLogicalProcessors": int(machine.spec.get("cpus", 2)),
            "NumberOfProcessors": 1,
            "TotalPhysicalMemory": int(machine.spec.get("memory", 4096)) * 1024 * 1024,
            "HypervisorPresent": True,
        }
    ]


def _optional_features(machine: WindowsMachine) -> list[dict[str, object]]:
    # InstallState: 1 enabled, 2 disabled, 3 absent, 4 unknown; before the restart it is still disabled.
    return [
        {"Name": dism, "Caption": display, "InstallState": 1 if active(machine, name) else 2}
        for name, (dism, display, _) in FEATURES.items()
    ]


def _services(machine: WindowsMachine) -> list[dict[str, object]]:
    return [
        {
            "Name": s["name"],
            "DisplayName": s["display"],
            "Description": s["description"],
            "PathName": s["path"],
            "State": s["state"],
            "Status": "OK",
            "Started": s["state"] == "Running",
            "StartMode": s["mode"],
            "StartName": s["account"],
            "ProcessId": s["pid"],
            "ExitCode": s["exit"],
        }
        for s in services(machine).values()
    ]


def _disks(machine: WindowsMachine) -> list[dict[str, object]]:
    free = 0 if machine.faults.lasting("disk-full") else 90 * 1024**3
    return [{"DeviceID": "C:", "DriveType": 3, "Size": 127 * 1024**3, "FreeSpace": free, "FileSystem": "NTFS"}]


def _network_adapters(machine: WindowsMachine) -> list[dict[str, object]]:
    return [
        {
            "Name": card["description"],
            "NetConnectionID": card["name"],
            "InterfaceIndex": card["index"],
            "MACAddress": card["mac"].replace("-", ":"),
            "NetEnabled": card["up"],
            "PhysicalAdapter": card["physical"],
        }
        for card in adapters(machine)
    ]


CLASSES: dict[str, Rows] = {
    "Win32_OperatingSystem": _operating_system,
    "Win32_ComputerSystem": _computer_system,
    "Win32_OptionalFeature": _optional_features,
    "Win32_Service": _services,
    "Win32_LogicalDisk": _disks,
    "Win32_NetworkAdapter": _network_adapters,
}


@command("Get-CimInstance")
def get_cim_instance(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    if bound.text("Namespace", "root/cimv2").replace("\\", "/").lower() != "root/cimv2":
        raise not_modelled(f"the CIM namespace {bound.text('Namespace')}")
    name = next((c for c in CLASSES if c.lower() == bound.text("ClassName").lower()), None)
    if name is None:
        raise CommandError(
            "Invalid class ",
            "HRESULT 0x80041010,Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand",
            category="MetadataError",
            exception="Microsoft.Management.Infrastructure.CimException",
        )
    with process.machine.state.reading():
        rows = CLASSES[name](process.machine)
    if "Filter" in bound:
        test = parse_filter(bound.text("Filter"))
        rows = [row for row in rows if test({key.lower(): value for key, value in row.items()})]
    wanted = {text.lower() for text in bound.texts("Property")} - {"*"}
    # Properties that were not asked for are there, and empty.
    return [
        Record(
            {key: value if not wanted or key.lower() in wanted else None for key, value in row.items()},
            type_name=f"Microsoft.Management.Infrastructure.CimInstance#root/cimv2/{name}",
            text=name,
        )
        for row in rows
    ]


@command("Invoke-CimMethod")
def invoke_cim_method(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    target = bound.get("InputObject")
    if not isinstance(target, Record):
        raise not_modelled("Invoke-CimMethod without -InputObject")
    kind = target.type_name.rsplit("/", 1)[-1]
    method = bound.text("MethodName").lower()
    machine = process.machine
    if kind == "Win32_OperatingSystem" and method == "reboot":
        machine.reboot()
        return [_returned(0)]
    if kind != "Win32_Service" or method not in ("change", "startservice", "stopservice", "delete", "changestartmode"):
        raise CommandError(
            "Invalid method ",
            "HRESULT 0x8004102e,Microsoft.Management.Infrastructure.CimCmdlets.InvokeCimMethodCommand",
            exception="Microsoft.Management.Infrastructure.CimException",
        )
    given = bound.get("Arguments")
    arguments = {str(k).lower(): v for k, v in given.items()} if isinstance(given, Hashtable) else {}
    name = str(target.get("Name"))
    try:
        with machine.state.change():
            if method == "startservice":
                start(machine, name)
            elif method == "stopservice":
                stop(machine, name)
            elif method == "delete":
                remove(machine, name)
            else:
                return [_returned(_change(machine, name, arguments))]
    except ServiceError as error:
        return [_returned(_RETURNS.get(error.code, 8))]
    return [_returned(0)]


def _change(machine: WindowsMachine, name: str, arguments: dict[str, object]) -> int:
    keys = {"pathname": "path", "displayname": "display", "startmode": "mode", "startname": "account"}
    service = get(machine, name)
    for argument, value in arguments.items():
        if argument in ("servicedependencies",):
            service["depends"] = [str(v) for v in value] if isinstance(value, list) else []
            continue
        if argument not in keys:
            return 21  # invalid parameter
        if argument == "startmode":
            value = {"automatic": "Auto", "auto": "Auto", "manual": "Manual", "disabled": "Disabled"}.get(
                str(value).lower()
            )
            if value is None:
                return 21
        service[keys[argument]] = str(value)
    return 0


def _returned(value: int) -> Record:
    return Record(
        {"ReturnValue": value, "PSComputerName": None}, type_name="Microsoft.Management.Infrastructure.CimMethodResult"
    )
