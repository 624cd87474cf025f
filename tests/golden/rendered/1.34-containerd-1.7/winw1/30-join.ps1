# Usage: joins this machine to the cluster with kubeadm, which starts the kubelet. Safe to run twice; what a broken-off
# join left is removed first. The configuration holds a token: it is on disk only while kubeadm runs.
# $Leave: it has joined a cluster whose control plane was made again since: nothing of that cluster is of use any more.
$JoinConfig = '# How a worker joins, Linux or Windows. The token lives minutes, the CA hash is always checked.
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    apiServerEndpoint: "192.168.56.10:6443"
    token: "<token>"
    caCertHashes:
      - "sha256:<hash>"
nodeRegistration:
  name: "winw1"
  criSocket: "npipe:////./pipe/containerd-containerd"
  taints:
    - key: "os"
      value: "windows"
      effect: "NoSchedule"
  kubeletExtraArgs:
    - name: "node-ip"
      value: "192.168.56.11"
'
$Leave = $false
# The command line of the kubelet's service, and flags that this kubelet does not have any more.
$Command = 'C:\k\kube-log-runner.exe --log-file=C:\var\log\kubelet\kubelet.log --log-file-size=50Mi --log-file-age=168h C:\k\kubelet.exe --windows-service --config=C:\var\lib\kubelet\config.yaml --bootstrap-kubeconfig=C:\etc\kubernetes\bootstrap-kubelet.conf --kubeconfig=C:\etc\kubernetes\kubelet.conf --cert-dir=C:\var\lib\kubelet\pki --hostname-override=winw1 --node-ip=192.168.56.11 --register-with-taints=os=windows:NoSchedule --cgroups-per-qos=false --enforce-node-allocatable="" --resolv-conf="" --windows-priorityclass=ABOVE_NORMAL_PRIORITY_CLASS --v=2 --pod-infra-container-image=registry.k8s.io/pause:3.10.1'
$Gone = @('--network-plugin', '--image-pull-progress-deadline', '--cni-bin-dir', '--cni-conf-dir', '--log-dir', '--logtostderr', '--log-file', '--container-runtime', '--cloud-config')

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

function Get-Digest([string]$Path) {
    # The SHA-256 of a file in lower case, nothing when there is no file.
    if (-not (Test-Path -LiteralPath $Path)) { return '' }
    (Get-FileHash -LiteralPath $Path -Algorithm SHA256).Hash.ToLowerInvariant()
}

function Save-Json([string]$Path, $Value) {
    # Written aside and moved, so that nobody reads half of it.
    $text = ConvertTo-Json -InputObject $Value -Depth 5 -Compress
    Set-Content -LiteralPath "$Path.new" -Value $text -Encoding Ascii
    Move-Item -LiteralPath "$Path.new" -Destination $Path -Force
}

function Save-Record([string]$Path, [string]$Digest) {
    # Beside a delivered file: what its digest was at this size and time.
    $file = Get-Item -LiteralPath $Path
    Save-Json "$Path.record" ([ordered]@{ sha256 = $Digest; size = $file.Length; mtime = "$($file.LastWriteTimeUtc.Ticks)" })
}

function Test-Installed([string]$Component, $Digests) {
    # Whether the record says that these very artifacts are installed, and the files are untouched since.
    $path = "C:\ProgramData\hybrid\installed\$Component.json"
    if (-not (Test-Path -LiteralPath $path)) { return $false }
    $known = Get-Content -LiteralPath $path -Raw | ConvertFrom-Json
    $recorded = @($known.digests.PSObject.Properties | ForEach-Object { "$($_.Name)=$($_.Value)" } | Sort-Object) -join ','
    $wanted = @($Digests.Keys | ForEach-Object { "$($_)=$($Digests[$_])" } | Sort-Object) -join ','
    if ($recorded -ne $wanted) { return $false }
    foreach ($file in @($known.files)) {
        $now = Get-Item -LiteralPath $file.path -ErrorAction SilentlyContinue
        if ($null -eq $now) { return $false }
        if ($now.Length -ne $file.size -or "$($now.LastWriteTimeUtc.Ticks)" -ne $file.mtime) { return $false }
    }
    $true
}

function Save-Installed([string]$Component, $Digests, [string[]]$Paths) {
    # The record of a finished installation; written last, so that half of one has none.
    $files = @()
    foreach ($path in $Paths) {
        $file = Get-Item -LiteralPath $path
        $files += [ordered]@{ path = $path; size = $file.Length; mtime = "$($file.LastWriteTimeUtc.Ticks)" }
    }
    New-Item -ItemType Directory -Path 'C:\ProgramData\hybrid\installed' -Force | Out-Null
    Save-Json "C:\ProgramData\hybrid\installed\$Component.json" ([ordered]@{ component = $Component; digests = $Digests; files = @($files) })
}

function Assert-Delivered([string]$Name, $Digests) {
    # The path of a delivered file whose digest is the wanted one.
    $path = "C:\ProgramData\hybrid\files\$Name"
    $digest = Get-Digest $path
    if ($digest -ne $Digests[$Name]) { throw "$path has digest '$digest', expected $($Digests[$Name])" }
    $path
}

function Test-TextFile([string]$Path, [string]$Text) {
    # Whether the file is there with this very text, as Set-TextFile writes it.
    (Test-Path -LiteralPath $Path) -and [System.IO.File]::ReadAllText($Path) -ceq ($Text -replace "`r", '')
}

function Set-TextFile([string]$Path, [string]$Text) {
    # True when the file had to be written. No byte order mark, LF: what Go programs read.
    if (Test-TextFile $Path $Text) { return $false }
    [System.IO.File]::WriteAllText("$Path.new", ($Text -replace "`r", ''))
    Move-Item -LiteralPath "$Path.new" -Destination $Path -Force
    $true
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

$configPath = 'C:\ProgramData\hybrid\join.yaml'
$left = @('C:\etc\kubernetes\bootstrap-kubelet.conf', 'C:\etc\kubernetes\pki\ca.crt', 'C:\var\lib\kubelet\config.yaml', 'C:\var\lib\kubelet\kubeadm-flags.env')
if ($Leave) {
    # Also ends the containers that the old cluster's kubelet had started here.
    Write-Output 'leaving a cluster that is not there any more'
    Invoke-Checked 'C:\k\kubeadm.exe' @('reset', '--force', '--cri-socket=npipe:////./pipe/containerd-containerd') | Out-Null
}
if (Test-Path -LiteralPath 'C:\etc\kubernetes\kubelet.conf') {
    Write-Output 'joined before'
} else {
    if ($JoinConfig -eq '') { throw 'not joined, and no configuration to join with' }
    # kubeadm refuses to start over files of a join that did not end.
    Stop-Service -Name kubelet -Force
    foreach ($path in $left) { Remove-Item -LiteralPath $path -Force -ErrorAction SilentlyContinue }
    # kubeadm asks the kubelet on PATH for its version; PATH of this process may be older than C:\k.
    $env:Path = "C:\k;$env:Path"
    Set-TextFile $configPath $JoinConfig | Out-Null
    Write-Output 'kubeadm joins'
    try {
        $run = Invoke-Program 'C:\k\kubeadm.exe' @('join', '--config', $configPath, '--v=1')
    } finally {
        Remove-Item -LiteralPath $configPath -Force
    }
    if ($run.Code -ne 0) { throw "kubeadm.exe join ended with $($run.Code): $(@($run.Lines | Select-Object -Last 12) -join "`n")" }
}

# With what kubeadm wrote beyond the command line of the service.
Set-KubeletCommand (Get-KubeletCommand $Command $Gone)
Start-Service -Name kubelet

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
