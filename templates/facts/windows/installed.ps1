$Probes['installed'] = {
    # A component is intact when every file of its record is there with the recorded size and time.
    $components = [ordered]@{}
    $folder = 'C:\ProgramData\hybrid\installed'
    $records = @()
    if (Test-Path -LiteralPath $folder) { $records = @(Get-ChildItem -LiteralPath $folder -File -Filter '*.json') }
    foreach ($record in $records) {
        $known = Get-Content -LiteralPath $record.FullName -Raw | ConvertFrom-Json
        $wrong = @()
        foreach ($file in @($known.files)) {
            $now = Get-Item -LiteralPath $file.path -ErrorAction SilentlyContinue
            if ($null -eq $now) { $wrong += "$($file.path) is gone" }
            elseif ($now.Length -ne $file.size -or "$($now.LastWriteTimeUtc.Ticks)" -ne $file.mtime) { $wrong += "$($file.path) was changed" }
        }
        $components["$($known.component)"] = [ordered]@{ digests = $known.digests; intact = ($wrong.Count -eq 0); detail = ($wrong -join ', ') }
    }
    [ordered]@{ components = $components }
}
