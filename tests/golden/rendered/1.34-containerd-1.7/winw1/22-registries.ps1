# Usage: the authorities that the settings name are trusted, and containerd knows where to ask for which registry's
# images. What an earlier run wrote and the settings have no more is gone; what others wrote stays. Safe to run twice.
$Authorities = @()
$Folders = @()

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

$certificates = 'C:\ProgramData\hybrid\authorities'
New-Item -ItemType Directory -Path $certificates -Force | Out-Null
$names = @($Authorities | ForEach-Object { "$($_.name).crt" })
foreach ($file in @(Get-ChildItem -LiteralPath $certificates -File)) {
    if ($names -contains $file.Name) { continue }
    Write-Output "no longer trusted: $($file.Name)"
    Invoke-Program 'certutil.exe' @('-delstore', 'Root', ($file.Name -replace '\.crt$', '')) | Out-Null
    Remove-Item -LiteralPath $file.FullName -Force
}
foreach ($authority in $Authorities) {
    $path = "$certificates\$($authority.name).crt"
    Set-TextFile $path $authority.text | Out-Null
    Invoke-Checked 'certutil.exe' @('-f', '-addstore', 'Root', $path) | Out-Null
    Write-Output "trusted: $($authority.name)"
}

$hosts = 'C:\etc\containerd\certs.d'
New-Item -ItemType Directory -Path $hosts -Force | Out-Null
# Pull secrets may stand in these files: they are for SYSTEM and administrators only, by their well-known numbers.
Invoke-Checked 'icacls.exe' @($hosts, '/inheritance:r', '/grant:r', '*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F') | Out-Null
$wanted = @($Folders | ForEach-Object { $_.name })
foreach ($folder in @(Get-ChildItem -LiteralPath $hosts -Directory)) {
    $path = "$($folder.FullName)\hosts.toml"
    if ($wanted -contains $folder.Name -or -not (Test-Path -LiteralPath $path)) { continue }
    if ("$(Get-Content -LiteralPath $path -Raw)" -notlike '# hybrid: *') { continue }
    Write-Output "forgetting $($folder.Name)"
    Remove-Item -LiteralPath $path -Force
    Remove-Item -LiteralPath "$($folder.FullName)\ca.pem" -Force -ErrorAction SilentlyContinue
}
foreach ($folder in $Folders) {
    New-Item -ItemType Directory -Path "$hosts\$($folder.name)" -Force | Out-Null
    if ($folder.ca -ne '') {
        Set-TextFile "$hosts\$($folder.name)\ca.pem" $folder.ca | Out-Null
    } else {
        Remove-Item -LiteralPath "$hosts\$($folder.name)\ca.pem" -Force -ErrorAction SilentlyContinue
    }
    if (Set-TextFile "$hosts\$($folder.name)\hosts.toml" $folder.text) { Write-Output "written: $($folder.name)" }
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
$Probes['registries'] = {
    # What we wrote for containerd's registries (digests, no secrets), and which of our authorities Windows trusts.
    $files = [ordered]@{}
    $authorities = [ordered]@{}
    $hosts = 'C:\etc\containerd\certs.d'
    if (Test-Path -LiteralPath $hosts) {
        foreach ($folder in @(Get-ChildItem -LiteralPath $hosts -Directory)) {
            $path = "$($folder.FullName)\hosts.toml"
            if (-not (Test-Path -LiteralPath $path)) { continue }
            if ("$(Get-Content -LiteralPath $path -Raw)" -notlike '# hybrid: *') { continue }
            foreach ($name in @('hosts.toml', 'ca.pem')) {
                $file = "$($folder.FullName)\$name"
                if (Test-Path -LiteralPath $file) { $files["$($folder.Name)/$name"] = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash.ToLowerInvariant() }
            }
        }
    }
    $certificates = 'C:\ProgramData\hybrid\authorities'
    if (Test-Path -LiteralPath $certificates) {
        foreach ($file in @(Get-ChildItem -LiteralPath $certificates -File)) {
            $name = $file.Name -replace '\.crt$', ''
            $authorities[$name] = (Invoke-Program 'certutil.exe' @('-store', 'Root', $name)).Code -eq 0
        }
    }
    [ordered]@{ files = $files; authorities = $authorities }
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
