# Usage: waits until Calico has made its networks on this machine, and checks that they are on the node's card.
# The virtual switch takes over the card for a moment, connections over it may break; afterwards address, profile and
# default route are what they were. Safe to run twice.
$Address = '192.168.56.12'
$Prefix = 24
$Own = $true
$Gateway = ''
$Metric = 500
$AddressSeconds = 60
$LimitSeconds = 900

# Common to all our scripts: strict rules, no progress bars, one way to run a program, one place for the
# script's own results (they end up beside the facts in the last line).
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$Result = [ordered]@{}

function Invoke-Program([string]$Path, [string[]]$Arguments) {
    # 5.1 turns a program's error lines into error records once they are redirected, and 'Stop' would end
    # the script at the first one. So: 'Continue' in here only, both streams as lines of text, and the exit code.
    $ErrorActionPreference = 'Continue'
    $lines = @(& $Path @Arguments 2>&1 | ForEach-Object { "$_" })
    [pscustomobject]@{ Code = $LASTEXITCODE; Lines = $lines }
}

function Invoke-Checked([string]$Path, [string[]]$Arguments) {
    # As Invoke-Program, but another exit code than 0 ends the script with what the program said.
    $run = Invoke-Program $Path $Arguments
    if ($run.Code -ne 0) { throw "$Path ended with $($run.Code): $($run.Lines -join ' | ')" }
    $run.Lines
}

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

# ---- Facts: each section is read in a runspace of its own and has its own time limit, so that one that
# hangs costs one section and not the answer. The last line of output is one JSON object.
$SectionSeconds = 60
$ProbeCommon = {
    Set-StrictMode -Version Latest
    $ErrorActionPreference = 'Stop'
    $ProgressPreference = 'SilentlyContinue'
    function Invoke-Program([string]$Path, [string[]]$Arguments) {
        # 5.1 turns a program's error lines into error records once they are redirected, and 'Stop' would end
        # the script at the first one. So: 'Continue' in here only, both streams as lines of text, and the exit code.
        $ErrorActionPreference = 'Continue'
        $lines = @(& $Path @Arguments 2>&1 | ForEach-Object { "$_" })
        [pscustomobject]@{ Code = $LASTEXITCODE; Lines = $lines }
    }

    function Get-RegistryValue([string]$Key, [string]$Name) {
        # The value, or $null when the key or the value is absent.
        $row = Get-ItemProperty -LiteralPath $Key -Name $Name -ErrorAction SilentlyContinue
        if ($null -eq $row) { return $null }
        $row.$Name
    }

}
$Probes = [ordered]@{}
$Probes['hns'] = {
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

    # The command comes with the feature Containers; before that there are no networks either.
    $rows = @()
    $available = $null -ne (Get-Command -Name Get-HnsNetwork -ErrorAction SilentlyContinue)
    if ($available) { $rows = @(Get-NetworkRows) }
    [ordered]@{ available = $available; networks = @($rows) }
}
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
$Probes['kubelet'] = {
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='kubelet'"
    $state = 'absent'
    $command = ''
    $start = ''
    if ($null -ne $service) {
        $state = "$($service.State)"
        $command = "$($service.PathName)"
        $start = "$($service.StartMode)"
    }
    $server = ''
    $joined = Test-Path -LiteralPath 'C:\etc\kubernetes\kubelet.conf'
    if ($joined) {
        foreach ($line in @(Get-Content -LiteralPath 'C:\etc\kubernetes\kubelet.conf')) { if ($line -match '^\s+server:\s+(\S+)') { $server = $Matches[1] } }
    }
    $flags = ''
    if (Test-Path -LiteralPath 'C:\var\lib\kubelet\kubeadm-flags.env') { $flags = "$(Get-Content -LiteralPath 'C:\var\lib\kubelet\kubeadm-flags.env' -Raw)".Trim() }
    $config = ''
    if (Test-Path -LiteralPath 'C:\var\lib\kubelet\config.yaml') { $config = (Get-FileHash -LiteralPath 'C:\var\lib\kubelet\config.yaml' -Algorithm SHA256).Hash.ToLowerInvariant() }
    $authority = ''
    if (Test-Path -LiteralPath 'C:\etc\kubernetes\pki\ca.crt') { $authority = (Get-FileHash -LiteralPath 'C:\etc\kubernetes\pki\ca.crt' -Algorithm SHA256).Hash.ToLowerInvariant() }
    $nodeIp = ''
    if ($command -match '--node-ip=(\S+)') { $nodeIp = $Matches[1] }
    $onPath = @("$(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'Path')" -split ';') -contains 'C:\k'
    [ordered]@{
        service = $state
        command = $command
        start = $start
        on_path = $onPath
        joined = $joined
        server = $server
        flags = $flags
        node_ip = $nodeIp
        config = $config
        authority = $authority
    }
}
$Facts = [ordered]@{}
foreach ($Section in @($Probes.Keys)) {
    $Runner = [powershell]::Create()
    $Runner.AddScript("$ProbeCommon`n$($Probes[$Section])") | Out-Null
    $Started = $Runner.BeginInvoke()
    if (-not $Started.AsyncWaitHandle.WaitOne($SectionSeconds * 1000)) {
        # It is left alone: Stop() would wait for what hangs, and its thread ends with this process.
        $Facts[$Section] = [ordered]@{ unknown = "no answer within $SectionSeconds s" }
        continue
    }
    try {
        $Answers = @($Runner.EndInvoke($Started))
        if ($Answers.Count -ne 1) { throw "the probe gave $($Answers.Count) answers" }
        $Facts[$Section] = $Answers[0]
    } catch {
        $Facts[$Section] = [ordered]@{ unknown = $_.Exception.Message }
    }
    $Runner.Dispose()
}
$Line = [ordered]@{ facts = $Facts }
foreach ($Key in @($Result.Keys)) { $Line[$Key] = $Result[$Key] }
ConvertTo-Json -InputObject $Line -Depth 8 -Compress
