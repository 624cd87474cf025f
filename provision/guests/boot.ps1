# Prints when this machine was started, and why another restart is pending (empty: it is not).
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$Boot = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToUniversalTime().ToString('s') + 'Z'
$Pending = @()
if (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending') {
    $Pending += 'servicing'
}
if (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired') {
    $Pending += 'updates'
}
$Said = [ordered]@{ boot = $Boot; pending = ($Pending -join ', ') }
ConvertTo-Json -InputObject $Said -Compress
