# Usage: leaves a note on this machine: the settings that shaped it and their hash. Safe to run twice.
$Stamp = '{"hash": "8c5cf778e4b4b5bdfe5162f3db004c1b167cd59614b492b040b904bbe1313eb6", "settings": {"cluster.name": "hybrid", "cni": "calico", "containerd.config": {}, "containerd.windows": "1.7.34", "features.hyperv_isolation": false, "features.node_log_query": true, "hcsshim.path": null, "hcsshim.ref": null, "hcsshim.sha": null, "kubernetes.binaries": {}, "kubernetes.extra_args": {}, "kubernetes.feature_gates": {}, "kubernetes.kubelet_config": {}, "kubernetes.path": null, "kubernetes.ref": null, "kubernetes.sha": null, "kubernetes.verbosity": 2, "kubernetes.version": "1.34.11", "machine.address": "192.168.56.11", "machine.box": "gusztavvargadr/windows-server-2022-standard-core", "machine.box_url": null, "machine.box_version": null, "machine.cpus": 2, "machine.mac": "00:50:56:1a:12:49", "machine.memory": 6144, "machine.name": "winw1", "machine.os": "windows", "machine.role": "worker", "machine.transport": "winrm", "machine.windows_version": "2022", "network.ca": null, "network.egress": "control-plane", "network.machines": "192.168.56.0/24", "network.pods": "10.244.0.0/16", "network.proxy": null, "network.registries": {}, "network.services": "10.96.0.0/12", "provider": "virtualbox"}}'

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

New-Item -ItemType Directory -Path 'C:\ProgramData\hybrid' -Force | Out-Null
if (Set-TextFile 'C:\ProgramData\hybrid\stamp.json' $Stamp) { Write-Output 'the stamp was written' }

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
$Probes['stamp'] = {
    $path = 'C:\ProgramData\hybrid\stamp.json'
    $text = $null
    if (Test-Path -LiteralPath $path) { $text = "$(Get-Content -LiteralPath $path -Raw)".Trim() }
    [ordered]@{ text = $text }
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
