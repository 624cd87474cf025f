$Probes['features'] = {
    # Not Get-WindowsFeature, which takes seconds. Win32_OptionalFeature: 1 is enabled, 2 disabled, 3 absent.
    # A feature installed since the last boot counts as pending, whatever Windows calls it until then.
    $names = [ordered]@{ 'Containers' = 'Containers'; 'Microsoft-Hyper-V' = 'Hyper-V'; 'Microsoft-Hyper-V-Management-PowerShell' = 'Hyper-V-PowerShell' }
    $pending = @()
    $note = 'C:\ProgramData\hybrid\reboot-wanted.json'
    if (Test-Path -LiteralPath $note) {
        $boot = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToString('yyyyMMddHHmmss')
        $wanted = Get-Content -LiteralPath $note -Raw | ConvertFrom-Json
        if ($wanted.boot -eq $boot) { $pending = @($wanted.reasons) }
    }
    $states = [ordered]@{}
    foreach ($feature in @($names.Values)) { $states[$feature] = 'absent' }
    $filter = @($names.Keys | ForEach-Object { "Name='$_'" }) -join ' OR '
    foreach ($row in @(Get-CimInstance -ClassName Win32_OptionalFeature -Filter $filter)) {
        $feature = $names["$($row.Name)"]
        if ($row.InstallState -eq 1) { $states[$feature] = 'enabled' } else { $states[$feature] = 'disabled' }
    }
    foreach ($feature in @($names.Values)) {
        if ($pending -contains "feature $feature") { $states[$feature] = 'pending' }
    }
    [ordered]@{ states = $states }
}
