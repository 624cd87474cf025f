# Usage: installs containerd and crictl from delivered archives, and what was built over them; writes their configuration, registers and starts
# the service, waits until it answers. Stops the service only when something changes. Safe to run twice.
$Digests = @{ 'containerd-windows.tar.gz' = '<sha256>'; 'crictl-windows.tar.gz' = '<sha256>' }
$Config = '# containerd on a Windows node. What is not named here is left as it is by default.
version = 3

[plugins."io.containerd.cri.v1.images"]
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "registry.k8s.io/pause:3.10.2"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "C:/etc/containerd/certs.d"

[plugins."io.containerd.cri.v1.runtime"]
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["C:/opt/cni/bin"]
    conf_dir = "C:/etc/cni/net.d"
'
$CrictlConfig = 'runtime-endpoint: npipe://./pipe/containerd-containerd
image-endpoint: npipe://./pipe/containerd-containerd
timeout: 30
'
# Lines NAME=value: the proxy, if there is one.
$Environment = @()
$LimitSeconds = 120
# Programs that were built: they take the places of the archive's.
$Own = @()

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

function Get-Digest([string]$Path) {
    # The SHA-256 of a file in lower case, nothing when there is no file.
    if (-not (Test-Path -LiteralPath $Path)) { return '' }
    (Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash.ToLowerInvariant()
}

function Save-Json([string]$Path, $Value) {
    # Written aside and moved, so that nobody reads half of it.
    $text = ConvertTo-Json -InputObject $Value -Depth 5 -Compress
    Set-Content -LiteralPath "$Path.new" -Value $text -Encoding Ascii
    Move-Item -LiteralPath "$Path.new" -Destination $Path -Force
}

function Save-Record([string]$Path, [string]$Digest) {
    # Beside a delivered file: what its digest was at this size and time.
    $file = Get-Item -LiteralPath $Path
    Save-Json "$Path.record" ([ordered]@{ sha256 = $Digest; size = $file.Length; mtime = "$($file.LastWriteTimeUtc.Ticks)" })
}

function Test-Installed([string]$Component, $Digests) {
    # Whether the record says that these very artifacts are installed, and the files are untouched since.
    $path = "C:\ProgramData\hybrid\installed\$Component.json"
    if (-not (Test-Path -LiteralPath $path)) { return $false }
    $known = Get-Content -LiteralPath $path -Raw | ConvertFrom-Json
    $recorded = @($known.digests.PSObject.Properties | ForEach-Object { "$($_.Name)=$($_.Value)" } | Sort-Object) -join ','
    $wanted = @($Digests.Keys | ForEach-Object { "$($_)=$($Digests[$_])" } | Sort-Object) -join ','
    if ($recorded -ne $wanted) { return $false }
    foreach ($file in @($known.files)) {
        $now = Get-Item -LiteralPath $file.path -ErrorAction SilentlyContinue
        if ($null -eq $now) { return $false }
        if ($now.Length -ne $file.size -or "$($now.LastWriteTimeUtc.Ticks)" -ne $file.mtime) { return $false }
    }
    $true
}

function Save-Installed([string]$Component, $Digests, [string[]]$Paths) {
    # The record of a finished installation; written last, so that half of one has none.
    $files = @()
    foreach ($path in $Paths) {
        $file = Get-Item -LiteralPath $path
        $files += [ordered]@{ path = $path; size = $file.Length; mtime = "$($file.LastWriteTimeUtc.Ticks)" }
    }
    New-Item -ItemType Directory -Path 'C:\ProgramData\hybrid\installed' -Force | Out-Null
    Save-Json "C:\ProgramData\hybrid\installed\$Component.json" ([ordered]@{ component = $Component; digests = $Digests; files = @($files) })
}

function Assert-Delivered([string]$Name, $Digests) {
    # The path of a delivered file whose digest is the wanted one.
    $path = "C:\ProgramData\hybrid\files\$Name"
    $digest = Get-Digest $path
    if ($digest -ne $Digests[$Name]) { throw "$path has digest '$digest', expected $($Digests[$Name])" }
    $path
}

function Test-TextFile([string]$Path, [string]$Text) {
    # Whether the file is there with this very text, as Set-TextFile writes it.
    (Test-Path -LiteralPath $Path) -and [System.IO.File]::ReadAllText($Path) -ceq ($Text -replace "`r", '')
}

function Set-TextFile([string]$Path, [string]$Text) {
    # True when the file had to be written. No byte order mark, LF: what Go programs read.
    if (Test-TextFile $Path $Text) { return $false }
    [System.IO.File]::WriteAllText("$Path.new", ($Text -replace "`r", ''))
    Move-Item -LiteralPath "$Path.new" -Destination $Path -Force
    $true
}
function Get-RegistryValue([string]$Key, [string]$Name) {
    # The value, or $null when the key or the value is absent.
    $row = Get-ItemProperty -LiteralPath $Key -Name $Name -ErrorAction SilentlyContinue
    if ($null -eq $row) { return $null }
    $row.$Name
}

function Add-ToPath([string]$Folder) {
    # The machine's PATH, for people and for services started from now on.
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
    $path = "$(Get-RegistryValue $key 'Path')"
    if (@($path -split ';') -notcontains $Folder) {
        Write-Output "$Folder goes onto PATH"
        New-ItemProperty -LiteralPath $key -Name 'Path' -PropertyType ExpandString -Value "$($path.TrimEnd(';'));$Folder" -Force | Out-Null
    }
}
function Get-ServiceState([string]$Name) {
    $service = Get-Service -Name $Name -ErrorAction SilentlyContinue
    if ($null -eq $service) { return 'absent' }
    "$($service.Status)"
}

function Remove-OldService([string]$Name, [int]$Seconds) {
    # Stopped, deleted, and waited for: a service goes only when nobody holds it open any more.
    Stop-Service -Name $Name -Force
    $run = Invoke-Program 'sc.exe' @('delete', $Name)
    # 1072: marked for deletion before.
    if ($run.Code -ne 0 -and $run.Code -ne 1072) { throw "sc.exe delete $Name ended with $($run.Code): $($run.Lines -join ' ')" }
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    while ($null -ne (Get-CimInstance -ClassName Win32_Service -Filter "Name='$Name'")) {
        if ($clock.Elapsed.TotalSeconds -ge $Seconds) { throw "service $Name is still there after $Seconds s: close what shows it (services.msc, Task Manager)" }
        Start-Sleep -Seconds 1
    }
}

$folder = 'C:\Program Files\containerd'
$log = 'C:\var\log\containerd\containerd.log'
$programs = @('containerd.exe', 'containerd-shim-runhcs-v1.exe', 'ctr.exe')
foreach ($path in @($folder, 'C:\k', 'C:\opt\cni\bin', 'C:\etc\cni\net.d', 'C:\etc\containerd\certs.d', 'C:\var\log\containerd')) {
    New-Item -ItemType Directory -Path $path -Force | Out-Null
}

# Stopping containerd stops the kubelet, which depends on it; whoever was running runs again at the end.
$before = @{ containerd = (Get-ServiceState 'containerd'); kubelet = (Get-ServiceState 'kubelet') }

if (-not (Test-Installed 'containerd' $Digests)) {
    $archive = Assert-Delivered 'containerd-windows.tar.gz' $Digests
    $crictl = Assert-Delivered 'crictl-windows.tar.gz' $Digests
    $built = @{}
    foreach ($name in $Own) { $built[$name] = Assert-Delivered $name $Digests }
    if ($before.containerd -ne 'absent') { Stop-Service -Name containerd -Force }
    # Pods and their shims go on without containerd, and a program that runs can be renamed, not overwritten.
    foreach ($name in $programs) {
        if (Test-Path -LiteralPath "$folder\$name") {
            Move-Item -LiteralPath "$folder\$name" -Destination "$folder\$name.old-$([System.Guid]::NewGuid())"
        }
    }
    Write-Output 'unpacking containerd'
    Invoke-Checked 'tar.exe' @('-xf', $archive, '-C', $folder, '--strip-components', '1')
    foreach ($name in $Own) {
        Write-Output "installing $name, which was built"
        Copy-Item -LiteralPath $built[$name] -Destination "$folder\$name" -Force
    }
    foreach ($name in $programs) { Remove-Item -Path "$folder\$name.old-*" -Force -ErrorAction SilentlyContinue }
    Write-Output 'unpacking crictl'
    Invoke-Checked 'tar.exe' @('-xf', $crictl, '-C', 'C:\k')
    Save-Installed 'containerd' $Digests (@($programs | ForEach-Object { "$folder\$_" }) + 'C:\k\crictl.exe')
}
Add-ToPath $folder
if (-not (Test-TextFile "$folder\config.toml" $Config)) {
    # Stopped before it is written, here and below: whatever ends this script, no containerd is left that runs by what
    # is on disk no more, since nothing would tell the next run of it.
    if ((Get-ServiceState 'containerd') -ne 'absent') { Stop-Service -Name containerd -Force }
    Write-Output 'writing the configuration of containerd'
    Set-TextFile "$folder\config.toml" $Config | Out-Null
}
# crictl looks for its configuration beside itself too, which serves every user of this machine.
if (Set-TextFile 'C:\k\crictl.yaml' $CrictlConfig) { Write-Output 'the configuration of crictl was written' }

# Without --log-file a containerd that runs as a service keeps no log at all.
$present = Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd'"
if ($null -ne $present -and "$($present.PathName)" -notlike "*--log-file=$log*") {
    Write-Output "the service was registered otherwise: $($present.PathName)"
    Remove-OldService 'containerd' 60
    $present = $null
}
if ($null -eq $present) {
    Write-Output 'registering the service'
    Invoke-Checked "$folder\containerd.exe" @('--register-service', "--log-file=$log")
}
$key = 'HKLM:\SYSTEM\CurrentControlSet\Services\containerd'
if ((@(Get-RegistryValue $key 'Environment') -join "`n") -ne ($Environment -join "`n")) {
    Stop-Service -Name containerd -Force
    Write-Output 'writing the environment of the service'
    New-ItemProperty -LiteralPath $key -Name 'Environment' -PropertyType MultiString -Value $Environment -Force | Out-Null
}
Start-Service -Name containerd

$clock = [System.Diagnostics.Stopwatch]::StartNew()
while ($true) {
    $answer = Invoke-Program "$folder\ctr.exe" @('--address', '\\.\pipe\containerd-containerd', '--connect-timeout', '5s', 'version')
    if ($answer.Code -eq 0) { break }
    if ($clock.Elapsed.TotalSeconds -ge $LimitSeconds) { throw "containerd does not answer after $LimitSeconds s, last: $($answer.Lines -join ' | '); its log is $log" }
    Start-Sleep -Seconds 1
}
Write-Output 'containerd answers'
if ($before.kubelet -eq 'Running') { Start-Service -Name kubelet }

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
$Probes['installed'] = {
    # A component is intact when every file of its record is there with the recorded size and time.
    $components = [ordered]@{}
    $folder = 'C:\ProgramData\hybrid\installed'
    $records = @()
    if (Test-Path -LiteralPath $folder) { $records = @(Get-ChildItem -LiteralPath $folder -File -Filter '*.json') }
    foreach ($record in $records) {
        $known = Get-Content -LiteralPath $record.FullName -Raw | ConvertFrom-Json
        $wrong = @()
        foreach ($file in @($known.files)) {
            $now = Get-Item -LiteralPath $file.path -ErrorAction SilentlyContinue
            if ($null -eq $now) { $wrong += "$($file.path) is gone" }
            elseif ($now.Length -ne $file.size -or "$($now.LastWriteTimeUtc.Ticks)" -ne $file.mtime) { $wrong += "$($file.path) was changed" }
        }
        $components["$($known.component)"] = [ordered]@{ digests = $known.digests; intact = ($wrong.Count -eq 0); detail = ($wrong -join ', ') }
    }
    [ordered]@{ components = $components }
}
$Probes['containerd'] = {
    $folder = 'C:\Program Files\containerd'
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd'"
    $state = 'absent'
    $command = ''
    $start = ''
    if ($null -ne $service) {
        $state = "$($service.State)"
        $command = "$($service.PathName)"
        $start = "$($service.StartMode)"
    }
    $config = ''
    if (Test-Path -LiteralPath "$folder\config.toml") { $config = (Get-FileHash -LiteralPath "$folder\config.toml" -Algorithm SHA256).Hash.ToLowerInvariant() }
    $crictl = ''
    $crictlPath = 'C:\k\crictl.yaml'
    if (Test-Path -LiteralPath $crictlPath) { $crictl = (Get-FileHash -LiteralPath $crictlPath -Algorithm SHA256).Hash.ToLowerInvariant() }
    $environment = @(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\containerd' 'Environment' | Where-Object { $_ })
    # The server's own answer, which is the second version that ctr.exe prints.
    $version = ''
    $detail = ''
    if ($state -eq 'Running' -and (Test-Path -LiteralPath "$folder\ctr.exe")) {
        $answer = Invoke-Program "$folder\ctr.exe" @('--address', '\\.\pipe\containerd-containerd', '--connect-timeout', '5s', 'version')
        if ($answer.Code -eq 0) {
            foreach ($line in $answer.Lines) { if ($line -match '^\s+Version:\s+(\S+)') { $version = $Matches[1] } }
        } else {
            $detail = $answer.Lines -join ' | '
        }
    }
    $onPath = @("$(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'Path')" -split ';') -contains 'C:\Program Files\containerd'
    [ordered]@{
        service = $state
        command = $command
        start = $start
        config = $config
        crictl_config = $crictl
        environment = @($environment)
        on_path = $onPath
        version = $version
        detail = $detail
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
