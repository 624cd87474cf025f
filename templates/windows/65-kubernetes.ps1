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
    $due = @($Digests.Keys | Sort-Object | Where-Object { (Get-Digest "C:\k\$_") -ne $Digests[$_] })
    $before = Get-ServiceState 'kubelet'
    $ends = $before -eq 'Running' -and ($due -contains 'kubelet.exe' -or $due -contains 'kube-proxy.exe')
    # Both are ended before anything is replaced: whatever happens from here on, what starts again is the new one.
    if ($ends) {
        Write-Output 'stopping the kubelet'
        Stop-Service -Name kubelet -Force
    }
    # Its container goes on without a kubelet, and one that starts later would take it for the right one.
    if ($due -contains 'kube-proxy.exe') { Stop-Process -Name kube-proxy -Force -ErrorAction SilentlyContinue }
    foreach ($name in $due) {
        $target = "C:\k\$name"
        $source = Assert-Delivered $name $Digests
        Write-Output "installing $name"
        Copy-Item -LiteralPath $source -Destination "$target.new" -Force
        # A program that runs cannot be overwritten, but renamed; the old file goes now or the next time.
        if (Test-Path -LiteralPath $target) { Move-Item -LiteralPath $target -Destination "$target.old-$([System.Guid]::NewGuid())" }
        Move-Item -LiteralPath "$target.new" -Destination $target -Force
        Remove-Item -Path "$target.old-*" -Force -ErrorAction SilentlyContinue
    }
    if ($ends) {
        Write-Output 'starting the kubelet, which sees to kube-proxy'
        # With another minor it may not know a flag of its command line any more. The next steps put that right and
        # see that it runs.
        try {
            Start-Service -Name kubelet
        } catch {
            Write-Output "the kubelet does not start as it is registered: $($_.Exception.Message)"
        }
    }
    Save-Installed 'kubernetes' $Digests @($Digests.Keys | Sort-Object | ForEach-Object { "C:\k\$_" })
}
{% include 'facts/windows/_emit.ps1' %}
