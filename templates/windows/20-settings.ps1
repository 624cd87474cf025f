# Usage: sets what container networking needs of Windows: registry values, updates off, dynamic ports above the
# node ports, programs that Defender leaves alone, the clock, a folder for administrators only. Safe to run twice.
$Values = {{ values | ps }}
$PortStart = {{ port_start | ps }}
$PortCount = {{ port_count | ps }}
$Programs = {{ programs | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_registry.ps1' %}
{% include 'windows/_reboot.ps1' %}

# Our folder holds scripts with join tokens: SYSTEM and administrators only, by their numbers, since
# the names are in the language of this Windows.
$folder = 'C:\ProgramData\hybrid'
New-Item -ItemType Directory -Path $folder -Force | Out-Null
if (-not (Get-Acl -LiteralPath $folder).AreAccessRulesProtected) {
    Write-Output "closing $folder to others than administrators"
    Invoke-Checked 'icacls.exe' @($folder, '/inheritance:r', '/grant:r', '*S-1-5-18:(OI)(CI)F', '/grant:r', '*S-1-5-32-544:(OI)(CI)F') | Out-Null
}

foreach ($value in $Values) {
    $old = Get-RegistryValue $value.key $value.name
    if ($null -ne $old -and $old -eq $value.value) { continue }
    Write-Output "$($value.name) becomes $($value.value)"
    # New-Item -Force empties a key that exists: ask first.
    if (-not (Test-Path -LiteralPath $value.key)) { New-Item -Path $value.key -Force | Out-Null }
    New-ItemProperty -LiteralPath $value.key -Name $value.name -PropertyType DWord -Value $value.value -Force | Out-Null
    if ((Get-RegistryValue $value.key $value.name) -ne $value.value) { throw "$($value.key)\$($value.name) did not take $($value.value)" }
    if ($value.restart) { Add-RebootReason "registry value $($value.name)" }
}

foreach ($protocol in @('tcp', 'udp')) {
    $shown = Invoke-Checked 'netsh.exe' @('int', 'ipv4', 'show', 'dynamicport', $protocol)
    $numbers = @($shown | Where-Object { $_ -match ':\s*\d+\s*$' } | ForEach-Object { [int]($_ -replace '^.*:\s*', '') })
    if ($numbers.Count -ne 2) { throw "netsh.exe says something else: $($shown -join ' ')" }
    if ($numbers[0] -eq $PortStart -and $numbers[1] -eq $PortCount) { continue }
    Write-Output "$protocol ports $($numbers[0])+$($numbers[1]) become $PortStart+$PortCount"
    Invoke-Checked 'netsh.exe' @('int', 'ipv4', 'set', 'dynamicport', $protocol, "start=$PortStart", "num=$PortCount") | Out-Null
}

$defender = Get-Service -Name WinDefend -ErrorAction SilentlyContinue
if ($null -ne $defender -and "$($defender.Status)" -eq 'Running') {
    $known = @((Get-MpPreference).ExclusionProcess)
    $added = @($Programs | Where-Object { $known -notcontains $_ })
    if ($added.Count -gt 0) {
        Write-Output "Defender leaves alone: $($added -join ', ')"
        Add-MpPreference -ExclusionProcess $added
    }
} else {
    Write-Output 'Defender does not run, no exclusions'
}

$clock = Get-CimInstance -ClassName Win32_Service -Filter "Name='W32Time'"
if ("$($clock.StartMode)" -ne 'Auto') {
    Write-Output 'the time service starts with Windows'
    Set-Service -Name W32Time -StartupType Automatic
}
if (Test-Path -LiteralPath 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\TriggerInfo\0') {
    # Its trigger is membership in a domain: without one Windows ends the service right after each boot,
    # whatever its start type is (Microsoft, KB 2385818).
    Write-Output 'the time service goes on without a domain'
    Invoke-Checked 'sc.exe' @('triggerinfo', 'W32Time', 'delete') | Out-Null
}
if ("$($clock.State)" -ne 'Running') { Start-Service -Name W32Time }
{% include 'facts/windows/_emit.ps1' %}
