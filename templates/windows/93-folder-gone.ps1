# Usage: removes a folder that was only lent. Safe to run twice.
$Folder = {{ folder | ps }}

{% include 'windows/_start.ps1' %}

if (Test-Path -LiteralPath $Folder) { Remove-Item -LiteralPath $Folder -Recurse -Force }
{% include 'facts/windows/_emit.ps1' %}
