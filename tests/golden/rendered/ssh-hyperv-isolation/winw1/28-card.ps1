# Usage: gives the private card the name 'kube' and the node's address. Safe to run twice.
# The card is found by its MAC address; without one by the address that it has, and then only renamed.
$Mac = '00:50:56:1a:12:49'
$Address = '192.168.56.12'
$Prefix = 24
$LimitSeconds = 60

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
