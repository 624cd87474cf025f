$Probes['registries'] = {
    # What we wrote for containerd's registries (digests, no secrets), and which of our authorities Windows trusts.
    $files = [ordered]@{}
    $authorities = [ordered]@{}
    $hosts = 'C:\etc\containerd\certs.d'
    if (Test-Path -LiteralPath $hosts) {
        foreach ($folder in @(Get-ChildItem -LiteralPath $hosts -Directory)) {
            $path = "$($folder.FullName)\hosts.toml"
            if (-not (Test-Path -LiteralPath $path)) { continue }
            if ("$(Get-Content -LiteralPath $path -Raw)" -notlike '# hybrid: *') { continue }
            foreach ($name in @('hosts.toml', 'ca.pem')) {
                $file = "$($folder.FullName)\$name"
                if (Test-Path -LiteralPath $file) { $files["$($folder.Name)/$name"] = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash.ToLowerInvariant() }
            }
        }
    }
    $certificates = 'C:\ProgramData\hybrid\authorities'
    if (Test-Path -LiteralPath $certificates) {
        foreach ($file in @(Get-ChildItem -LiteralPath $certificates -File)) {
            $name = $file.Name -replace '\.crt$', ''
            $authorities[$name] = (Invoke-Program 'certutil.exe' @('-store', 'Root', $name)).Code -eq 0
        }
    }
    [ordered]@{ files = $files; authorities = $authorities }
}
