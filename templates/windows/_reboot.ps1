function Add-RebootReason([string]$Reason) {
    # Noted with the time of this boot: after the next one the note means nothing any more.
    $path = 'C:\ProgramData\hybrid\reboot-wanted.json'
    $boot = (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime.ToString('yyyyMMddHHmmss')
    $reasons = @()
    if (Test-Path -LiteralPath $path) {
        $note = Get-Content -LiteralPath $path -Raw | ConvertFrom-Json
        if ($note.boot -eq $boot) { $reasons = @($note.reasons) }
    }
    if ($reasons -notcontains $Reason) { $reasons += $Reason }
    New-Item -ItemType Directory -Path 'C:\ProgramData\hybrid' -Force | Out-Null
    $text = ConvertTo-Json -InputObject ([ordered]@{ boot = $boot; reasons = @($reasons) }) -Compress
    Set-Content -LiteralPath "$path.new" -Value $text -Encoding Ascii
    Move-Item -LiteralPath "$path.new" -Destination $path -Force
    Write-Output "a restart is due: $Reason"
}
