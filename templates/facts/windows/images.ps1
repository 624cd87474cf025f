$Probes['images'] = {
    # Kubernetes' images by name with their digests, and the archives that were imported; nothing while containerd is down.
    $names = [ordered]@{}
    $imported = [ordered]@{}
    $ctr = 'C:\Program Files\containerd\ctr.exe'
    if (Test-Path -LiteralPath $ctr) {
        $answer = Invoke-Program $ctr @('--address', '\\.\pipe\containerd-containerd', '--connect-timeout', '5s', '-n', 'k8s.io', 'images', 'ls')
        if ($answer.Code -eq 0) {
            foreach ($line in $answer.Lines) {
                if ($line -match '^(?!sha256:)(\S+)\s+\S+\s+(sha256:\S+)') { $names[$Matches[1]] = $Matches[2] }
            }
        }
    }
    $folder = 'C:\ProgramData\hybrid\images'
    if (Test-Path -LiteralPath $folder) {
        foreach ($file in @(Get-ChildItem -LiteralPath $folder -File)) {
            $imported[$file.Name] = "$(Get-Content -LiteralPath $file.FullName -Raw)".Trim()
        }
    }
    [ordered]@{ names = $names; imported = $imported }
}
