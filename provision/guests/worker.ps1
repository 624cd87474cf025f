# Runs a kept script to its end, with its streams in files beside it; a scheduled task runs this as SYSTEM.
# Usage: worker.ps1 DIGEST
param([string]$Digest)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$State = Join-Path -Path $env:ProgramData -ChildPath "hybrid\scripts\$Digest"
& chcp.com 65001 | Out-Null
$Arguments = "-NoProfile -NonInteractive -ExecutionPolicy Bypass -File $State.ps1"
$Process = Start-Process -FilePath 'powershell.exe' -ArgumentList $Arguments -RedirectStandardOutput "$State.log" -RedirectStandardError "$State.err" -NoNewWindow -Wait -PassThru
Set-Content -LiteralPath "$State.code" -Value "$($Process.ExitCode)" -Encoding Ascii
Move-Item -LiteralPath "$State.code" -Destination "$State.exit" -Force
