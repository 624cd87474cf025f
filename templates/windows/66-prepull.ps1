# Usage: the images that tests start are here before they are needed. A pull that breaks off is tried again, twice.
$Images = {{ images | ps }}

{% include 'windows/_start.ps1' %}

foreach ($image in $Images) {
    Write-Output "pulling $image"
    $tries = 1
    while ($true) {
        $run = Invoke-Program 'C:\k\crictl.exe' @('--timeout', '60m', 'pull', $image)
        if ($run.Code -eq 0) { break }
        if ($tries -ge 3) { throw "$image cannot be pulled: $($run.Lines -join ' | ')" }
        $tries = $tries + 1
        Start-Sleep -Seconds 5
    }
}
{% include 'facts/windows/_emit.ps1' %}
