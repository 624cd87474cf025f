# Usage: installs the Windows features that are missing; takes minutes. Does not restart. Safe to run twice.
$Features = {{ features | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_reboot.ps1' %}

$found = @(Get-WindowsFeature -Name $Features)
$names = @($found | ForEach-Object { $_.Name })
$unknown = @($Features | Where-Object { $names -notcontains $_ })
if ($unknown.Count -gt 0) { throw "this Windows has no feature $($unknown -join ', ')" }

$missing = @($found | Where-Object { "$($_.InstallState)" -ne 'Installed' -and "$($_.InstallState)" -ne 'InstallPending' } | ForEach-Object { $_.Name })
$waiting = @($found | Where-Object { "$($_.InstallState)" -eq 'InstallPending' } | ForEach-Object { $_.Name })
if ($missing.Count -gt 0) {
    Write-Output "installing $($missing -join ', ')"
    $installed = Install-WindowsFeature -Name $missing -WarningAction SilentlyContinue
    if (-not $installed.Success) { throw "features not installed: $($installed.ExitCode)" }
    if ("$($installed.RestartNeeded)" -ne 'No') { $waiting += $missing }
}
foreach ($name in $waiting) { Add-RebootReason "feature $name" }
{% include 'facts/windows/_emit.ps1' %}
