# Usage: starts kube-proxy on a Windows node once Calico has made its network. Runs in the container of the DaemonSet
# kube-proxy-windows; by hand: set NODE_NAME and CONTAINER_SANDBOX_MOUNT_POINT first.
$NetworkName = 'Calico'
$Server = {{ server | ps }}
$FeatureGates = {{ feature_gates | ps }}
$Verbosity = {{ verbosity | ps }}
$LimitSeconds = 900

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$clock = [System.Diagnostics.Stopwatch]::StartNew()

function Test-Called($Row, [string]$Name) {
    # Rows of the host networking service have only the properties that somebody set: endpoints of other nodes, made
    # by an earlier kube-proxy, need not have a name, and asking for it would end this script.
    if ($null -eq $Row) { return $false }
    $names = @($Row.PSObject.Properties | ForEach-Object { $_.Name })
    if ($names -notcontains 'Name') { return $false }
    $Row.Name -eq $Name
}

Write-Output "waiting for the network $NetworkName"
while ($true) {
    $networks = @(Get-HnsNetwork | Where-Object { Test-Called $_ $NetworkName })
    if ($networks.Count -gt 0) { break }
    if ($clock.Elapsed.TotalSeconds -ge $LimitSeconds) { throw "there is no network $NetworkName after $LimitSeconds s" }
    Start-Sleep -Seconds 2
}

$arguments = @(
    "--hostname-override=$env:NODE_NAME",
    '--proxy-mode=kernelspace',
    '--kubeconfig=C:\var\lib\kube-proxy\kubeconfig.conf',
    '--enable-dsr=true',
    "--v=$Verbosity"
)
if ($networks[0].Type -eq 'Overlay') {
    # On VXLAN, kube-proxy has to know the address that it translates sources to: that of Calico's own endpoint.
    Write-Output 'waiting for the endpoint Calico_ep'
    while ($true) {
        $endpoints = @(Get-HnsEndpoint | Where-Object { Test-Called $_ 'Calico_ep' })
        if ($endpoints.Count -gt 0) { break }
        if ($clock.Elapsed.TotalSeconds -ge $LimitSeconds) { throw "there is no endpoint Calico_ep after $LimitSeconds s" }
        Start-Sleep -Seconds 2
    }
    $arguments += "--source-vip=$($endpoints[0].IPAddress)"
}
if ($FeatureGates -ne '') { $arguments += "--feature-gates=$FeatureGates" }

# The service account's own token, which the kubelet renews in place. The mount point ends with a backslash
# (microsoft/hcsshim internal/jobcontainers).
$account = "$($env:CONTAINER_SANDBOX_MOUNT_POINT.TrimEnd('\'))\var\run\secrets\kubernetes.io\serviceaccount"
$config = @"
apiVersion: v1
kind: Config
clusters:
- name: default
  cluster:
    server: $Server
    certificate-authority: '$account\ca.crt'
users:
- name: default
  user:
    tokenFile: '$account\token'
contexts:
- name: default
  context:
    cluster: default
    user: default
current-context: default
"@
New-Item -ItemType Directory -Path 'C:\var\lib\kube-proxy' -Force | Out-Null
Set-Content -LiteralPath 'C:\var\lib\kube-proxy\kubeconfig.conf' -Value $config -Encoding Ascii

# Lists that an earlier kube-proxy left would be taken for its own.
$lists = @(Get-HnsPolicyList | Where-Object { $null -ne $_ })
if ($lists.Count -gt 0) {
    Write-Output "removing $($lists.Count) policy lists of an earlier kube-proxy"
    $lists | Remove-HnsPolicyList
}

$env:KUBE_NETWORK = $NetworkName
Write-Output "C:\k\kube-proxy.exe $($arguments -join ' ')"
& 'C:\k\kube-proxy.exe' @arguments
exit $LASTEXITCODE
