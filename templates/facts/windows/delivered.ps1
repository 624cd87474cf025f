$Probes['delivered'] = {
    # The digest comes from the record beside the file; hashed again only when size or time are others.
    $files = [ordered]@{}
    $folder = 'C:\ProgramData\hybrid\files'
    $present = @()
    if (Test-Path -LiteralPath $folder) { $present = @(Get-ChildItem -LiteralPath $folder -File) }
    foreach ($file in $present) {
        if ($file.Name -like '*.part' -or $file.Name -like '*.record') { continue }
        $digest = ''
        $record = "$($file.FullName).record"
        if (Test-Path -LiteralPath $record) {
            $known = Get-Content -LiteralPath $record -Raw | ConvertFrom-Json
            if ($known.size -eq $file.Length -and $known.mtime -eq "$($file.LastWriteTimeUtc.Ticks)") { $digest = "$($known.sha256)" }
        }
        if ($digest -eq '') { $digest = (Get-FileHash -LiteralPath $file.FullName -Algorithm SHA256).Hash.ToLowerInvariant() }
        $files[$file.Name] = [ordered]@{ sha256 = $digest; size = $file.Length }
    }
    [ordered]@{ files = $files }
}
