# Usage: pulls files from the control plane and checks their digests. Goes on where an earlier pull ended. Safe to run twice.
$Files = {{ files | ps }}

{% include 'windows/_start.ps1' %}
{% include 'windows/_records.ps1' %}

$folder = 'C:\ProgramData\hybrid\files'
New-Item -ItemType Directory -Path $folder -Force | Out-Null
# The address is on the nodes' network: no proxy. Less than 1 kB/s for 30 s counts as a broken connection.
$curl = @('--fail', '--noproxy', '*', '--silent', '--show-error', '--connect-timeout', '10', '--speed-limit', '1000', '--speed-time', '30', '--retry', '5', '--retry-connrefused')
foreach ($file in $Files) {
    $target = "$folder\$($file.name)"
    if ((Get-Digest $target) -eq $file.digest) {
        if (-not (Test-Path -LiteralPath "$target.record")) { Save-Record $target $file.digest }
        Write-Output "$($file.name) is here already"
        continue
    }
    $part = "$target.part"
    $got = Get-Digest $part
    if ($got -ne $file.digest) {
        Write-Output "pulling $($file.name)"
        $size = -1
        do {
            $before = $size
            # curl.exe: without .exe it is the alias of another command.
            $run = Invoke-Program 'curl.exe' ($curl + @('--continue-at', '-', '--output', $part, $file.url))
            $size = 0
            if (Test-Path -LiteralPath $part) { $size = (Get-Item -LiteralPath $part).Length }
            # 18, 28, 52, 56: the connection broke, which curl's own tries pass over. On, as long as bytes come.
        } while (@(18, 28, 52, 56) -contains $run.Code -and $size -gt $before)
        $got = Get-Digest $part
        # 22, 33, 36, or a wrong digest: what was there cannot be continued (too long, or of another file).
        if (@(22, 33, 36) -contains $run.Code -or ($run.Code -eq 0 -and $got -ne $file.digest)) {
            Write-Output "the part of $($file.name) cannot be continued, starting over"
            $run = Invoke-Program 'curl.exe' ($curl + @('--output', $part, $file.url))
            $got = Get-Digest $part
        }
        if ($run.Code -ne 0) { throw "$($file.name): curl.exe ended with $($run.Code): $($run.Lines -join ' | ')" }
    }
    if ($got -ne $file.digest) {
        Remove-Item -LiteralPath $part -Force
        throw "$($file.name) has digest $got, expected $($file.digest); removed"
    }
    Move-Item -LiteralPath $part -Destination $target -Force
    Save-Record $target $file.digest
}
{% include 'facts/windows/_emit.ps1' %}
