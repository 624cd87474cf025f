"""The computer itself: its name, its restart, its clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from provision.rehearsal.models.windows_process import Program, WindowsProcess
from provision.rehearsal.models.windows_registry import COMPUTER_NAMES, TCPIP, MachineRegistry
from provision.rehearsal.models.windows_scm import ServiceError, get
from provision.rehearsal.models.windows_table import command, program
from provision.rehearsal.powershell.box import Bound, CommandError


@command("Rename-Computer")
def rename_computer(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    machine = process.machine
    new = bound.text("NewName")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,15}", new) or new.isdigit():
        raise CommandError(
            f"Skip computer '{machine.computer_name}' with new name '{new}' because the new name is not valid.",
            "InvalidNewName",
            category="InvalidArgument",
            exception="System.InvalidOperationException",
        )
    with machine.state.change():
        registry = MachineRegistry(machine.state)
        if str(registry.value(f"{COMPUTER_NAMES}\\ComputerName", "ComputerName")).lower() == new.lower():
            raise CommandError(
                f"Skip computer '{machine.computer_name}' with new name '{new}' because the new name is the same as the"
                " current name.",
                "NewNameIsOldName",
                category="InvalidArgument",
                exception="System.InvalidOperationException",
            )
        registry.put(f"{COMPUTER_NAMES}\\ComputerName", "ComputerName", new.upper())
        registry.put(TCPIP, "NV Hostname", new)
    if bound.on("Restart"):
        machine.reboot()
    return []


@command("Restart-Computer")
def restart_computer(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    if not bound.on("Force"):
        raise CommandError(
            "Failed to restart the computer with the following error message: The system shutdown cannot be initiated"
            " because there are other users logged on to the computer.",
            "RestartcomputerFailed",
            category="OperationStopped",
            exception="System.InvalidOperationException",
        )
    process.machine.reboot()
    return []


@program("shutdown")
def shutdown(call: Program) -> int:
    """shutdown.exe /r or /s or /a, with /t, /f, /c, /d."""
    words = [word.lower() if word[:1] in "/-" else word for word in call.arguments]
    flags = {word[1:] for word in words if word[:1] in "/-"}
    if flags - {"r", "s", "t", "f", "c", "d", "a"} and not any(f.startswith("d") for f in flags):
        call.out("Usage: shutdown [/i | /l | /s | /sg | /r | /g | /a | /p | /h | /e | /o] [/hybrid] [/soft] [/fw] [/f]")
        return 1
    delay = 30.0
    for name, value in pairwise(words):
        if name in ("/t", "-t"):
            if not value.isdigit():
                call.err("shutdown: /t needs a number of seconds")
                return 1
            delay = float(value)
    if "a" in flags:
        if not call.machine.restart_pending:
            call.err("Unable to abort the system shutdown because no shutdown was in progress.(1116)")
            return 1116
        with call.machine.state.change() as data:
            del data["power"]["down_at"]
        return 0
    if "r" in flags:
        if call.machine.restart_pending:
            call.err("A system shutdown is in progress.(1115)")
            return 1115
        call.machine.reboot(delay)
        return 0
    if "s" in flags:
        call.machine.power_off()
        return 0
    call.out("Usage: shutdown [/i | /l | /s | /sg | /r | /g | /a | /p | /h | /e | /o] [/hybrid] [/soft] [/fw] [/f]")
    return 1


@program("hostname")
def hostname(call: Program) -> int:
    """hostname.exe without options."""
    if call.arguments:
        call.err("sethostname: Use the Network Control Panel Applet to set hostname.")
        return 1
    call.out(call.machine.host_name)
    return 0


@program("w32tm")
def w32tm(call: Program) -> int:
    """w32tm.exe /resync, /query /status, /config: needs the time service for all but /config."""
    words = [word.lower() for word in call.arguments]
    if not words or words[0] not in ("/resync", "/query", "/config"):
        call.out(f"The command {words[0] if words else ''} is unknown.")
        return 0x80070057
    try:
        running = get(call.machine, "W32Time")["state"] == "Running"
    except ServiceError:
        running = False
    if not running and words[0] != "/config":
        call.out("The following error occurred: The service has not been started. (0x80070426)")
        return 0x80070426
    if words[0] == "/resync":
        call.out("Sending resync command to local computer\nThe command completed successfully.")
    elif words[0] == "/query":
        call.out("Leap Indicator: 0(no warning)\nStratum: 4 (secondary reference)\nSource: time.windows.com,0x8")
    else:
        call.out("The command completed successfully.")
    return 0


@command("Set-TimeZone")
def set_time_zone(process: WindowsProcess, bound: Bound) -> Iterable[object]:
    with process.machine.state.change() as data:
        data["timezone"] = bound.text("Id") or bound.text("Name")
    return []
