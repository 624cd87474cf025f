"""Names that the lint knows: aliases of 5.1, commands that ask, methods of the few .NET objects."""

from __future__ import annotations

import re

# Get-Alias of Windows PowerShell 5.1, the ones that people type
ALIASES = {
    "%": "ForEach-Object", "?": "Where-Object", "ac": "Add-Content", "cat": "Get-Content", "cd": "Set-Location",
    "clc": "Clear-Content", "cls": "Clear-Host", "copy": "Copy-Item", "cp": "Copy-Item", "curl": "Invoke-WebRequest",
    "del": "Remove-Item", "diff": "Compare-Object", "dir": "Get-ChildItem", "echo": "Write-Output",
    "erase": "Remove-Item", "fl": "Format-List", "foreach": "ForEach-Object", "ft": "Format-Table",
    "gc": "Get-Content", "gci": "Get-ChildItem", "gcim": "Get-CimInstance", "gcm": "Get-Command", "gi": "Get-Item",
    "gm": "Get-Member", "gp": "Get-ItemProperty", "gps": "Get-Process", "group": "Group-Object",
    "gsv": "Get-Service", "gv": "Get-Variable", "gwmi": "Get-WmiObject", "icm": "Invoke-Command",
    "iex": "Invoke-Expression", "ipmo": "Import-Module", "irm": "Invoke-RestMethod", "iwr": "Invoke-WebRequest",
    "kill": "Stop-Process", "ls": "Get-ChildItem", "man": "Get-Help", "md": "New-Item", "measure": "Measure-Object",
    "mi": "Move-Item", "mkdir": "New-Item", "move": "Move-Item", "mv": "Move-Item", "ni": "New-Item",
    "nv": "New-Variable", "oh": "Out-Host", "popd": "Pop-Location", "ps": "Get-Process", "pushd": "Push-Location",
    "pwd": "Get-Location", "rd": "Remove-Item", "ren": "Rename-Item", "ri": "Remove-Item", "rm": "Remove-Item",
    "rmdir": "Remove-Item", "rni": "Rename-Item", "sajb": "Start-Job", "sal": "Set-Alias", "saps": "Start-Process",
    "sasv": "Start-Service", "sc": "Set-Content", "select": "Select-Object", "set": "Set-Variable",
    "si": "Set-Item", "sl": "Set-Location", "sleep": "Start-Sleep", "sls": "Select-String", "sort": "Sort-Object",
    "sp": "Set-ItemProperty", "spps": "Stop-Process", "spsv": "Stop-Service", "start": "Start-Process",
    "sv": "Set-Variable", "tee": "Tee-Object", "type": "Get-Content", "wget": "Invoke-WebRequest",
    "where": "Where-Object", "write": "Write-Output",
}  # fmt: skip

# commands whose impact is High: without -Confirm:$false they ask
ASKING = frozenset(
    {
        "remove-netipaddress", "unregister-scheduledtask", "remove-netroute", "remove-netnat", "disable-netadapter",
    }
)  # fmt: skip

NATIVE_METHODS = frozenset(
    {
        "addscript", "addargument", "append", "appendline", "begininvoke", "close", "computehash", "copyto",
        "dispose", "endinvoke", "flush", "getbaseexception", "getbytes", "getpreamble", "getstring", "readbyte",
        "readline", "readtoend", "reset", "restart", "seek", "start", "stop", "waitone", "write", "writebyte",
        "writeline",
    }
)  # fmt: skip


def is_program(name: str) -> bool:
    """Whether a literal name can only be a program or a script file."""
    return bool(re.search(r"\.(exe|cmd|bat|com|ps1)$", name, re.I)) or "\\" in name or "/" in name
