$Probes['settings'] = {
    $updates = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU'
    $overrides = 'HKLM:\SYSTEM\CurrentControlSet\Policies\Microsoft\FeatureManagement\Overrides'
    $hns = 'HKLM:\SYSTEM\CurrentControlSet\Services\hns\State'
    # The list of networks that Windows could not identify has this number as its name.
    $unidentified = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\CurrentVersion\NetworkList\Signatures\010103000F0000F0010000000F0000F0C967A3643C3AD745950DA7859209176EF5B87C875FA20DF21951640E807D7C24'
    $values = @(
        @($updates, 'NoAutoUpdate'), @($updates, 'AUOptions'),
        @($overrides, '1114842764'), @($overrides, '520997518'),
        @($hns, 'EnableCompartmentNamespace'), @($hns, 'HNSControlFlag'), @($hns, 'DeviceLessNicDisabled'),
        @('HKLM:\SYSTEM\CurrentControlSet\Services\wcifs', 'WcifsSOPCountDisabled'),
        @($unidentified, 'Category')
    )
    $registry = [ordered]@{}
    foreach ($value in $values) { $registry["$($value[0])\$($value[1])"] = Get-RegistryValue $value[0] $value[1] }

    $ports = [ordered]@{}
    foreach ($protocol in @('tcp', 'udp')) {
        # The words are in the language of this Windows, the two numbers are not.
        $shown = Invoke-Program 'netsh.exe' @('int', 'ipv4', 'show', 'dynamicport', $protocol)
        $numbers = @($shown.Lines | Where-Object { $_ -match ':\s*\d+\s*$' } | ForEach-Object { [int]($_ -replace '^.*:\s*', '') })
        if ($numbers.Count -ne 2) { throw "netsh.exe says: $($shown.Lines -join ' ')" }
        $ports[$protocol] = [ordered]@{ start = $numbers[0]; count = $numbers[1] }
    }

    $exclusions = $null
    $defender = Get-Service -Name WinDefend -ErrorAction SilentlyContinue
    if ($null -ne $defender -and "$($defender.Status)" -eq 'Running') {
        $exclusions = @((Get-MpPreference).ExclusionProcess | Where-Object { $_ })
    }
    $clock = Get-CimInstance -ClassName Win32_Service -Filter "Name='W32Time'"
    $triggered = Test-Path -LiteralPath 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\TriggerInfo\0'
    $folder = 'C:\ProgramData\hybrid'
    $private = $false
    if (Test-Path -LiteralPath $folder) { $private = (Get-Acl -LiteralPath $folder).AreAccessRulesProtected }
    [ordered]@{
        registry = $registry
        ports = $ports
        defender_exclusions = $exclusions
        time_service = [ordered]@{ state = "$($clock.State)"; start = "$($clock.StartMode)"; triggered = $triggered }
        folder_private = $private
    }
}
