function Get-NetworkRows {
    # Networks of the host networking service; which properties they have depends on their type.
    foreach ($network in @(Get-HnsNetwork)) {
        if ($null -eq $network) { continue }
        $names = @($network.PSObject.Properties | ForEach-Object { $_.Name })
        $address = ''
        if ($names -contains 'ManagementIP') { $address = "$($network.ManagementIP)" }
        [ordered]@{ name = "$($network.Name)"; type = "$($network.Type)"; management_ip = $address }
    }
}
