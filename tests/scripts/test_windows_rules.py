"""Our own rules for Windows scripts: all scripts keep them; each has an example that does and one that does not."""

from __future__ import annotations

import pytest

from tests.scripts.windows_rules import broken_rules
from tests.scripts.windows_scripts import rendered_windows_scripts

STRICT = "Set-StrictMode -Version Latest\n$ErrorActionPreference = 'Stop'\n"
WATCH = "$clock = [System.Diagnostics.Stopwatch]::StartNew()\n"
ENDS = "if ($clock.Elapsed.TotalSeconds -ge 60) { throw 'too late' }"


@pytest.mark.parametrize("name", sorted(rendered_windows_scripts()))
def test_scripts_keep_the_rules(name: str) -> None:
    assert broken_rules(rendered_windows_scripts()[name]) == []


@pytest.mark.parametrize(
    "script",
    [
        STRICT,
        STRICT + WATCH + "while ($true) { " + ENDS + "; Start-Sleep -Seconds 1 }",
        STRICT + WATCH + "do { Start-Sleep -Seconds 1 } until ($clock.Elapsed.TotalSeconds -ge 60)",
        STRICT + "while ($true) { break }",
        STRICT + "$inner = {\n" + STRICT + "}\n",
        "$ErrorActionPreference = 'Continue'\n",
    ],
)
def test_what_keeps_the_rules(script: str) -> None:
    assert broken_rules(script) == []


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        (STRICT + WATCH + "while ($true) { " + ENDS + " }", "busy-loop, line 4"),
        (STRICT + WATCH + "do { } until ($clock.Elapsed.TotalSeconds -ge 60)", "busy-loop, line 4"),
        (STRICT + WATCH + "for (; ; ) { " + ENDS + " }", "busy-loop, line 4"),
        ("$ErrorActionPreference = 'Stop'\n", "not-strict, line 1"),
        ("$ErrorActionPreference = 'Stop'\nSet-StrictMode -Version Latest\n", "not-strict, line 1"),
        (STRICT + "$inner = {\n$ErrorActionPreference = 'Stop'\n}\n", "not-strict, line 4"),
        (STRICT + "echo x", "alias, line 3"),
    ],
)
def test_what_breaks_them(script: str, rule: str) -> None:
    assert broken_rules(script) == [rule]
