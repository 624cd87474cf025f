$Probes['stamp'] = {
    $path = 'C:\ProgramData\hybrid\stamp.json'
    $text = $null
    if (Test-Path -LiteralPath $path) { $text = "$(Get-Content -LiteralPath $path -Raw)".Trim() }
    [ordered]@{ text = $text }
}
