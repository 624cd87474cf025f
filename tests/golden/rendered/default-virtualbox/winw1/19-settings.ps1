# Usage: sets what container networking needs of Windows: registry values, updates off, dynamic ports above the
# node ports, programs that Defender leaves alone, the clock, a folder for administrators only. Safe to run twice.
$Values = @(@{ 'key' = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU'; 'name' = 'NoAutoUpdate'; 'value' = 1; 'restart' = $false }, @{ 'key' = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU'; 'name' = 'AUOptions'; 'value' = 2; 'restart' = $false }, @{ 'key' = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\CurrentVersion\NetworkList\Signatures\010103000F0000F0010000000F0000F0C967A3643C3AD745950DA7859209176EF5B87C875FA20DF21951640E807D7C24'; 'name' = 'Category'; 'value' = 1; 'restart' = $false }, @{ 'key' = 'HKLM:\SYSTEM\CurrentControlSet\Services\hns\State'; 'name' = 'EnableCompartmentNamespace'; 'value' = 1; 'restart' = $true }, @{ 'key' = 'HKLM:\SYSTEM\CurrentControlSet\Policies\Microsoft\FeatureManagement\Overrides'; 'name' = '1114842764'; 'value' = 0; 'restart' = $true })
$PortStart = 34000
$PortCount = 31536
$Programs = @('C:\Program Files\containerd\containerd.exe', 'C:\Program Files\containerd\ctr.exe', 'C:\Program Files\containerd\containerd-shim-runhcs-v1.exe', 'C:\k\kubelet.exe', 'C:\k\kube-proxy.exe', 'C:\opt\cni\bin\calico.exe', 'C:\opt\cni\bin\calico-ipam.exe')

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

function Get-RegistryValue([string]$Key, [string]$Name) {
    # The value, or $null when the key or the value is absent.
    $row = Get-ItemProperty -LiteralPath $Key -Name $Name -ErrorAction SilentlyContinue
    if ($null -eq $row) { return $null }
    $row.$Name
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
$Probes['settings'] = {
    $updates = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU'
    $overrides = 'HKLM:\SYSTEM\CurrentControlSet\Policies\Microsoft\FeatureManagement\Overrides'
    $hns = 'HKLM:\SYSTEM\CurrentControlSet\Services\hns\State'
    # The list of networks that Windows could not identify has this number as its name.
    $unidentified = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\CurrentVersion\NetworkList\Signatures\010103000F0000F0010000000F0000F0C967A3643C3AD745950DA7859209176EF5B87C875FA20DF21951640E807D7C24'
    $values = @(
        @($updates, 'NoAutoUpdate'), @($updates, 'AUOptions'),
        @($overrides, '1114842764'), @($overrides, '520997518'),
        @($hns, 'EnableCompartmentNamespace'), @($hns, 'HNSControlFlag'), @($hns, 'DeviceLessNicDisabled'),
        @('HKLM:\SYSTEM\CurrentControlSet\Services\wcifs', 'WcifsSOPCountDisabled'),
        @($unidentified, 'Category')
    )
    $registry = [ordered]@{}
    foreach ($value in $values) { $registry["$($value[0])\$($value[1])"] = Get-RegistryValue $value[0] $value[1] }

    $ports = [ordered]@{}
    foreach ($protocol in @('tcp', 'udp')) {
        # The words are in the language of this Windows, the two numbers are not.
        $shown = Invoke-Program 'netsh.exe' @('int', 'ipv4', 'show', 'dynamicport', $protocol)
        $numbers = @($shown.Lines | Where-Object { $_ -match ':\s*\d+\s*$' } | ForEach-Object { [int]($_ -replace '^.*:\s*', '') })
        if ($numbers.Count -ne 2) { throw "netsh.exe says: $($shown.Lines -join ' ')" }
        $ports[$protocol] = [ordered]@{ start = $numbers[0]; count = $numbers[1] }
    }

    $exclusions = $null
    $defender = Get-Service -Name WinDefend -ErrorAction SilentlyContinue
    if ($null -ne $defender -and "$($defender.Status)" -eq 'Running') {
        $exclusions = @((Get-MpPreference).ExclusionProcess | Where-Object { $_ })
    }
    $clock = Get-CimInstance -ClassName Win32_Service -Filter "Name='W32Time'"
    $triggered = Test-Path -LiteralPath 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\TriggerInfo\0'
    $folder = 'C:\ProgramData\hybrid'
    $private = $false
    if (Test-Path -LiteralPath $folder) { $private = (Get-Acl -LiteralPath $folder).AreAccessRulesProtected }
    [ordered]@{
        registry = $registry
        ports = $ports
        defender_exclusions = $exclusions
        time_service = [ordered]@{ state = "$($clock.State)"; start = "$($clock.StartMode)"; triggered = $triggered }
        folder_private = $private
    }
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
