# Usage: makes or corrects our firewall rules; leaves all others alone. Safe to run twice.
$Rules = @(@{ 'name' = 'hybrid-kubelet'; 'title' = 'hybrid: kubelet'; 'protocol' = 'TCP'; 'ports' = @('10250') }, @{ 'name' = 'hybrid-vxlan'; 'title' = 'hybrid: VXLAN'; 'protocol' = 'UDP'; 'ports' = @('4789') }, @{ 'name' = 'hybrid-nodeports-tcp'; 'title' = 'hybrid: node ports (TCP)'; 'protocol' = 'TCP'; 'ports' = @('30000-32767') }, @{ 'name' = 'hybrid-nodeports-udp'; 'title' = 'hybrid: node ports (UDP)'; 'protocol' = 'UDP'; 'ports' = @('30000-32767') })
$Remote = @('192.168.56.0/24')

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
