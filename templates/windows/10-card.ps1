# Usage: gives the private card the name 'kube' and the node's address. Safe to run twice.
# The card is found by its MAC address; without one by the address that it has, and then only renamed.
$Mac = {{ mac | ps }}
$Address = {{ address | ps }}
$Prefix = {{ prefix | ps }}
$LimitSeconds = {{ limit | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_card.ps1' %}

$physical = @(Get-NetAdapter -Physical)
if ($Mac -ne '') {
    $digits = $Mac -replace '[^0-9A-Fa-f]', ''
    $cards = @($physical | Where-Object { ($_.MacAddress -replace '-', '') -eq $digits })
    if ($cards.Count -ne 1) { throw "$($cards.Count) cards have the MAC address $Mac, expected one; there are $(@($physical | ForEach-Object { $_.MacAddress }) -join ', ')" }
} else {
    $cards = @($physical | Where-Object { $_.Name -eq 'kube' })
    if ($cards.Count -eq 0) {
        $index = @(Get-NetIPAddress -IPAddress $Address -ErrorAction SilentlyContinue | ForEach-Object { $_.InterfaceIndex })
        $cards = @($physical | Where-Object { $index -contains $_.ifIndex })
    }
    if ($cards.Count -ne 1) { throw "$($cards.Count) cards have the address $Address, expected one" }
}
if ($cards[0].Name -cne 'kube') {
    Write-Output "card $($cards[0].Name) becomes kube"
    Rename-NetAdapter -Name $cards[0].Name -NewName 'kube'
}
$carrier = Get-KubeCarrier
if ($Mac -ne '') { Set-KubeAddress $carrier.ifIndex $Address $Prefix }
Wait-KubeAddress $carrier.ifIndex $Address $LimitSeconds
Set-KubeProfile $carrier.ifIndex $LimitSeconds
{% include 'facts/windows/_emit.ps1' %}
