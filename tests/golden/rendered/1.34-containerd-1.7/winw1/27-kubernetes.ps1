# Usage: puts the delivered Kubernetes programs into C:\k, which goes onto PATH. A running kubelet goes on with
# the new one. Safe to run twice.
$Digests = @{ 'kubelet.exe' = '<sha256>'; 'kubeadm.exe' = '<sha256>'; 'kubectl.exe' = '<sha256>'; 'kube-proxy.exe' = '<sha256>'; 'kube-log-runner.exe' = '<sha256>' }

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

New-Item -ItemType Directory -Path 'C:\k' -Force | Out-Null
Add-ToPath 'C:\k'
if (-not (Test-Installed 'kubernetes' $Digests)) {
    $due = @($Digests.Keys | Sort-Object | Where-Object { (Get-Digest "C:\k\$_") -ne $Digests[$_] })
    $before = Get-ServiceState 'kubelet'
    $ends = $before -eq 'Running' -and ($due -contains 'kubelet.exe' -or $due -contains 'kube-proxy.exe')
    # Both are ended before anything is replaced: whatever happens from here on, what starts again is the new one.
    if ($ends) {
        Write-Output 'stopping the kubelet'
        Stop-Service -Name kubelet -Force
    }
    # Its container goes on without a kubelet, and one that starts later would take it for the right one.
    if ($due -contains 'kube-proxy.exe') { Stop-Process -Name kube-proxy -Force -ErrorAction SilentlyContinue }
    foreach ($name in $due) {
        $target = "C:\k\$name"
        $source = Assert-Delivered $name $Digests
        Write-Output "installing $name"
        Copy-Item -LiteralPath $source -Destination "$target.new" -Force
        # A program that runs cannot be overwritten, but renamed; the old file goes now or the next time.
        if (Test-Path -LiteralPath $target) { Move-Item -LiteralPath $target -Destination "$target.old-$([System.Guid]::NewGuid())" }
        Move-Item -LiteralPath "$target.new" -Destination $target -Force
        Remove-Item -Path "$target.old-*" -Force -ErrorAction SilentlyContinue
    }
    if ($ends) {
        Write-Output 'starting the kubelet, which sees to kube-proxy'
        # With another minor it may not know a flag of its command line any more. The next steps put that right and
        # see that it runs.
        try {
            Start-Service -Name kubelet
        } catch {
            Write-Output "the kubelet does not start as it is registered: $($_.Exception.Message)"
        }
    }
    Save-Installed 'kubernetes' $Digests @($Digests.Keys | Sort-Object | ForEach-Object { "C:\k\$_" })
}

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
$Probes['kubelet'] = {
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='kubelet'"
    $state = 'absent'
    $command = ''
    $start = ''
    if ($null -ne $service) {
        $state = "$($service.State)"
        $command = "$($service.PathName)"
        $start = "$($service.StartMode)"
    }
    $server = ''
    $joined = Test-Path -LiteralPath 'C:\etc\kubernetes\kubelet.conf'
    if ($joined) {
        foreach ($line in @(Get-Content -LiteralPath 'C:\etc\kubernetes\kubelet.conf')) { if ($line -match '^\s+server:\s+(\S+)') { $server = $Matches[1] } }
    }
    $flags = ''
    if (Test-Path -LiteralPath 'C:\var\lib\kubelet\kubeadm-flags.env') { $flags = "$(Get-Content -LiteralPath 'C:\var\lib\kubelet\kubeadm-flags.env' -Raw)".Trim() }
    $config = ''
    if (Test-Path -LiteralPath 'C:\var\lib\kubelet\config.yaml') { $config = (Get-FileHash -LiteralPath 'C:\var\lib\kubelet\config.yaml' -Algorithm SHA256).Hash.ToLowerInvariant() }
    $authority = ''
    if (Test-Path -LiteralPath 'C:\etc\kubernetes\pki\ca.crt') { $authority = (Get-FileHash -LiteralPath 'C:\etc\kubernetes\pki\ca.crt' -Algorithm SHA256).Hash.ToLowerInvariant() }
    $nodeIp = ''
    if ($command -match '--node-ip=(\S+)') { $nodeIp = $Matches[1] }
    $onPath = @("$(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'Path')" -split ';') -contains 'C:\k'
    [ordered]@{
        service = $state
        command = $command
        start = $start
        on_path = $onPath
        joined = $joined
        server = $server
        flags = $flags
        node_ip = $nodeIp
        config = $config
        authority = $authority
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
