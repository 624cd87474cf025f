$Probes['containerd'] = {
    $folder = 'C:\Program Files\containerd'
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd'"
    $state = 'absent'
    $command = ''
    $start = ''
    if ($null -ne $service) {
        $state = "$($service.State)"
        $command = "$($service.PathName)"
        $start = "$($service.StartMode)"
    }
    $config = ''
    if (Test-Path -LiteralPath "$folder\config.toml") { $config = (Get-FileHash -LiteralPath "$folder\config.toml" -Algorithm SHA256).Hash.ToLowerInvariant() }
    $crictl = ''
    $crictlPath = 'C:\k\crictl.yaml'
    if (Test-Path -LiteralPath $crictlPath) { $crictl = (Get-FileHash -LiteralPath $crictlPath -Algorithm SHA256).Hash.ToLowerInvariant() }
    $environment = @(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\containerd' 'Environment' | Where-Object { $_ })
    # The server's own answer, which is the second version that ctr.exe prints.
    $version = ''
    $detail = ''
    if ($state -eq 'Running' -and (Test-Path -LiteralPath "$folder\ctr.exe")) {
        $answer = Invoke-Program "$folder\ctr.exe" @('--address', '\\.\pipe\containerd-containerd', '--connect-timeout', '5s', 'version')
        if ($answer.Code -eq 0) {
            foreach ($line in $answer.Lines) { if ($line -match '^\s+Version:\s+(\S+)') { $version = $Matches[1] } }
        } else {
            $detail = $answer.Lines -join ' | '
        }
    }
    $onPath = @("$(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'Path')" -split ';') -contains 'C:\Program Files\containerd'
    [ordered]@{
        service = $state
        command = $command
        start = $start
        config = $config
        crictl_config = $crictl
        environment = @($environment)
        on_path = $onPath
        version = $version
        detail = $detail
    }
}
