"""Each rule of the lint with a script that it refuses and one that it lets pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import provision.rehearsal.powershell as package
from provision.rehearsal.powershell.lint import Finding, lint, unknown_commands

CALM = "$ErrorActionPreference = 'Continue'\n"
RULES: dict[str, tuple[str, str]] = {
    "non-ascii": ("'caf\u00e9'", "'cafe'"),
    "jinja-leftover": ("$a = '{{ name }}'", "$a = '{0}' -f 'x'"),
    "parse-error": ("try { 'a' }", "try { 'a' } finally { 'b' }"),
    "pipeline-chain": ("'a' | Out-Null && 'b'", "'a' | Out-Null; 'b'"),
    "ternary": ("$a = $true ? 1 : 2", "$a = if ($true) { 1 } else { 2 }"),
    "null-coalescing": ("$a = $null ?? 1", "$a = $null"),
    "null-conditional": ("${a}?.Length", "${a}.Length"),
    "stop-parsing": ("icacls.exe --% a", "icacls.exe 'a'"),
    "class": ("class A { }", "$class = 1"),
    "trap": ("trap { continue }", "$trap = 1"),
    "switch-file": ("switch -File ('a') { default { 'x' } }", "switch -Regex ('a') { default { 'x' } }"),
    "scoped-function": ("function global:A { 'x' }", "function A { 'x' }"),
    "colon-after-variable": ('"$a:6443"', '"${a}:6443 $env:PATH"'),
    "backtick-before-blank": ("Write-Output a ` \n", "Write-Output a `\n  b"),
    "alias": ("curl -s x", "curl.exe -s x"),
    "implicit-get": ("Service kubelet", "Get-Service kubelet"),
    "command-left-out": ("'a' | Tee-Object b.txt", "'a' | Set-Content b.txt"),
    "call-with-parentheses": ("function F($a) { $a }\nF(1, 2)", "function F($a) { $a }\nF (1, 2)"),
    "redirection": (CALM + "a.exe 2>$null", CALM + "a.exe 2>&1"),
    "redirection-under-stop": ("a.exe 2>&1", f"function F {{ {CALM}; a.exe 2>&1 }}"),
    "bare-braces": ("a.exe {b}", "a.exe '{b}'"),
    "bare-parentheses": ("a.exe Users:(OI)", "a.exe 'Users:(OI)'"),
    "comma-in-argument": ("a.exe b,c", "a.exe 'b,c'"),
    "empty-argument": ("a.exe ''", "a.exe '\"\"'"),
    "lost-quotes": ("a.exe '{\"b\":1}'", "a.exe '{\\\"b\\\":1}'"),
    "trailing-backslash": ("a.exe 'C:\\my k\\'", "a.exe 'C:\\my k'"),
    "single-dash-variable": ("a.exe -v=$v", 'a.exe "-v=$v" --v=$v -v:$v'),
    "single-dash-dot": ("a.exe -o.yaml", "a.exe '-o.yaml'"),
    "property-in-argument": ("a.exe --ip=$x.Ip", 'a.exe "--ip=$($x.Ip)"'),
    "property-in-string": ('$x.Ip\n"$x.Ip"', '$x.Ip\n"$($x.Ip)"'),
    "lost-spelling": ("$version = 1.30", "$version = '1.30'; $half = 0.5"),
    "asks-for-confirmation": (
        "Unregister-ScheduledTask -TaskName a",
        "Unregister-ScheduledTask -TaskName a -Confirm:$false",
    ),
    "no-basic-parsing": ("Invoke-WebRequest https://a", "Invoke-WebRequest https://a -UseBasicParsing"),
    "json-uncompressed": ("1 | ConvertTo-Json", "1 | ConvertTo-Json -Compress"),
    "unknown-parameter": ("1 | ConvertTo-Json -Compress -EnumsAsStrings", "1 | ConvertTo-Json -Compress"),
    "delay-bind": ("1 | Rename-Computer -NewName { 'a' }", "1 | ForEach-Object { Rename-Computer -NewName 'a' }"),
    "parameters-in-block": ("1 | ForEach-Object { param($a) $a }", "1 | ForEach-Object { $_ }"),
    "unknown-type": ("[No.Such]::Go()", "[math]::Max(1, 2)"),
    "unknown-static-member": ("[math]::Sinh(1)", "[math]::Floor(1.5)"),
    "unknown-method": ("'a'.Normalize()", "'a'.Trim()"),
    "dynamic-method": ("$n = 'Trim'; 'a'.$n()", "$n = 'Length'; 'a'.$n"),
    "silent-preference": ("$ErrorActionPreference = 'SilentlyContinue'", "$ErrorActionPreference = 'Stop'"),
    "outer-variable-changed": (
        "$n = 0; function F { $n++ }",
        "$n = 0; function F { $script:n++; for ($i = 0; $i -lt 2; $i++) { $i } }",
    ),
    "break-outside-loop": ("1..2 | ForEach-Object { break }", "foreach ($i in 1..2) { break }"),
    "unknown-attribute": ("param([ArgumentCompleter()]$a)", "param([Parameter()]$a)"),
    "remaining-arguments": (
        "function F { param([Parameter(ValueFromRemainingArguments)]$a) $a }",
        "function F { $args }",
    ),
    "parameter-sets": (
        "function F { param([Parameter(ParameterSetName = 'x')]$a) $a }",
        "function F { param([Parameter(Mandatory)]$a) $a }",
    ),
    "exit-text": ("exit 'failed'", "exit 3"),
}


@pytest.mark.parametrize("construct", list(RULES))
def test_rule(construct: str) -> None:
    bad, good = RULES[construct]
    assert construct in {finding.construct for finding in lint(bad)}
    assert lint(good) == []


def test_every_construct_has_an_example() -> None:
    folder = Path(package.__path__[0])
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    named = set(re.findall(r'(?:self\.fail\(|yield |Finding\(number, )\s*f?"([a-z]+(?:-[a-z]+)+)"', sources))
    assert named - set(RULES) == set()
    assert len(named) > 30


def test_a_finding_says_where_and_why() -> None:
    assert lint("'a'\n\nexit 'x'\n") == [Finding(3, "exit-text", "exit with a text ends with 0")]
    assert lint("$a = @(\n1\n") == [Finding(3, "parse-error", "the closing ) is missing")]


def test_commands_and_parameters_against_the_table() -> None:
    script = (
        "function Own { Get-Service -Nmae a }\nOwn\nGet-Nonsense\nsc.exe x\n"
        "Remove-Service a\nGet-Service -ErrorA Stop\nGet-Service -ServiceName a -EA Stop"
    )
    found = unknown_commands(script)
    assert [(f.line, f.construct) for f in found] == [
        (1, "unknown-parameter"),
        (3, "unknown-command"),
        (5, "unknown-command"),
        (6, "unknown-parameter"),
    ]
