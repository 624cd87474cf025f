$Probes['firewall'] = {
    # Only our rules, by name: listing all rules takes a minute.
    $rules = [ordered]@{}
    foreach ($name in @('hybrid-kubelet', 'hybrid-vxlan', 'hybrid-nodeports-tcp', 'hybrid-nodeports-udp')) {
        $rule = Get-NetFirewallRule -Name $name -ErrorAction SilentlyContinue
        if ($null -eq $rule) { continue }
        $port = $rule | Get-NetFirewallPortFilter
        $address = $rule | Get-NetFirewallAddressFilter
        $rules[$name] = [ordered]@{
            enabled = ("$($rule.Enabled)" -eq 'True')
            direction = "$($rule.Direction)"
            action = "$($rule.Action)"
            profile = "$($rule.Profile)"
            protocol = "$($port.Protocol)"
            ports = @($port.LocalPort)
            remote = @($address.RemoteAddress)
        }
    }
    [ordered]@{ rules = $rules }
}
