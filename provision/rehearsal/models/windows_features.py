"""Windows features: asked for by ServerManager's and DISM's commands, active after the restart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from provision.rehearsal.models.windows_registry import MachineRegistry
from provision.rehearsal.models.windows_table import command, matches
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.values import EnumValue, Record

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine
    from provision.rehearsal.models.windows_process import WindowsProcess

# ServerManager's name -> (DISM's name, display name, brings along as management tool)
FEATURES = {
    "Containers": ("Containers", "Containers", ()),
    "Hyper-V": ("Microsoft-Hyper-V", "Hyper-V", ("Hyper-V-PowerShell", "Hyper-V-Tools")),
    "Hyper-V-PowerShell": (
        "Microsoft-Hyper-V-Management-PowerShell", "Hyper-V Module for Windows PowerShell", ()),
    "Hyper-V-Tools": ("Microsoft-Hyper-V-Management-Clients", "Hyper-V GUI Management Tools", ()),
    "RemoteAccess": ("RemoteAccessServer", "Remote Access", ()),
    "Routing": ("RemoteAccess-Routing", "Routing", ()),
    "Web-Server": ("IIS-WebServerRole", "Web Server (IIS)", ()),
}  # fmt: skip
NEEDS_RESTART = frozenset({"Containers", "Hyper-V"})
SERVICES = {"Containers": ("vmcompute", "hns"), "Hyper-V": ("vmcompute", "hns", "vmms")}
HNS_STATE = "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\hns\\State"
SERVICING = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing"
REBOOT_PENDING = f"{SERVICING}\\RebootPending"
_INSTALL_STATES = {"Available": 0, "Installed": 1, "InstallPending": 3}


def active(machine: WindowsMachine, name: str) -> bool:
    """Whether a feature is installed and the restart it needs has been."""
    return name in machine.state.section("features").get("installed", [])


def pending(machine: WindowsMachine, name: str) -> bool:
    return name in machine.state.section("features").get("pending", [])


def activate_features(machine: WindowsMachine) -> None:
    """A boot makes pending features active, with their services."""
    from provision.rehearsal.models import windows_scm

    part: dict[str, Any] = machine.state.section("features")
    for name in part.get("pending", []):
        part["installed"].append(name)
        for service in SERVICES.get(name, ()):
            if service not in windows_scm.services(machine):
                windows_scm.add(
                    machine, service, "C:\\Windows\\system32\\svchost.exe -k netsvcs -p", service, "Auto", builtin=True
                )
        if name in SERVICES:
            MachineRegistry(machine.state).create(HNS_STATE)
    part["pending"] = []
    MachineRegistry(machine.state).remove(REBOOT_PENDING)


def _state(machine: WindowsMachine, name: str) -> str:
    if active(machine, name):
        return "Installed"
    return "InstallPending" if pending(machine, name) else "Available"


@command("Get-WindowsFeature")
def get_windows_feature(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    patterns = bound.texts("Name") or ["*"]
    with process.machine.state.reading():
        return [
            Record(
                {
                    "Name": name,
                    "DisplayName": display,
                    "Installed": active(process.machine, name),
                    "InstallState": EnumValue(
                        "Microsoft.Windows.ServerManager.Commands.InstallState",
                        _state(process.machine, name),
                        _INSTALL_STATES[_state(process.machine, name)],
                    ),
                    "FeatureType": "Feature",
                },
                type_name="Microsoft.Windows.ServerManager.Commands.Feature",
            )
            for name, (_, display, _) in FEATURES.items()
            if any(matches(pattern, name) for pattern in patterns)
        ]


@command("Install-WindowsFeature")
def install_windows_feature(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    machine = process.machine
    wanted: list[str] = []
    for name in bound.texts("Name"):
        known = next((feature for feature in FEATURES if feature.lower() == name.lower()), None)
        if known is None:
            raise CommandError(
                "ArgumentNotValid: The role, role service, or feature name is not valid:"
                f" '{name}'. The name was not found.",
                "NameDoesNotExist",
                category="InvalidArgument",
                exception="System.Exception",
            )
        wanted.append(known)
        if bound.on("IncludeManagementTools"):
            wanted += FEATURES[known][2]
    new = install(process, wanted)
    waits = bool(machine.state.section("features")["pending"])
    code = "NoChangeNeeded" if not new else "SuccessRestartRequired" if waits else "Success"
    result = Record(
        {
            "Success": True,
            "RestartNeeded": EnumValue("RestartState", "Yes" if waits else "No", int(waits)),
            "ExitCode": EnumValue("FeatureExitCode", code, {"Success": 0, "NoChangeNeeded": 1003}.get(code, 3010)),
            "FeatureResult": [Record({"Name": name}) for name in new],
        },
        type_name="Microsoft.Windows.ServerManager.Commands.FeatureOperationResult",
    )
    if bound.on("Restart") and waits:
        machine.reboot()
    return [result]


def install(process: WindowsProcess, names: Iterable[str]) -> list[str]:
    """Install features, those that are not there; returns them. The work takes its time and dies with its process."""
    machine = process.machine
    new = [name for name in dict.fromkeys(names) if not active(machine, name) and not pending(machine, name)]
    # Interrupted, DISM leaves nothing half done; the features are simply not there.
    if new and not machine.latencies.wait("windows-feature", process.killed, times=1.0):
        return []
    with machine.state.change():
        part = machine.state.section("features")
        for name in new:
            waits = name in NEEDS_RESTART or part["pending"]
            part["pending" if waits else "installed"].append(name)
            if waits:
                MachineRegistry(machine.state).create(REBOOT_PENDING)
    return new


@command("Get-WindowsOptionalFeature")
def get_windows_optional_feature(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    wanted = bound.text("FeatureName")
    with process.machine.state.reading():
        # An unknown name gives nothing.
        return [
            Record(
                {
                    "FeatureName": dism,
                    "DisplayName": display,
                    "State": EnumValue("Microsoft.Dism.Commands.FeatureState", *_dism(process.machine, name)),
                    "RestartRequired": "Possible",
                },
                type_name="Microsoft.Dism.Commands.AdvancedFeatureObject",
            )
            for name, (dism, display, _) in FEATURES.items()
            if not wanted or dism.lower() == wanted.lower()
        ]


def _dism(machine: WindowsMachine, name: str) -> tuple[str, int]:
    states = {"Installed": ("Enabled", 2), "InstallPending": ("EnablePending", 3), "Available": ("Disabled", 0)}
    return states[_state(machine, name)]


@command("Enable-WindowsOptionalFeature")
def enable_windows_optional_feature(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    names = []
    for dism in bound.texts("FeatureName"):
        name = next((n for n, row in FEATURES.items() if row[0].lower() == dism.lower()), None)
        if name is None:
            raise CommandError(
                f"Feature name {dism} is unknown.",
                "Microsoft.Dism.Commands.EnableWindowsOptionalFeatureCommand",
                terminating=True,
                exception="System.Runtime.InteropServices.COMException",
            )
        names.append(name)
    install(process, names)
    waits = bool(process.machine.state.section("features")["pending"])
    if waits and not bound.on("NoRestart"):
        raise CommandError("rehearsal: the restart's question needs somebody to answer: -NoRestart", terminating=True)
    return [
        Record({"Path": "", "Online": True, "RestartNeeded": waits}, type_name="Microsoft.Dism.Commands.ImageObject")
    ]
