# Usage: puts the delivered Kubernetes programs into C:\k, which goes onto PATH. A running kubelet goes on with
# the new one. Safe to run twice.
$Digests = {{ digests | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_records.ps1' %}

{% include 'windows/_registry.ps1' %}

{% include 'windows/_path.ps1' %}
{% include 'windows/_service.ps1' %}

New-Item -ItemType Directory -Path 'C:\k' -Force | Out-Null
Add-ToPath 'C:\k'
if (-not (Test-Installed 'kubernetes' $Digests)) {
    $changed = @()
    foreach ($name in @($Digests.Keys | Sort-Object)) {
        $target = "C:\k\$name"
        if ((Get-Digest $target) -eq $Digests[$name]) { continue }
        $source = Assert-Delivered $name $Digests
        Write-Output "installing $name"
        Copy-Item -LiteralPath $source -Destination "$target.new" -Force
        # A program that runs cannot be overwritten, but renamed; the old file goes now or the next time.
        if (Test-Path -LiteralPath $target) { Move-Item -LiteralPath $target -Destination "$target.old" -Force }
        Move-Item -LiteralPath "$target.new" -Destination $target -Force
        Remove-Item -LiteralPath "$target.old" -Force -ErrorAction SilentlyContinue
        $changed += $name
    }
    if ($changed -contains 'kubelet.exe' -and (Get-ServiceState 'kubelet') -eq 'Running') {
        Write-Output 'restarting the kubelet'
        Restart-Service -Name kubelet -Force
    }
    Save-Installed 'kubernetes' $Digests @($Digests.Keys | Sort-Object | ForEach-Object { "C:\k\$_" })
}
{% include 'facts/windows/_emit.ps1' %}
