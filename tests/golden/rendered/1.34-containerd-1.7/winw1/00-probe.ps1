# Usage: powershell.exe -NoProfile -ExecutionPolicy Bypass -File probe.ps1
# Says what is true on this machine as one line of JSON. Changes nothing; what cannot be read is "unknown".
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
$Probes['os'] = {
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $names = 'HKLM:\SYSTEM\CurrentControlSet\Control\ComputerName'
    $active = Get-RegistryValue "$names\ActiveComputerName" 'ComputerName'
    $pending = Get-RegistryValue "$names\ComputerName" 'ComputerName'

    # Not PendingFileRenameOperations: updates of Defender and Edge leave it set all the time.
    $reasons = @()
    if (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing\RebootPending') { $reasons += 'features or updates of Windows' }
    if (Test-Path -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired') { $reasons += 'Windows Update' }
    if ($active -ne $pending) { $reasons += "host name $pending" }
    $note = 'C:\ProgramData\hybrid\reboot-wanted.json'
    if (Test-Path -LiteralPath $note) {
        $wanted = Get-Content -LiteralPath $note -Raw | ConvertFrom-Json
        if ($wanted.boot -eq $system.LastBootUpTime.ToString('yyyyMMddHHmmss')) { $reasons += @($wanted.reasons) }
    }
    [ordered]@{
        product = "$($system.Caption)"
        build = [int]$system.BuildNumber
        ubr = [int](Get-RegistryValue 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion' 'UBR')
        active_name = "$active".ToLowerInvariant()
        pending_name = "$pending".ToLowerInvariant()
        boot_time = $system.LastBootUpTime.ToUniversalTime().ToString('s') + 'Z'
        time = (Get-Date).ToUniversalTime().ToString('s') + 'Z'
        pending_reboot = @($reasons)
    }
}
$Probes['features'] = {
    # Not Get-WindowsFeature, which takes seconds. Win32_OptionalFeature: 1 is enabled, 2 disabled, 3 absent.
    # A feature installed since the last boot counts as pending, whatever Windows calls it until then.
    $names = [ordered]@{ 'Containers' = 'Containers'; 'Microsoft-Hyper-V' = 'Hyper-V'; 'Microsoft-Hyper-V-Management-PowerShell' = 'Hyper-V-PowerShell' }
    $pending = @()
    $note = 'C:\ProgramData\hybrid\reboot-wanted.json'
    if (Test-Path -LiteralPath $note) {
        $boot = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToString('yyyyMMddHHmmss')
        $wanted = Get-Content -LiteralPath $note -Raw | ConvertFrom-Json
        if ($wanted.boot -eq $boot) { $pending = @($wanted.reasons) }
    }
    $states = [ordered]@{}
    foreach ($feature in @($names.Values)) { $states[$feature] = 'absent' }
    $filter = @($names.Keys | ForEach-Object { "Name='$_'" }) -join ' OR '
    foreach ($row in @(Get-CimInstance -ClassName Win32_OptionalFeature -Filter $filter)) {
        $feature = $names["$($row.Name)"]
        if ($row.InstallState -eq 1) { $states[$feature] = 'enabled' } else { $states[$feature] = 'disabled' }
    }
    foreach ($feature in @($names.Values)) {
        if ($pending -contains "feature $feature") { $states[$feature] = 'pending' }
    }
    [ordered]@{ states = $states }
}
$Probes['settings'] = {
    $updates = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows\WindowsUpdate\AU'
    $overrides = 'HKLM:\SYSTEM\CurrentControlSet\Policies\Microsoft\FeatureManagement\Overrides'
    $hns = 'HKLM:\SYSTEM\CurrentControlSet\Services\hns\State'
    # The list of networks that Windows could not identify has this number as its name.
    $unidentified = 'HKLM:\SOFTWARE\Policies\Microsoft\Windows NT\CurrentVersion\NetworkList\Signatures\010103000F0000F0010000000F0000F0C967A3643C3AD745950DA7859209176EF5B87C875FA20DF21951640E807D7C24'
    $values = @(
        @($updates, 'NoAutoUpdate'), @($updates, 'AUOptions'),
        @($overrides, '1114842764'), @($overrides, '520997518'),
        @($hns, 'EnableCompartmentNamespace'), @($hns, 'HNSControlFlag'), @($hns, 'DeviceLessNicDisabled'),
        @('HKLM:\SYSTEM\CurrentControlSet\Services\wcifs', 'WcifsSOPCountDisabled'),
        @($unidentified, 'Category')
    )
    $registry = [ordered]@{}
    foreach ($value in $values) { $registry["$($value[0])\$($value[1])"] = Get-RegistryValue $value[0] $value[1] }

    $ports = [ordered]@{}
    foreach ($protocol in @('tcp', 'udp')) {
        # The words are in the language of this Windows, the two numbers are not.
        $shown = Invoke-Program 'netsh.exe' @('int', 'ipv4', 'show', 'dynamicport', $protocol)
        $numbers = @($shown.Lines | Where-Object { $_ -match ':\s*\d+\s*$' } | ForEach-Object { [int]($_ -replace '^.*:\s*', '') })
        if ($numbers.Count -ne 2) { throw "netsh.exe says: $($shown.Lines -join ' ')" }
        $ports[$protocol] = [ordered]@{ start = $numbers[0]; count = $numbers[1] }
    }

    $exclusions = $null
    $defender = Get-Service -Name WinDefend -ErrorAction SilentlyContinue
    if ($null -ne $defender -and "$($defender.Status)" -eq 'Running') {
        $exclusions = @((Get-MpPreference).ExclusionProcess | Where-Object { $_ })
    }
    $clock = Get-CimInstance -ClassName Win32_Service -Filter "Name='W32Time'"
    $triggered = Test-Path -LiteralPath 'HKLM:\SYSTEM\CurrentControlSet\Services\W32Time\TriggerInfo\0'
    $folder = 'C:\ProgramData\hybrid'
    $private = $false
    if (Test-Path -LiteralPath $folder) { $private = (Get-Acl -LiteralPath $folder).AreAccessRulesProtected }
    [ordered]@{
        registry = $registry
        ports = $ports
        defender_exclusions = $exclusions
        time_service = [ordered]@{ state = "$($clock.State)"; start = "$($clock.StartMode)"; triggered = $triggered }
        folder_private = $private
    }
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
$Probes['delivered'] = {
    # The digest comes from the record beside the file; hashed again only when size or time are others.
    $files = [ordered]@{}
    $folder = 'C:\ProgramData\hybrid\files'
    $present = @()
    if (Test-Path -LiteralPath $folder) { $present = @(Get-ChildItem -LiteralPath $folder -File) }
    foreach ($file in $present) {
        if ($file.Name -like '*.part' -or $file.Name -like '*.record') { continue }
        $digest = ''
        $record = "$($file.FullName).record"
        if (Test-Path -LiteralPath $record) {
            $known = Get-Content -LiteralPath $record -Raw | ConvertFrom-Json
            if ($known.size -eq $file.Length -and $known.mtime -eq "$($file.LastWriteTimeUtc.Ticks)") { $digest = "$($known.sha256)" }
        }
        if ($digest -eq '') { $digest = (Get-FileHash -LiteralPath $file.FullName -Algorithm SHA256).Hash.ToLowerInvariant() }
        $files[$file.Name] = [ordered]@{ sha256 = $digest; size = $file.Length }
    }
    [ordered]@{ files = $files }
}
$Probes['installed'] = {
    # A component is intact when every file of its record is there with the recorded size and time.
    $components = [ordered]@{}
    $folder = 'C:\ProgramData\hybrid\installed'
    $records = @()
    if (Test-Path -LiteralPath $folder) { $records = @(Get-ChildItem -LiteralPath $folder -File -Filter '*.json') }
    foreach ($record in $records) {
        $known = Get-Content -LiteralPath $record.FullName -Raw | ConvertFrom-Json
        $wrong = @()
        foreach ($file in @($known.files)) {
            $now = Get-Item -LiteralPath $file.path -ErrorAction SilentlyContinue
            if ($null -eq $now) { $wrong += "$($file.path) is gone" }
            elseif ($now.Length -ne $file.size -or "$($now.LastWriteTimeUtc.Ticks)" -ne $file.mtime) { $wrong += "$($file.path) was changed" }
        }
        $components["$($known.component)"] = [ordered]@{ digests = $known.digests; intact = ($wrong.Count -eq 0); detail = ($wrong -join ', ') }
    }
    [ordered]@{ components = $components }
}
$Probes['registries'] = {
    # What we wrote for containerd's registries (digests, no secrets), and which of our authorities Windows trusts.
    $files = [ordered]@{}
    $authorities = [ordered]@{}
    $hosts = 'C:\etc\containerd\certs.d'
    if (Test-Path -LiteralPath $hosts) {
        foreach ($folder in @(Get-ChildItem -LiteralPath $hosts -Directory)) {
            $path = "$($folder.FullName)\hosts.toml"
            if (-not (Test-Path -LiteralPath $path)) { continue }
            if ("$(Get-Content -LiteralPath $path -Raw)" -notlike '# hybrid: *') { continue }
            foreach ($name in @('hosts.toml', 'ca.pem')) {
                $file = "$($folder.FullName)\$name"
                if (Test-Path -LiteralPath $file) { $files["$($folder.Name)/$name"] = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash.ToLowerInvariant() }
            }
        }
    }
    $certificates = 'C:\ProgramData\hybrid\authorities'
    if (Test-Path -LiteralPath $certificates) {
        foreach ($file in @(Get-ChildItem -LiteralPath $certificates -File)) {
            $name = $file.Name -replace '\.crt$', ''
            $authorities[$name] = (Invoke-Program 'certutil.exe' @('-store', 'Root', $name)).Code -eq 0
        }
    }
    [ordered]@{ files = $files; authorities = $authorities }
}
$Probes['containerd'] = {
    $folder = 'C:\Program Files\containerd'
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='containerd'"
    $state = 'absent'
    $command = ''
    $start = ''
    if ($null -ne $service) {
        $state = "$($service.State)"
        $command = "$($service.PathName)"
        $start = "$($service.StartMode)"
    }
    $config = ''
    if (Test-Path -LiteralPath "$folder\config.toml") { $config = (Get-FileHash -LiteralPath "$folder\config.toml" -Algorithm SHA256).Hash.ToLowerInvariant() }
    $crictl = ''
    $crictlPath = 'C:\k\crictl.yaml'
    if (Test-Path -LiteralPath $crictlPath) { $crictl = (Get-FileHash -LiteralPath $crictlPath -Algorithm SHA256).Hash.ToLowerInvariant() }
    $environment = @(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Services\containerd' 'Environment' | Where-Object { $_ })
    # The server's own answer, which is the second version that ctr.exe prints.
    $version = ''
    $detail = ''
    if ($state -eq 'Running' -and (Test-Path -LiteralPath "$folder\ctr.exe")) {
        $answer = Invoke-Program "$folder\ctr.exe" @('--address', '\\.\pipe\containerd-containerd', '--connect-timeout', '5s', 'version')
        if ($answer.Code -eq 0) {
            foreach ($line in $answer.Lines) { if ($line -match '^\s+Version:\s+(\S+)') { $version = $Matches[1] } }
        } else {
            $detail = $answer.Lines -join ' | '
        }
    }
    $onPath = @("$(Get-RegistryValue 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'Path')" -split ';') -contains 'C:\Program Files\containerd'
    [ordered]@{
        service = $state
        command = $command
        start = $start
        config = $config
        crictl_config = $crictl
        environment = @($environment)
        on_path = $onPath
        version = $version
        detail = $detail
    }
}
$Probes['images'] = {
    # Kubernetes' images by name with their digests, and the archives that were imported; nothing while containerd is down.
    $names = [ordered]@{}
    $imported = [ordered]@{}
    $ctr = 'C:\Program Files\containerd\ctr.exe'
    if (Test-Path -LiteralPath $ctr) {
        $answer = Invoke-Program $ctr @('--address', '\\.\pipe\containerd-containerd', '--connect-timeout', '5s', '-n', 'k8s.io', 'images', 'ls')
        if ($answer.Code -eq 0) {
            foreach ($line in $answer.Lines) {
                if ($line -match '^(?!sha256:)(\S+)\s+\S+\s+(sha256:\S+)') { $names[$Matches[1]] = $Matches[2] }
            }
        }
    }
    $folder = 'C:\ProgramData\hybrid\images'
    if (Test-Path -LiteralPath $folder) {
        foreach ($file in @(Get-ChildItem -LiteralPath $folder -File)) {
            $imported[$file.Name] = "$(Get-Content -LiteralPath $file.FullName -Raw)".Trim()
        }
    }
    [ordered]@{ names = $names; imported = $imported }
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
$Probes['stamp'] = {
    $path = 'C:\ProgramData\hybrid\stamp.json'
    $text = $null
    if (Test-Path -LiteralPath $path) { $text = "$(Get-Content -LiteralPath $path -Raw)".Trim() }
    [ordered]@{ text = $text }
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
