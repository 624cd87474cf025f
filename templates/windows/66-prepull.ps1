# Usage: the images that tests start are here before they are needed. A pull that breaks off is tried again for a while.
$Images = {{ images | ps }}
$LimitSeconds = {{ limit | ps }}

{% include 'windows/_start.ps1' %}

foreach ($image in $Images) {
    Write-Output "pulling $image"
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        $run = Invoke-Program 'C:\k\crictl.exe' @('--timeout', '60m', 'pull', $image)
        if ($run.Code -eq 0) { break }
        if ($clock.Elapsed.TotalSeconds -ge $LimitSeconds) { throw "$image cannot be pulled: $($run.Lines -join ' | ')" }
        Start-Sleep -Seconds 5
    }
}
{% include 'facts/windows/_emit.ps1' %}
