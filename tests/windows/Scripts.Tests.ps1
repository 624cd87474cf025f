# Usage: Invoke-Pester tests/windows, in Windows PowerShell 5.1 as an administrator, beside a folder `rendered` made by
# `./inv render --set provider=rehearsal --to rendered`. It changes this machine: firewall rules, a service.
# Pester 5. What the scripts print goes into `facts`, for tests/windows/check_facts.py.

BeforeDiscovery {
    $Scripts = @(Get-ChildItem -Path 'rendered' -Recurse -Filter '*.ps1' | ForEach-Object { @{ Name = $_.Name; Path = $_.FullName } })
}

BeforeAll {
    $Worker = (Get-ChildItem -Path 'rendered' -Recurse -Filter '00-probe.ps1' | Select-Object -First 1).DirectoryName
    $null = New-Item -ItemType Directory -Force -Path 'facts'

    function Invoke-Script {
        param([string]$Pattern)
        $Path = @(Get-ChildItem -Path $Worker -Filter $Pattern)
        if ($Path.Count -ne 1) { throw "$($Path.Count) scripts are called $Pattern" }
        $Lines = @(& powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File $Path[0].FullName)
        if ($LASTEXITCODE -ne 0) { throw "$Pattern ended with $LASTEXITCODE`: $($Lines -join ' | ')" }
        Set-Content -LiteralPath "facts/$($Path[0].BaseName).json" -Value $Lines[-1] -Encoding Ascii
        ConvertFrom-Json -InputObject $Lines[-1]
    }
}

Describe 'Every rendered script' {
    It '<Name> is Windows PowerShell 5.1' -ForEach $Scripts {
        $Errors = $null
        $null = [System.Management.Automation.Language.Parser]::ParseFile($Path, [ref]$null, [ref]$Errors)
        @($Errors | ForEach-Object { "$($_.Extent.StartLineNumber): $($_.Message)" }) | Should -BeNullOrEmpty
    }

    It '<Name> has nothing that PSScriptAnalyzer warns of' -ForEach $Scripts {
        $Found = Invoke-ScriptAnalyzer -Path $Path -Settings 'tests/windows/PSScriptAnalyzerSettings.psd1'
        @($Found | ForEach-Object { "$($_.Line): $($_.RuleName): $($_.Message)" }) | Should -BeNullOrEmpty
    }
}

Describe 'The probe' {
    It 'knows every section and changes nothing' {
        $First = Invoke-Script '00-probe.ps1'
        $Second = Invoke-Script '00-probe.ps1'
        foreach ($Section in $First.facts.PSObject.Properties) {
            $Section.Value.PSObject.Properties.Name | Should -Not -Contain 'unknown' -Because $Section.Name
        }
        $Second.facts.PSObject.Properties.Name | Should -Be $First.facts.PSObject.Properties.Name
    }
}

Describe 'The firewall script' {
    It 'makes its rules, and none twice' {
        $null = Invoke-Script '*-firewall.ps1'
        $Made = @(Get-NetFirewallRule -Group 'hybrid')
        $null = Invoke-Script '*-firewall.ps1'
        $Made.Count | Should -BeGreaterThan 0
        @(Get-NetFirewallRule -Group 'hybrid').Count | Should -Be $Made.Count
        @($Made | Where-Object { $_.Direction -ne 'Inbound' -or $_.Action -ne 'Allow' }) | Should -BeNullOrEmpty
        foreach ($Rule in $Made) {
            @(Get-NetFirewallAddressFilter -AssociatedNetFirewallRule $Rule).RemoteAddress | Should -Not -Be 'Any'
        }
    }
}
