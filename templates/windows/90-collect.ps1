# Usage: powershell.exe -NoProfile -ExecutionPolicy Bypass -File 90-collect.ps1
# Collects what explains a failure: services, addresses, networks, the ends of logs. Reads only; a part that
# cannot be read says so and the next one follows.
{% include 'windows/_start.ps1' %}
{% include 'windows/_hns.ps1' %}

Write-Output '=== services'
foreach ($service in @(Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd' OR Name='kubelet' OR Name='hns' OR Name='vmcompute'")) {
    Write-Output "$($service.Name): $($service.State), starts $($service.StartMode), exit code $($service.ExitCode): $($service.PathName)"
}
foreach ($command in @('ipconfig.exe /all', 'route.exe print -4', 'netsh.exe advfirewall show allprofiles state')) {
    Write-Output "=== $command"
    $words = @($command -split ' ')
    try {
        (Invoke-Program $words[0] @($words | Select-Object -Skip 1)).Lines
    } catch {
        Write-Output "cannot be read: $($_.Exception.Message)"
    }
}
Write-Output '=== networks of containers'
try {
    foreach ($network in @(Get-NetworkRows)) { Write-Output "$($network.name): $($network.type), $($network.management_ip)" }
} catch {
    Write-Output "cannot be read: $($_.Exception.Message)"
}
foreach ($log in @('C:\var\log\containerd\containerd.log', 'C:\var\log\kubelet\kubelet.log', 'C:\var\lib\kubelet\kubeadm-flags.env')) {
    Write-Output "=== $log"
    if (Test-Path -LiteralPath $log) { Get-Content -LiteralPath $log -Tail 200 } else { Write-Output 'there is no such file' }
}
