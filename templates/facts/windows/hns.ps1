$Probes['hns'] = {
    # The command comes with the feature Containers; before that there are no networks either.
    $rows = @()
    $available = $null -ne (Get-Command -Name Get-HnsNetwork -ErrorAction SilentlyContinue)
    if ($available) {
        foreach ($network in @(Get-HnsNetwork)) {
            if ($null -eq $network) { continue }
            $names = @($network.PSObject.Properties | ForEach-Object { $_.Name })
            $address = ''
            if ($names -contains 'ManagementIP') { $address = "$($network.ManagementIP)" }
            $rows += [ordered]@{ name = "$($network.Name)"; type = "$($network.Type)"; management_ip = $address }
        }
    }
    [ordered]@{ available = $available; networks = @($rows) }
}
