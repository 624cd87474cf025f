# Runs a kept script to its end, with its streams in files beside it; a scheduled task runs this as SYSTEM.
# Usage: worker.ps1 DIGEST
param([string]$Digest)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$State = Join-Path -Path $env:ProgramData -ChildPath "hybrid\scripts\$Digest"
& chcp.com 65001
$Run = "powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File $State.ps1"
# cmd.exe's redirections leave every byte as it is and let others read along; PowerShell's would write UTF-16.
& cmd.exe '/d' '/c' "$Run > $State.log 2> $State.err"
Set-Content -LiteralPath "$State.code" -Value "$LASTEXITCODE" -Encoding Ascii
Move-Item -LiteralPath "$State.code" -Destination "$State.exit" -Force
