# Usage: pulls files from the control plane and checks their digests. Goes on where an earlier pull ended. Safe to run twice.
$Files = @(@{ 'name' = 'kubelet.exe'; 'url' = 'http://<control plane>/<path>/kubelet.exe'; 'digest' = '<sha256>' }, @{ 'name' = 'kubeadm.exe'; 'url' = 'http://<control plane>/<path>/kubeadm.exe'; 'digest' = '<sha256>' }, @{ 'name' = 'kubectl.exe'; 'url' = 'http://<control plane>/<path>/kubectl.exe'; 'digest' = '<sha256>' }, @{ 'name' = 'kube-proxy.exe'; 'url' = 'http://<control plane>/<path>/kube-proxy.exe'; 'digest' = '<sha256>' }, @{ 'name' = 'kube-log-runner.exe'; 'url' = 'http://<control plane>/<path>/kube-log-runner.exe'; 'digest' = '<sha256>' })

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

$folder = 'C:\ProgramData\hybrid\files'
New-Item -ItemType Directory -Path $folder -Force | Out-Null
# The address is on the nodes' network: no proxy. Less than 1 kB/s for 30 s counts as a broken connection.
$curl = @('--fail', '--noproxy', '*', '--silent', '--show-error', '--connect-timeout', '10', '--speed-limit', '1000', '--speed-time', '30', '--retry', '5', '--retry-connrefused')
foreach ($file in $Files) {
    $target = "$folder\$($file.name)"
    if ((Get-Digest $target) -eq $file.digest) {
        if (-not (Test-Path -LiteralPath "$target.record")) { Save-Record $target $file.digest }
        Write-Output "$($file.name) is here already"
        continue
    }
    $part = "$target.part"
    $got = Get-Digest $part
    if ($got -ne $file.digest) {
        Write-Output "pulling $($file.name)"
        $size = -1
        do {
            $before = $size
            # curl.exe: without .exe it is the alias of another command.
            $run = Invoke-Program 'curl.exe' ($curl + @('--continue-at', '-', '--output', $part, $file.url))
            $size = 0
            if (Test-Path -LiteralPath $part) { $size = (Get-Item -LiteralPath $part).Length }
            # 18, 28, 52, 56: the connection broke, which curl's own tries pass over. On, as long as bytes come.
        } while (@(18, 28, 52, 56) -contains $run.Code -and $size -gt $before)
        $got = Get-Digest $part
        # 22, 33, 36, or a wrong digest: what was there cannot be continued (too long, or of another file).
        if (@(22, 33, 36) -contains $run.Code -or ($run.Code -eq 0 -and $got -ne $file.digest)) {
            Write-Output "the part of $($file.name) cannot be continued, starting over"
            $run = Invoke-Program 'curl.exe' ($curl + @('--output', $part, $file.url))
            $got = Get-Digest $part
        }
        if ($run.Code -ne 0) { throw "$($file.name): curl.exe ended with $($run.Code): $($run.Lines -join ' | ')" }
    }
    if ($got -ne $file.digest) {
        Remove-Item -LiteralPath $part -Force
        throw "$($file.name) has digest $got, expected $($file.digest); removed"
    }
    Move-Item -LiteralPath $part -Destination $target -Force
    Save-Record $target $file.digest
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
$Probes['delivered'] = {
    # The digest comes from the record beside the file; hashed again only when size or time are others.
    $files = [ordered]@{}
    $folder = 'C:\ProgramData\hybrid\files'
    $present = @()
    if (Test-Path -LiteralPath $folder) { $present = @(Get-ChildItem -LiteralPath $folder -File) }
    foreach ($file in $present) {
        if ($file.Name -like '*.part' -or $file.Name -like '*.record') { continue }
        $digest = ''
        $record = "$($file.FullName).record"
        if (Test-Path -LiteralPath $record) {
            $known = Get-Content -LiteralPath $record -Raw | ConvertFrom-Json
            if ($known.size -eq $file.Length -and $known.mtime -eq "$($file.LastWriteTimeUtc.Ticks)") { $digest = "$($known.sha256)" }
        }
        if ($digest -eq '') { $digest = (Get-FileHash -LiteralPath $file.FullName -Algorithm SHA256).Hash.ToLowerInvariant() }
        $files[$file.Name] = [ordered]@{ sha256 = $digest; size = $file.Length }
    }
    [ordered]@{ files = $files }
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
