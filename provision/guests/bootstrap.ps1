# Receives scripts through standard input, keeps each under its SHA-256, and runs one of them.
# Travels as powershell.exe -EncodedCommand; its input is lines of ASCII:
#   forget DIGEST               the recorded end of a detached script has been taken
#   keep DIGEST BASE64          a script to keep
#   run DIGEST ARGUMENT... end  the script to run, always the last line
# Exit code 97: the input did not come whole, nothing was run. Otherwise the script's own.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$Folder = Join-Path -Path $env:ProgramData -ChildPath 'hybrid\scripts'
if (-not (Test-Path -LiteralPath $Folder) -or -not (Get-Acl -LiteralPath $Folder).AreAccessRulesProtected) {
    $null = New-Item -ItemType Directory -Force -Path $Folder
    # What stands here runs as SYSTEM: nobody but administrators may write (or read) it, whoever made the folder.
    $null = & icacls.exe $Folder '/inheritance:r' '/grant' '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F'
    if ($LASTEXITCODE -ne 0) {
        throw "icacls.exe ended with exit code $LASTEXITCODE"
    }
}
$Run = @()
foreach ($Line in @($input)) {
    $Words = @("$Line".Trim().Split(' '))
    if ($Words[0] -eq 'forget' -and $Words.Count -eq 2) {
        $Path = Join-Path -Path $Folder -ChildPath "$($Words[1]).exit"
        if (Test-Path -LiteralPath $Path) {
            Remove-Item -LiteralPath $Path -Force
        }
    }
    if ($Words[0] -eq 'keep' -and $Words.Count -eq 3) {
        $Path = Join-Path -Path $Folder -ChildPath "$($Words[1]).ps1"
        if (-not (Test-Path -LiteralPath $Path)) {
            $Part = "$Path.$PID"
            [IO.File]::WriteAllBytes($Part, [Convert]::FromBase64String($Words[2]))
            Move-Item -LiteralPath $Part -Destination $Path -Force
        }
        if ((Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash -ne $Words[1]) {
            Remove-Item -LiteralPath $Path -Force
            exit 97
        }
    }
    if ($Words[0] -eq 'run' -and $Words[-1] -eq 'end') {
        $Run = $Words
    }
}
if ($Run.Count -lt 3) {
    exit 97
}
$Path = Join-Path -Path $Folder -ChildPath "$($Run[1]).ps1"
$Arguments = @('-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', $Path)
if ($Run.Count -gt 3) {
    $Arguments += @($Run[2..($Run.Count - 2)])
}
& chcp.com 65001 | Out-Null
& powershell.exe $Arguments
exit $LASTEXITCODE
