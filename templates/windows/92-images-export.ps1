# Usage: exports images of this machine's containerd, one archive an image, and puts each onto the control plane, where
# it is expected once; with an empty address the archives stay, to be fetched over SSH. Safe to run twice.
$Images = {{ images | ps }}
$Folder = {{ folder | ps }}
$Address = {{ address | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_records.ps1' %}

if (Test-Path -LiteralPath $Folder) { Remove-Item -LiteralPath $Folder -Recurse -Force }
New-Item -ItemType Directory -Path $Folder -Force | Out-Null
$digests = [ordered]@{}
foreach ($image in $Images) {
    $path = "$Folder\$($image.file)"
    Write-Output "exporting $($image.name)"
    # Without a platform it is this very Windows build: other builds of the image are not here.
    Invoke-Checked 'C:\Program Files\containerd\ctr.exe' @('--address', '\\.\pipe\containerd-containerd', '-n', 'k8s.io', 'images', 'export', $path, $image.name)
    $digests[$image.file] = Get-Digest $path
    if ($Address -ne '') {
        # The address is on the nodes' network: no proxy.
        Invoke-Checked 'curl.exe' @('--fail', '--noproxy', '*', '--silent', '--show-error', '--connect-timeout', '10', '--upload-file', $path, "$Address/$($image.file)")
        Remove-Item -LiteralPath $path -Force
    }
}
$Result['digests'] = $digests
{% include 'facts/windows/_emit.ps1' %}
