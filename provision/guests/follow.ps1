# Runs a kept script as SYSTEM in a scheduled task, which outlives the connection, and follows it to its end.
# Usage: follow.ps1 DIGEST OFFSET WORKER
# WORKER is the digest of worker.ps1, kept beside the script.
# Prints lines "log FROM BASE64 TO", then "err FROM BASE64 TO", and last "end TO"; or "stopped" when it did not reach
# its end. Positions are in bytes and go on from the log to the errors.
# Exit code: the script's own; 98 when it was stopped.
param([string]$Digest, [string]$Offset, [string]$Worker)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$Folder = Join-Path -Path $env:ProgramData -ChildPath 'hybrid\scripts'
$State = Join-Path -Path $Folder -ChildPath $Digest
$Task = "hybrid-$($Digest.Substring(0, 12))"
$Position = [long]$Offset

function Test-Running {
    $Found = @(Get-ScheduledTask -TaskName $Task -ErrorAction SilentlyContinue)
    if ($Found.Count -eq 0) {
        return $false
    }
    return "$($Found[0].State)" -ne 'Ready'
}

# The rest of a file that another process may still be writing.
function Read-Rest {
    param([string]$Path, [long]$From)
    $Stream = [IO.File]::Open($Path, 'Open', 'Read', 'ReadWrite')
    $null = $Stream.Seek($From, 'Begin')
    $Memory = New-Object -TypeName 'IO.MemoryStream'
    $Stream.CopyTo($Memory)
    $Stream.Close()
    return [Convert]::ToBase64String($Memory.ToArray())
}

# Asked before its end is looked for: work that ends in between has left it, and is neither lost nor started again.
if (-not (Test-Running) -and -not (Test-Path -LiteralPath "$State.exit")) {
    if ($Position -gt 0) {
        'stopped'
        exit 98
    }
    [IO.File]::WriteAllBytes("$State.log", [Convert]::FromBase64String(''))
    [IO.File]::WriteAllBytes("$State.err", [Convert]::FromBase64String(''))
    $Argument = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File $Folder\$Worker.ps1 $Digest"
    $Action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument $Argument
    $Principal = New-ScheduledTaskPrincipal -UserId 'SYSTEM' -LogonType ServiceAccount -RunLevel Highest
    # Tasks have a low priority and a limit of three days unless told otherwise; '00:00:00' is no limit.
    $Settings = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -ExecutionTimeLimit '00:00:00' -Priority 4
    $null = Register-ScheduledTask -TaskName $Task -Action $Action -Principal $Principal -Settings $Settings -Force
    Start-ScheduledTask -TaskName $Task
}
$Idle = 0
while ($true) {
    # Asked before the log is read: what was written before the end is read after it was seen.
    $Ended = Test-Path -LiteralPath "$State.exit"
    $Data = Read-Rest -Path "$State.log" -From $Position
    if ($Data -ne '') {
        $To = $Position + [Convert]::FromBase64String($Data).Length
        "log $Position $Data $To"
        $Position = $To
        continue
    }
    if ($Ended) {
        break
    }
    # A task that was just started may still be called Ready for a moment.
    if (Test-Running) {
        $Idle = 0
    }
    else {
        $Idle += 1
    }
    if ($Idle -gt 20) {
        'stopped'
        exit 98
    }
    Start-Sleep -Milliseconds 250
}
$Log = $Position
while ($true) {
    $Data = Read-Rest -Path "$State.err" -From ($Position - $Log)
    if ($Data -eq '') {
        break
    }
    $To = $Position + [Convert]::FromBase64String($Data).Length
    "err $Position $Data $To"
    $Position = $To
}
"end $Position"
if (@(Get-ScheduledTask -TaskName $Task -ErrorAction SilentlyContinue).Count -gt 0) {
    Unregister-ScheduledTask -TaskName $Task -Confirm:$false
}
exit [int]"$(Get-Content -LiteralPath "$State.exit")"
