# Usage: gives the node's card a default gateway, for the outgoing traffic of pods. Safe to run twice.
$Gateway = {{ gateway | ps }}
$Metric = {{ metric | ps }}
$Own = {{ own_address | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_card.ps1' %}
{% include 'windows/_egress.ps1' %}

$carrier = Get-KubeCarrier
Set-EgressRoute $carrier.ifIndex $Gateway $Metric $Own
{% include 'facts/windows/_emit.ps1' %}
