# Usage: powershell.exe -NoProfile -ExecutionPolicy Bypass -File probe.ps1
# Says what is true on this machine as one line of JSON. Changes nothing; what cannot be read is "unknown".
{% include 'windows/_start.ps1' %}
{% include 'facts/windows/_emit.ps1' %}
