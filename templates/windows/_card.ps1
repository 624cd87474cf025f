function Get-KubeCarrier {
    # The card that carries the node's address: once a container network has put a virtual switch on
    # the card 'kube', that is the card 'vEthernet (kube)' with the same MAC address.
    $virtual = Get-NetAdapter -Name 'vEthernet (kube)' -ErrorAction SilentlyContinue
    if ($null -ne $virtual) { return $virtual }
    Get-NetAdapter -Name 'kube'
}

function Set-KubeAddress([int]$Index, [string]$Address, [int]$Prefix) {
    # A static address and no other, and no name of this card in anybody's DNS.
    if ("$((Get-NetIPInterface -InterfaceIndex $Index -AddressFamily IPv4).Dhcp)" -ne 'Disabled') {
        Write-Output 'switching DHCP off'
        Set-NetIPInterface -InterfaceIndex $Index -AddressFamily IPv4 -Dhcp Disabled
    }
    $right = $false
    foreach ($old in @(Get-NetIPAddress -InterfaceIndex $Index -AddressFamily IPv4 -ErrorAction SilentlyContinue)) {
        if ($old.IPAddress -eq $Address -and $old.PrefixLength -eq $Prefix) { $right = $true; continue }
        if ($old.IPAddress -like '169.254.*') { continue }  # goes by itself
        Write-Output "removing $($old.IPAddress)/$($old.PrefixLength)"
        # The DHCP client gives its lease back in its own time: it may be gone by now. Facts tell what is left.
        Remove-NetIPAddress -InterfaceIndex $Index -IPAddress $old.IPAddress -Confirm:$false -ErrorAction SilentlyContinue
    }
    if (-not $right) {
        Write-Output "adding $Address/$Prefix"
        New-NetIPAddress -InterfaceIndex $Index -IPAddress $Address -PrefixLength $Prefix -AddressFamily IPv4 | Out-Null
    }
    if ((Get-DnsClient -InterfaceIndex $Index).RegisterThisConnectionsAddress) {
        Write-Output 'switching DNS registration off'
        Set-DnsClient -InterfaceIndex $Index -RegisterThisConnectionsAddress $false
    }
}

function Wait-KubeAddress([int]$Index, [string]$Address, [int]$Seconds) {
    # An address is in use when it is Preferred: Tentative is still asking the network whether it is taken.
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    $state = 'absent'
    while ($true) {
        $now = Get-NetIPAddress -InterfaceIndex $Index -IPAddress $Address -ErrorAction SilentlyContinue
        if ($null -ne $now) { $state = "$($now.AddressState)" }
        if ($state -eq 'Preferred') { break }
        if ($state -eq 'Duplicate') { throw "another machine has the address $Address" }
        if ($clock.Elapsed.TotalSeconds -ge $Seconds) { throw "$Address is not in use after $Seconds s, last seen: $state" }
        Start-Sleep -Milliseconds 500
    }
    Write-Output "$Address is in use"
}

function Set-KubeProfile([int]$Index, [int]$Seconds) {
    # While Windows still identifies the network there is no profile yet, and setting it is refused.
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    $seen = 'no profile yet'
    while ($true) {
        try {
            $current = Get-NetConnectionProfile -InterfaceIndex $Index -ErrorAction SilentlyContinue
            if ($null -ne $current) {
                $seen = "$($current.NetworkCategory)"
                if ($seen -ne 'Public') { break }
                Set-NetConnectionProfile -InterfaceIndex $Index -NetworkCategory Private
            }
        } catch {
            $seen = $_.Exception.Message
        }
        if ($clock.Elapsed.TotalSeconds -ge $Seconds) { throw "the network of this card is not private after $Seconds s, last seen: $seen" }
        Start-Sleep -Milliseconds 500
    }
    Write-Output "the network's profile is $seen"
}
