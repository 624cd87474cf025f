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
