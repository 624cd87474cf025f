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
