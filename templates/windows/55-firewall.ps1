# Usage: makes or corrects our firewall rules; leaves all others alone. Safe to run twice.
$Rules = {{ rules | ps }}
$Remote = {{ remote | ps }}

{% include 'windows/_start.ps1' %}

foreach ($rule in $Rules) {
    # For every profile: what limits the rules are ports and the nodes' network.
    $want = @{ Direction = 'Inbound'; Action = 'Allow'; Enabled = 'True'; Profile = 'Any'; Protocol = $rule.protocol; LocalPort = $rule.ports; RemoteAddress = $Remote }
    $present = Get-NetFirewallRule -Name $rule.name -ErrorAction SilentlyContinue
    if ($null -eq $present) {
        Write-Output "making $($rule.name)"
        New-NetFirewallRule -Name $rule.name -DisplayName $rule.title -Group 'hybrid' @want | Out-Null
    } else {
        Write-Output "setting $($rule.name)"
        Set-NetFirewallRule -Name $rule.name @want
    }
}
{% include 'facts/windows/_emit.ps1' %}
