function Get-RegistryValue([string]$Key, [string]$Name) {
    # The value, or $null when the key or the value is absent.
    $row = Get-ItemProperty -LiteralPath $Key -Name $Name -ErrorAction SilentlyContinue
    if ($null -eq $row) { return $null }
    $row.$Name
}
