# Usage: brings images out of delivered archives into containerd's store, where the kubelet looks for them; no registry is
# asked. An archive that was imported is removed: its images are there, and a record says from which archive. Safe to run twice.
$Archives = {{ archives | ps }}

{% include 'windows/_start.ps1' %}

$folder = 'C:\ProgramData\hybrid\images'
New-Item -ItemType Directory -Path $folder -Force | Out-Null
foreach ($archive in $Archives) {
    $path = "C:\ProgramData\hybrid\files\$($archive.name)"
    if (-not (Test-Path -LiteralPath $path)) { throw "$($archive.name) was not delivered" }
    Write-Output "importing $($archive.name)"
    # containerd lists an image even when its layers could not be taken in: until the end the record says so.
    Set-Content -LiteralPath "$folder\$($archive.name)" -Value 'importing' -Encoding Ascii
    Invoke-Checked 'C:\Program Files\containerd\ctr.exe' @('--address', '\\.\pipe\containerd-containerd', '-n', 'k8s.io', 'images', 'import', $path)
    Set-Content -LiteralPath "$folder\$($archive.name)" -Value $archive.digest -Encoding Ascii
    Remove-Item -LiteralPath $path -Force
    Remove-Item -LiteralPath "$path.record" -Force -ErrorAction SilentlyContinue
}
{% include 'facts/windows/_emit.ps1' %}
