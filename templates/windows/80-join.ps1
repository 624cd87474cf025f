# Usage: joins this machine to the cluster with kubeadm, which starts the kubelet. Safe to run twice; what a broken-off
# join left is removed first. The configuration holds a token: it is on disk only while kubeadm runs.
# $Leave: it has joined a cluster whose control plane was made again since: nothing of that cluster is of use any more.
$JoinConfig = {{ join_config | ps }}
$Leave = {{ leave | ps }}
# The command line of the kubelet's service, and flags that this kubelet does not have any more.
$Command = {{ command | ps }}
$Gone = {{ gone | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_records.ps1' %}
{% include 'windows/_kubelet.ps1' %}

$configPath = 'C:\ProgramData\hybrid\join.yaml'
$left = @('C:\etc\kubernetes\bootstrap-kubelet.conf', 'C:\etc\kubernetes\pki\ca.crt', 'C:\var\lib\kubelet\config.yaml', 'C:\var\lib\kubelet\kubeadm-flags.env')
if ($Leave) {
    # Also ends the containers that the old cluster's kubelet had started here.
    Write-Output 'leaving a cluster that is not there any more'
    Invoke-Checked 'C:\k\kubeadm.exe' @('reset', '--force', '--cri-socket=npipe:////./pipe/containerd-containerd') | Out-Null
}
if (Test-Path -LiteralPath 'C:\etc\kubernetes\kubelet.conf') {
    Write-Output 'joined before'
} else {
    if ($JoinConfig -eq '') { throw 'not joined, and no configuration to join with' }
    # kubeadm refuses to start over files of a join that did not end.
    Stop-Service -Name kubelet -Force
    foreach ($path in $left) { Remove-Item -LiteralPath $path -Force -ErrorAction SilentlyContinue }
    # kubeadm asks the kubelet on PATH for its version; PATH of this process may be older than C:\k.
    $env:Path = "C:\k;$env:Path"
    Set-TextFile $configPath $JoinConfig | Out-Null
    Write-Output 'kubeadm joins'
    try {
        $run = Invoke-Program 'C:\k\kubeadm.exe' @('join', '--config', $configPath, '--v=1')
    } finally {
        Remove-Item -LiteralPath $configPath -Force
    }
    if ($run.Code -ne 0) { throw "kubeadm.exe join ended with $($run.Code): $(@($run.Lines | Select-Object -Last 12) -join "`n")" }
}

# With what kubeadm wrote beyond the command line of the service.
Set-KubeletCommand (Get-KubeletCommand $Command $Gone)
Start-Service -Name kubelet
{% include 'facts/windows/_emit.ps1' %}
