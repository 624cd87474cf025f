# Usage: the authorities that the settings name are trusted, and containerd knows where to ask for which registry's
# images. What an earlier run wrote and the settings have no more is gone; what others wrote stays. Safe to run twice.
$Authorities = {{ authorities | ps }}
$Folders = {{ folders | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_records.ps1' %}

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
{% include 'facts/windows/_emit.ps1' %}
