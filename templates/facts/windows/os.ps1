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
