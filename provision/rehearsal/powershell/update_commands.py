"""Maintainer's tool: takes the rows of our commands from the full table of Windows commands.

Usage: python -m provision.rehearsal.powershell.update_commands FULL_TABLE.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAMES = """
Add-Content Add-LocalGroupMember Add-Member Add-MpPreference Add-WindowsCapability Clear-Content Compare-Object
Convert-Path ConvertFrom-Json ConvertTo-Json ConvertTo-SecureString Copy-Item Disable-NetAdapter
Disable-NetAdapterBinding Disable-ScheduledTask Disable-WindowsOptionalFeature Enable-NetAdapter
Enable-NetFirewallRule Enable-WindowsOptionalFeature Expand-Archive ForEach-Object Format-List Format-Table Get-Acl
Get-ChildItem Get-CimInstance Get-Command Get-ComputeProcess Get-Content Get-Date Get-DnsClient
Get-DnsClientServerAddress Get-EventLog Get-FileHash Get-HnsEndpoint Get-HnsNetwork Get-HnsPolicyList Get-HotFix
Get-Item Get-ItemProperty Get-ItemPropertyValue Get-LocalGroupMember Get-LocalUser Get-Location Get-Member
Get-Module Get-MpComputerStatus Get-MpPreference Get-NetAdapter Get-NetAdapterAdvancedProperty Get-NetAdapterBinding
Get-NetConnectionProfile Get-NetFirewallAddressFilter Get-NetFirewallApplicationFilter Get-NetFirewallPortFilter
Get-NetFirewallProfile Get-NetFirewallRule Get-NetIPAddress Get-NetIPConfiguration Get-NetIPInterface Get-NetNat
Get-NetRoute Get-NetTCPConnection Get-NetUDPEndpoint Get-Process Get-Random Get-ScheduledTask Get-ScheduledTaskInfo
Get-Service Get-TimeZone Get-VMSwitch Get-Variable Get-Volume Get-WinEvent Get-WindowsCapability Get-WindowsFeature
Get-WindowsOptionalFeature Group-Object Import-Module Install-WindowsFeature Invoke-CimMethod Invoke-Command
Invoke-WebRequest Join-Path Measure-Object Move-Item New-CimInstance New-HnsNetwork New-Item New-ItemProperty
New-LocalUser New-NetFirewallRule New-NetIPAddress New-NetNat New-NetRoute New-Object New-ScheduledTask
New-ScheduledTaskAction New-ScheduledTaskPrincipal New-ScheduledTaskSettingsSet New-ScheduledTaskTrigger New-Service
New-TimeSpan New-VMSwitch Out-File Out-Host Out-Null Out-String Register-ScheduledTask Remove-CimInstance
Remove-HnsEndpoint Remove-HnsNetwork Remove-HnsPolicyList Remove-Item Remove-ItemProperty Remove-MpPreference
Remove-NetFirewallRule Remove-NetIPAddress Remove-NetNat Remove-NetRoute Remove-VMSwitch Remove-Variable
Remove-WindowsFeature Rename-Computer Rename-Item Rename-NetAdapter Resolve-DnsName Resolve-Path Restart-Computer
Restart-Service Select-Object Select-String Set-Acl Set-Alias Set-CimInstance Set-Content Set-Date Set-DnsClient
Set-DnsClientServerAddress Set-ExecutionPolicy Set-Item Set-ItemProperty Set-Location Set-MpPreference
Set-NetAdapter Set-NetConnectionProfile Set-NetFirewallProfile Set-NetFirewallRule Set-NetIPAddress
Set-NetIPInterface Set-NetRoute Set-ScheduledTask Set-Service Set-StrictMode Set-TimeZone Set-Variable Sort-Object
Split-Path Start-Process Start-ScheduledTask Start-Service Start-Sleep Stop-Computer Stop-Process Stop-ScheduledTask
Stop-Service Suspend-Service Tee-Object Test-Connection Test-NetConnection Test-Path Uninstall-WindowsFeature
Unregister-ScheduledTask Update-MpSignature Wait-Process Where-Object Write-Debug Write-Error Write-Host
Write-Information Write-Output Write-Progress Write-Verbose Write-Warning
""".split()  # noqa: SIM905 - a list that one can read


# the reference lists these texts, the commands take the enumeration
KINDS = ["String", "ExpandString", "Binary", "DWord", "MultiString", "QWord", "Unknown"]


def main(arguments: list[str]) -> int:
    """Write ``commands.json`` beside this file; says which names the full table lacks."""
    table = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    rows = {name: table[name] for name in sorted(set(NAMES)) if name in table}
    for row in rows.values():
        for key in ("added", "lacks"):
            row.pop(key, None)
    for name, parameter in (("Set-ItemProperty", "Type"), ("New-ItemProperty", "PropertyType")):
        rows[name]["parameters"][parameter].update(type="Microsoft.Win32.RegistryValueKind", values=KINDS)
    lines = [f"{json.dumps(name)}: {json.dumps(row, separators=(',', ':'))}" for name, row in rows.items()]
    target = Path(__file__).with_name("commands.json")
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    missing = sorted(set(NAMES) - set(rows))
    sys.stdout.write(f"{len(rows)} commands written; not in the full table: {', '.join(missing) or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
