# Usage: waits until Calico has made its networks on this machine, and checks that they are on the node's card.
# The virtual switch takes over the card for a moment, connections over it may break; afterwards address, profile and
# default route are what they were. Safe to run twice.
$Address = {{ address | ps }}
$Prefix = {{ prefix | ps }}
$Own = {{ own_address | ps }}
$Gateway = {{ gateway | ps }}
$Metric = {{ metric | ps }}
$AddressSeconds = {{ address_limit | ps }}
$LimitSeconds = {{ limit | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_card.ps1' %}
{% include 'windows/_egress.ps1' %}
{% include 'windows/_hns.ps1' %}

$clock = [System.Diagnostics.Stopwatch]::StartNew()
$said = ''
while ($true) {
    $right = @()
    $seen = 'no networks'
    try {
        $networks = @(Get-NetworkRows)
        if ($networks.Count -gt 0) { $seen = @($networks | ForEach-Object { "$($_.name) ($($_.type), $($_.management_ip))" }) -join ', ' }
        # A switch may lose the card's static address (microsoft/SDN#498, projectcalico/calico#4631: 2004 and later; not
        # Windows Server 2022, says WMCO), and Calico waits for it: an address of the card is that of its networks.
        if ($Own -and $seen -like '*External*') {
            $carrier = Get-KubeCarrier
            Set-KubeAddress $carrier.ifIndex $Address $Prefix
        }
        $right = @($networks | Where-Object { $_.management_ip -eq $Address } | ForEach-Object { $_.name })
    } catch {
        # The host networking service restarts while a network is made; that is no reason to give up.
        $seen = $_.Exception.Message
    }
    if ($seen -ne $said) { Write-Output "networks: $seen"; $said = $seen }
    if ($right -contains 'External' -and $right -contains 'Calico') { break }
    if ($clock.Elapsed.TotalSeconds -ge $LimitSeconds) { throw "Calico has no networks on $Address after $LimitSeconds s, last seen: $seen" }
    Start-Sleep -Seconds 2
}
$carrier = Get-KubeCarrier
Wait-KubeAddress $carrier.ifIndex $Address $AddressSeconds
Set-KubeProfile $carrier.ifIndex $AddressSeconds
if ($Gateway -ne '') { Set-EgressRoute $carrier.ifIndex $Gateway $Metric $Own }
{% include 'facts/windows/_emit.ps1' %}
