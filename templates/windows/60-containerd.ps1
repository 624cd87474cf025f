# Usage: installs containerd and crictl from delivered archives, and what was built over them; writes their configuration, registers and starts
# the service, waits until it answers. Stops the service only when something changes. Safe to run twice.
$Digests = {{ digests | ps }}
$Config = {{ config | ps }}
$CrictlConfig = {{ crictl_config | ps }}
# Lines NAME=value: the proxy, if there is one.
$Environment = {{ environment | ps }}
$LimitSeconds = {{ limit | ps }}
# Programs that were built: they take the places of the archive's.
$Own = {{ own | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_records.ps1' %}
{% include 'windows/_registry.ps1' %}

{% include 'windows/_path.ps1' %}
{% include 'windows/_service.ps1' %}

$folder = 'C:\Program Files\containerd'
$log = 'C:\var\log\containerd\containerd.log'
$programs = @('containerd.exe', 'containerd-shim-runhcs-v1.exe', 'ctr.exe')
foreach ($path in @($folder, 'C:\k', 'C:\opt\cni\bin', 'C:\etc\cni\net.d', 'C:\etc\containerd\certs.d', 'C:\var\log\containerd')) {
    New-Item -ItemType Directory -Path $path -Force | Out-Null
}

# Stopping containerd stops the kubelet, which depends on it; whoever was running runs again at the end.
$before = @{ containerd = (Get-ServiceState 'containerd'); kubelet = (Get-ServiceState 'kubelet') }

if (-not (Test-Installed 'containerd' $Digests)) {
    $archive = Assert-Delivered 'containerd-windows.tar.gz' $Digests
    $crictl = Assert-Delivered 'crictl-windows.tar.gz' $Digests
    $built = @{}
    foreach ($name in $Own) { $built[$name] = Assert-Delivered $name $Digests }
    if ($before.containerd -ne 'absent') { Stop-Service -Name containerd -Force }
    # Pods and their shims go on without containerd, and a program that runs can be renamed, not overwritten.
    foreach ($name in $programs) {
        if (Test-Path -LiteralPath "$folder\$name") {
            Move-Item -LiteralPath "$folder\$name" -Destination "$folder\$name.old-$([System.Guid]::NewGuid())"
        }
    }
    Write-Output 'unpacking containerd'
    Invoke-Checked 'tar.exe' @('-xf', $archive, '-C', $folder, '--strip-components', '1')
    foreach ($name in $Own) {
        Write-Output "installing $name, which was built"
        Copy-Item -LiteralPath $built[$name] -Destination "$folder\$name" -Force
    }
    foreach ($name in $programs) { Remove-Item -Path "$folder\$name.old-*" -Force -ErrorAction SilentlyContinue }
    Write-Output 'unpacking crictl'
    Invoke-Checked 'tar.exe' @('-xf', $crictl, '-C', 'C:\k')
    Save-Installed 'containerd' $Digests (@($programs | ForEach-Object { "$folder\$_" }) + 'C:\k\crictl.exe')
}
Add-ToPath $folder
if (-not (Test-TextFile "$folder\config.toml" $Config)) {
    # Stopped before it is written, here and below: whatever ends this script, no containerd is left that runs by what
    # is on disk no more, since nothing would tell the next run of it.
    if ((Get-ServiceState 'containerd') -ne 'absent') { Stop-Service -Name containerd -Force }
    Write-Output 'writing the configuration of containerd'
    Set-TextFile "$folder\config.toml" $Config | Out-Null
}
# crictl looks for its configuration beside itself too, which serves every user of this machine.
if (Set-TextFile 'C:\k\crictl.yaml' $CrictlConfig) { Write-Output 'the configuration of crictl was written' }

# Without --log-file a containerd that runs as a service keeps no log at all.
$present = Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd'"
if ($null -ne $present -and "$($present.PathName)" -notlike "*--log-file=$log*") {
    Write-Output "the service was registered otherwise: $($present.PathName)"
    Remove-OldService 'containerd' 60
    $present = $null
}
if ($null -eq $present) {
    Write-Output 'registering the service'
    Invoke-Checked "$folder\containerd.exe" @('--register-service', "--log-file=$log")
}
$key = 'HKLM:\SYSTEM\CurrentControlSet\Services\containerd'
if ((@(Get-RegistryValue $key 'Environment') -join "`n") -ne ($Environment -join "`n")) {
    Stop-Service -Name containerd -Force
    Write-Output 'writing the environment of the service'
    New-ItemProperty -LiteralPath $key -Name 'Environment' -PropertyType MultiString -Value $Environment -Force | Out-Null
}
Start-Service -Name containerd

$clock = [System.Diagnostics.Stopwatch]::StartNew()
while ($true) {
    $answer = Invoke-Program "$folder\ctr.exe" @('--address', '\\.\pipe\containerd-containerd', '--connect-timeout', '5s', 'version')
    if ($answer.Code -eq 0) { break }
    if ($clock.Elapsed.TotalSeconds -ge $LimitSeconds) { throw "containerd does not answer after $LimitSeconds s, last: $($answer.Lines -join ' | '); its log is $log" }
    Start-Sleep -Seconds 1
}
Write-Output 'containerd answers'
if ($before.kubelet -eq 'Running') { Start-Service -Name kubelet }
{% include 'facts/windows/_emit.ps1' %}
