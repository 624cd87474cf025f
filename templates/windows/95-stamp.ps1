# Usage: leaves a note on this machine: the settings that shaped it and their hash. Safe to run twice.
$Stamp = {{ stamp | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_records.ps1' %}

New-Item -ItemType Directory -Path 'C:\ProgramData\hybrid' -Force | Out-Null
if (Set-TextFile 'C:\ProgramData\hybrid\stamp.json' $Stamp) { Write-Output 'the stamp was written' }
{% include 'facts/windows/_emit.ps1' %}
