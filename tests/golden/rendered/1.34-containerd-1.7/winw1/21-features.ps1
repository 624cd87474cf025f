# Usage: installs the Windows features that are missing; takes minutes. Does not restart. Safe to run twice.
$Features = @('Containers')

# Common to all our scripts: strict rules, no progress bars, one way to run a program, one place for the
# script's own results (they end up beside the facts in the last line).
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$Result = [ordered]@{}

function Invoke-Program([string]$Path, [string[]]$Arguments) {
    # 5.1 turns a program's error lines into error records once they are redirected, and 'Stop' would end
    # the script at the first one. So: 'Continue' in here only, both streams as lines of text, and the exit code.
    $ErrorActionPreference = 'Continue'
    $lines = @(& $Path @Arguments 2>&1 | ForEach-Object { "$_" })
    [pscustomobject]@{ Code = $LASTEXITCODE; Lines = $lines }
}

function Invoke-Checked([string]$Path, [string[]]$Arguments) {
    # As Invoke-Program, but another exit code than 0 ends the script with what the program said.
    $run = Invoke-Program $Path $Arguments
    if ($run.Code -ne 0) { throw "$Path ended with $($run.Code): $($run.Lines -join ' | ')" }
    $run.Lines
}

function Add-RebootReason([string]$Reason) {
    # Noted with the time of this boot: after the next one the note means nothing any more.
    $path = 'C:\ProgramData\hybrid\reboot-wanted.json'
    $boot = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToString('yyyyMMddHHmmss')
    $reasons = @()
    if (Test-Path -LiteralPath $path) {
        $note = Get-Content -LiteralPath $path -Raw | ConvertFrom-Json
        if ($note.boot -eq $boot) { $reasons = @($note.reasons) }
    }
    if ($reasons -notcontains $Reason) { $reasons += $Reason }
    New-Item -ItemType Directory -Path 'C:\ProgramData\hybrid' -Force | Out-Null
    $text = ConvertTo-Json -InputObject ([ordered]@{ boot = $boot; reasons = @($reasons) }) -Compress
    Set-Content -LiteralPath "$path.new" -Value $text -Encoding Ascii
    Move-Item -LiteralPath "$path.new" -Destination $path -Force
    Write-Output "a restart is due: $Reason"
}

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

# ---- Facts: each section is read in a runspace of its own and has its own time limit, so that one that
# hangs costs one section and not the answer. The last line of output is one JSON object.
$SectionSeconds = 60
$ProbeCommon = {
    Set-StrictMode -Version Latest
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    function Invoke-Program([string]$Path, [string[]]$Arguments) {
        # 5.1 turns a program's error lines into error records once they are redirected, and 'Stop' would end
        # the script at the first one. So: 'Continue' in here only, both streams as lines of text, and the exit code.
        $ErrorActionPreference = 'Continue'
        $lines = @(& $Path @Arguments 2>&1 | ForEach-Object { "$_" })
        [pscustomobject]@{ Code = $LASTEXITCODE; Lines = $lines }
    }

    function Get-RegistryValue([string]$Key, [string]$Name) {
        # The value, or $null when the key or the value is absent.
        $row = Get-ItemProperty -LiteralPath $Key -Name $Name -ErrorAction SilentlyContinue
        if ($null -eq $row) { return $null }
        $row.$Name
    }

}
$Probes = [ordered]@{}
$Probes['features'] = {
    # Not Get-WindowsFeature, which takes seconds. Win32_OptionalFeature: 1 is enabled, 2 disabled, 3 absent.
    # A feature installed since the last boot counts as pending, whatever Windows calls it until then.
    $names = [ordered]@{ 'Containers' = 'Containers'; 'Microsoft-Hyper-V' = 'Hyper-V'; 'Microsoft-Hyper-V-Management-PowerShell' = 'Hyper-V-PowerShell' }
    $pending = @()
    $note = 'C:\ProgramData\hybrid\reboot-wanted.json'
    if (Test-Path -LiteralPath $note) {
        $boot = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToString('yyyyMMddHHmmss')
        $wanted = Get-Content -LiteralPath $note -Raw | ConvertFrom-Json
        if ($wanted.boot -eq $boot) { $pending = @($wanted.reasons) }
    }
    $states = [ordered]@{}
    foreach ($feature in @($names.Values)) { $states[$feature] = 'absent' }
    $filter = @($names.Keys | ForEach-Object { "Name='$_'" }) -join ' OR '
    foreach ($row in @(Get-CimInstance -ClassName Win32_OptionalFeature -Filter $filter)) {
        $feature = $names["$($row.Name)"]
        if ($row.InstallState -eq 1) { $states[$feature] = 'enabled' } else { $states[$feature] = 'disabled' }
    }
    foreach ($feature in @($names.Values)) {
        if ($pending -contains "feature $feature") { $states[$feature] = 'pending' }
    }
    [ordered]@{ states = $states }
}
$Probes['os'] = {
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $names = 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName'
    $active = Get-RegistryValue "$names\ActiveComputerName" 'ComputerName'
    $pending = Get-RegistryValue "$names\ComputerName" 'ComputerName'

    # Not PendingFileRenameOperations: updates of Defender and Edge leave it set all the time.
    $reasons = @()
    if (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending') { $reasons += 'features or updates of Windows' }
    if (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired') { $reasons += 'Windows Update' }
    if ($active -ne $pending) { $reasons += "host name $pending" }
    $note = 'C:\ProgramData\hybrid\reboot-wanted.json'
    if (Test-Path -LiteralPath $note) {
        $wanted = Get-Content -LiteralPath $note -Raw | ConvertFrom-Json
        if ($wanted.boot -eq $system.LastBootUpTime.ToString('yyyyMMddHHmmss')) { $reasons += @($wanted.reasons) }
    }
    [ordered]@{
        product = "$($system.Caption)"
        build = [int]$system.BuildNumber
        ubr = [int](Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion' 'UBR')
        active_name = "$active".ToLowerInvariant()
        pending_name = "$pending".ToLowerInvariant()
        boot_time = $system.LastBootUpTime.ToUniversalTime().ToString('s') + 'Z'
        time = (Get-Date).ToUniversalTime().ToString('s') + 'Z'
        pending_reboot = @($reasons)
    }
}
$Facts = [ordered]@{}
foreach ($Section in @($Probes.Keys)) {
    $Runner = [powershell]::Create()
    $Runner.AddScript("$ProbeCommon`n$($Probes[$Section])") | Out-Null
    $Started = $Runner.BeginInvoke()
    if (-not $Started.AsyncWaitHandle.WaitOne($SectionSeconds * 1000)) {
        # It is left alone: Stop() would wait for what hangs, and its thread ends with this process.
        $Facts[$Section] = [ordered]@{ unknown = "no answer within $SectionSeconds s" }
        continue
    }
    try {
        $Answers = @($Runner.EndInvoke($Started))
        if ($Answers.Count -ne 1) { throw "the probe gave $($Answers.Count) answers" }
        $Facts[$Section] = $Answers[0]
    } catch {
        $Facts[$Section] = [ordered]@{ unknown = $_.Exception.Message }
    }
    $Runner.Dispose()
}
$Line = [ordered]@{ facts = $Facts }
foreach ($Key in @($Result.Keys)) { $Line[$Key] = $Result[$Key] }
ConvertTo-Json -InputObject $Line -Depth 8 -Compress
