# Usage: sets the host name, which becomes active with the next restart. Does not restart. Safe to run twice.
$HostName = {{ name | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_registry.ps1' %}

$key = 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName'
$now = Get-RegistryValue $key 'ComputerName'
if ($now -ne $HostName) {
    Write-Output "renaming $now to $HostName"
    Rename-Computer -NewName $HostName -Force -WarningAction SilentlyContinue
    $now = Get-RegistryValue $key 'ComputerName'
    if ($now -ne $HostName) { throw "the host name is still $now" }
}
{% include 'facts/windows/_emit.ps1' %}
