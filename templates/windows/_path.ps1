function Add-ToPath([string]$Folder) {
    # The machine's PATH, for people and for services started from now on.
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
    $path = "$(Get-RegistryValue $key 'Path')"
    if (@($path -split ';') -notcontains $Folder) {
        Write-Output "$Folder goes onto PATH"
        New-ItemProperty -LiteralPath $key -Name 'Path' -PropertyType ExpandString -Value "$($path.TrimEnd(';'));$Folder" -Force | Out-Null
    }
}
