function Set-EgressRoute([int]$Index, [string]$Gateway, [int]$Metric, [bool]$Own) {
    # The node's card needs a default gateway, because the outgoing address translation of pods
    # (OutBoundNAT of the virtual switch) sends to the gateway of the card that the switch is on. Its metric
    # is higher than that of the card that Windows itself goes out by, so that the host's own traffic stays there.
    # A card that is not ours keeps the gateway that it has.
    $routes = @(Get-NetRoute -DestinationPrefix '0.0.0.0/0' -InterfaceIndex $Index -AddressFamily IPv4 -ErrorAction SilentlyContinue)
    if ($routes.Count -gt 0 -and -not $Own) { return }
    $right = $false
    foreach ($route in $routes) {
        if ($route.NextHop -eq $Gateway -and $route.RouteMetric -eq $Metric) { $right = $true; continue }
        Write-Output "removing the default route by $($route.NextHop)"
        Remove-NetRoute -DestinationPrefix '0.0.0.0/0' -InterfaceIndex $Index -NextHop $route.NextHop -Confirm:$false
    }
    if (-not $right) {
        Write-Output "adding a default route by $Gateway with metric $Metric"
        New-NetRoute -DestinationPrefix '0.0.0.0/0' -InterfaceIndex $Index -NextHop $Gateway -RouteMetric $Metric -AddressFamily IPv4 | Out-Null
    }
}
