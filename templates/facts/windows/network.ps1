$Probes['network'] = {
    # Once there is a virtual switch on the card, its address lives on the card 'vEthernet (kube)'.
    $cards = @(Get-NetAdapter | Sort-Object -Property ifIndex)
    $rows = @()
    $carrier = $null
    foreach ($card in $cards) {
        $rows += [ordered]@{ name = "$($card.Name)"; index = [int]$card.ifIndex; mac = ("$($card.MacAddress)" -replace '-', ':').ToLowerInvariant(); status = "$($card.Status)" }
        if ($card.Name -eq 'vEthernet (kube)') { $carrier = $card }
        if ($card.Name -eq 'kube' -and $null -eq $carrier) { $carrier = $card }
    }
    $kube = $null
    if ($null -ne $carrier) {
        $index = $carrier.ifIndex
        $addresses = @()
        foreach ($row in @(Get-NetIPAddress -InterfaceIndex $index -AddressFamily IPv4 -ErrorAction SilentlyContinue)) {
            $addresses += [ordered]@{ address = "$($row.IPAddress)"; prefix = [int]$row.PrefixLength; state = "$($row.AddressState)" }
        }
        $profiles = @(Get-NetConnectionProfile -InterfaceIndex $index -ErrorAction SilentlyContinue | ForEach-Object { "$($_.NetworkCategory)" })
        $dhcp = @(Get-NetIPInterface -InterfaceIndex $index -AddressFamily IPv4 -ErrorAction SilentlyContinue | ForEach-Object { "$($_.Dhcp)" })
        $dns = @(Get-DnsClient -InterfaceIndex $index -ErrorAction SilentlyContinue | ForEach-Object { [bool]$_.RegisterThisConnectionsAddress })
        $kube = [ordered]@{
            carrier = "$($carrier.Name)"
            index = [int]$index
            addresses = @($addresses)
            dhcp = ($dhcp -join ',')
            dns_registration = ($dns -contains $true)
            profile = ($profiles -join ',')
        }
    }
    $routes = @()
    foreach ($route in @(Get-NetRoute -DestinationPrefix '0.0.0.0/0' -AddressFamily IPv4 -ErrorAction SilentlyContinue)) {
        $routes += [ordered]@{ index = [int]$route.ifIndex; gateway = "$($route.NextHop)"; metric = [int]$route.RouteMetric + [int]$route.InterfaceMetric }
    }
    [ordered]@{ cards = @($rows); kube = $kube; default_routes = @($routes) }
}
