# Usage: makes or corrects the kubelet's service; does not start it, kubeadm does. Safe to run twice.
#
# The service is kube-log-runner.exe, which writes kubelet.exe's output to a file; no other program is needed.
# The command line holds from the start everything that kubeadm will write into kubeadm-flags.env (address, name,
# taints): a kubelet on Windows does not read that file, and the first start, by kubeadm, is the one that registers
# the node. A script that reads the file at each start would need a program that makes a service of a script, and
# would still find no file at the first start. 80-join.ps1 adds what kubeadm wrote beyond that, should it ever.
$Command = 'C:\k\kube-log-runner.exe --log-file=C:\var\log\kubelet\kubelet.log --log-file-size=50Mi --log-file-age=168h C:\k\kubelet.exe --windows-service --config=C:\var\lib\kubelet\config.yaml --bootstrap-kubeconfig=C:\etc\kubernetes\bootstrap-kubelet.conf --kubeconfig=C:\etc\kubernetes\kubelet.conf --cert-dir=C:\var\lib\kubelet\pki --hostname-override=winw1 --node-ip=192.168.56.12 --register-with-taints=os=windows:NoSchedule --cgroups-per-qos=false --enforce-node-allocatable="" --resolv-conf="" --windows-priorityclass=ABOVE_NORMAL_PRIORITY_CLASS --v=2'
# Flags that this kubelet does not have any more.
$Gone = @('--network-plugin', '--image-pull-progress-deadline', '--cni-bin-dir', '--cni-conf-dir', '--log-dir', '--logtostderr', '--log-file', '--container-runtime', '--cloud-config', '--pod-infra-container-image')

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

function Get-ServiceState([string]$Name) {
    $service = Get-Service -Name $Name -ErrorAction SilentlyContinue
    if ($null -eq $service) { return 'absent' }
    "$($service.Status)"
}

function Remove-OldService([string]$Name, [int]$Seconds) {
    # Stopped, deleted, and waited for: a service goes only when nobody holds it open any more.
    Stop-Service -Name $Name -Force
    $run = Invoke-Program 'sc.exe' @('delete', $Name)
    # 1072: marked for deletion before.
    if ($run.Code -ne 0 -and $run.Code -ne 1072) { throw "sc.exe delete $Name ended with $($run.Code): $($run.Lines -join ' ')" }
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    while ($null -ne (Get-CimInstance -ClassName Win32_Service -Filter "Name='$Name'")) {
        if ($clock.Elapsed.TotalSeconds -ge $Seconds) { throw "service $Name is still there after $Seconds s: close what shows it (services.msc, Task Manager)" }
        Start-Sleep -Seconds 1
    }
}
function Get-KubeletCommand([string]$Command, [string[]]$Gone) {
    # Our command line and the flags that only kubeadm names, should there be any: what both name is as the settings
    # say, whatever an earlier join wrote. Without those that this kubelet lacks: it would not start with them.
    $path = 'C:\var\lib\kubelet\kubeadm-flags.env'
    $flags = ''
    if (Test-Path -LiteralPath $path) { $flags = "$(Get-Content -LiteralPath $path -Raw)".Trim() -replace '^KUBELET_KUBEADM_ARGS="?', '' -replace '"$', '' }
    $not = @($Command -split '\s+' | ForEach-Object { $_ -replace '=.*$', '' }) + $Gone
    $more = @($flags -split '\s+' | Where-Object { $_ -ne '' -and $not -notcontains ($_ -replace '=.*$', '') })
    (@($Command) + $more) -join ' '
}

function Set-KubeletCommand([string]$Wanted) {
    # Leaves the kubelet stopped when its command line is another one.
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='kubelet'"
    if ($service.PathName -ceq $Wanted) { return }
    Write-Output "correcting the service, was: $($service.PathName)"
    # Stopped first: a kubelet with the old command line would look like one with the new, should this script end here.
    Stop-Service -Name kubelet -Force
    # Not sc.exe config, which loses the quotes in a command line.
    $answer = Invoke-CimMethod -InputObject $service -MethodName Change -Arguments @{ PathName = $Wanted }
    if ($answer.ReturnValue -ne 0) { throw "the service refuses its new command line: $($answer.ReturnValue)" }
}

foreach ($path in @('C:\var\log\kubelet', 'C:\var\lib\kubelet', 'C:\etc\kubernetes\pki', 'C:\etc\kubernetes\manifests')) {
    New-Item -ItemType Directory -Path $path -Force | Out-Null
}
$wanted = Get-KubeletCommand $Command $Gone
$before = Get-ServiceState 'kubelet'
if ($before -eq 'absent') {
    Write-Output 'making the service'
    New-Service -Name kubelet -DisplayName 'Kubernetes node agent' -BinaryPathName $wanted -DependsOn containerd -StartupType Automatic | Out-Null
}
Set-KubeletCommand $wanted
if ($before -eq 'Running') { Start-Service -Name kubelet }
Invoke-Checked 'sc.exe' @('failure', 'kubelet', 'reset=', '3600', 'actions=', 'restart/5000/restart/10000/restart/60000') | Out-Null
Invoke-Checked 'sc.exe' @('failureflag', 'kubelet', '1') | Out-Null

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
