# Usage: makes or corrects the kubelet's service; does not start it, kubeadm does. Safe to run twice.
#
# The service is kube-log-runner.exe, which writes kubelet.exe's output to a file; no other program is needed.
# The command line holds from the start everything that kubeadm will write into kubeadm-flags.env (address, name,
# taints): a kubelet on Windows does not read that file, and the first start, by kubeadm, is the one that registers
# the node. A script that reads the file at each start would need a program that makes a service of a script, and
# would still find no file at the first start. 80-join.ps1 adds what kubeadm wrote beyond that, should it ever.
$Command = {{ command | ps }}
# Flags that this kubelet does not have any more.
$Gone = {{ gone | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_service.ps1' %}
{% include 'windows/_kubelet.ps1' %}

foreach ($path in @('C:\var\log\kubelet', 'C:\var\lib\kubelet', 'C:\etc\kubernetes\pki', 'C:\etc\kubernetes\manifests')) {
    New-Item -ItemType Directory -Path $path -Force | Out-Null
}
$wanted = Get-KubeletCommand $Command $Gone
$before = Get-ServiceState 'kubelet'
if ($before -eq 'absent') {
    Write-Output 'making the service'
    New-Service -Name kubelet -DisplayName 'Kubernetes node agent' -BinaryPathName $wanted -DependsOn containerd -StartupType Automatic | Out-Null
}
Set-KubeletCommand $wanted
if ($before -eq 'Running') { Start-Service -Name kubelet }
Invoke-Checked 'sc.exe' @('failure', 'kubelet', 'reset=', '3600', 'actions=', 'restart/5000/restart/10000/restart/60000') | Out-Null
Invoke-Checked 'sc.exe' @('failureflag', 'kubelet', '1') | Out-Null
{% include 'facts/windows/_emit.ps1' %}
