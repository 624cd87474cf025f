"""Peculiarities of Windows PowerShell 5.1 that no recording shows, the ways in, and the limits."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterable

import pytest

from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.faults import Unsupported
from provision.rehearsal.powershell.interpreter import KILLED, run_command, run_script
from provision.rehearsal.powershell.values import EnumValue, Record
from tests.unit.rehearsal.powershell.boxes import FOLDER, RecordedBox
from tests.waiting import PATIENCE


def output(script: str, box: RecordedBox | None = None) -> list[str]:
    """The lines that a script prints; it ends well."""
    box = box or RecordedBox()
    assert run_script(script, box=box) == 0, box.err.decode()
    return box.text.splitlines()


@pytest.mark.parametrize(
    ("script", "lines"),
    [
        ("'<a> & ''b''' | ConvertTo-Json -Compress", ['"\\u003ca\\u003e \\u0026 \\u0027b\\u0027"']),
        (
            "@{ s = [switch]$true } | ForEach-Object { ConvertTo-Json -InputObject $_ -Compress }",
            ['{"s":{"IsPresent":true}}'],
        ),
        ("@{ d = [datetime]'2026-01-02' } | ConvertTo-Json -Compress", ['{"d":"\\/Date(1767312000000)\\/"}']),
        ("'{\"a\":{\"b\":[1,2.5,null,true]}}' | ConvertFrom-Json | ConvertTo-Json -Compress -Depth 4",
         ['{"a":{"b":[1,2.5,null,true]}}']),
        ("[bool]($null -eq $(@() | Where-Object { $_ }))", ["True"]),
        ("$rows = @() | Where-Object { $_ }; @($rows).Count; $n = $null; @($n).Count", ["0", "1"]),
        ("'{0:yyyy-MM-ddTHH:mm:ssZ}' -f (Get-Date)", ["2026-01-02T03:04:05Z"]),
        ("[int]2.5; [int]3.5; 7 % 3; -7 % 3; 10 / 4; 2147483647 + 1", ["2", "4", "1", "-1", "2.5", "2147483648"]),
        ("[regex]::Match('a=1', '(?<k>\\w)=(\\d)').Groups['k'].Value", ["a"]),
        ("'v1.36.4' -replace '^v(\\d+)\\.(\\d+).*$', '$1-$2'", ["1-36"]),
        ("(New-TimeSpan -Hours 30).ToString()", ["1.06:00:00"]),
        ("[timespan]'1.02:03:04' -gt [timespan]'02:00:00'", ["True"]),
        ("[System.IO.Path]::Combine('C:\\k', 'a', 'b.txt')", ["C:\\k\\a\\b.txt"]),
        ("Join-Path -Path 'C:\\k\\' -ChildPath '\\a'; Split-Path -Parent 'C:\\k\\a'; Split-Path -Parent 'C:\\k'",
         ["C:\\k\\a", "C:\\k", "C:\\"]),
        ("[Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes('ab'))", ["YQBiAA=="]),
        ("$s = [System.Diagnostics.Stopwatch]::StartNew(); Start-Sleep -Seconds 2; $s.Elapsed.TotalSeconds", ["2"]),
        ("$b = { $_ * 2 }; 1..3 | ForEach-Object $b", ["2", "4", "6"]),
        ("$text = @'\na\n'@\n$text -eq 'a'", ["True"]),
        ("($null | Measure-Object).Count", ["0"]),
        ("if (-not (Test-Path -LiteralPath 'C:\\none')) { 'absent' }", ["absent"]),
    ],
)  # fmt: skip
def test_values(script: str, lines: list[str]) -> None:
    assert output(script) == lines


def test_the_order_of_a_plain_table_is_not_the_written_one() -> None:
    keys = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]
    table = "; ".join(f"{key} = 1" for key in keys)
    assert sorted(output(f"@{{ {table} }}.Keys")) == sorted(keys)
    assert output(f"@{{ {table} }}.Keys") != keys
    assert output(f"([ordered]@{{ {table} }}).Keys") == keys


def test_files_as_5_1_writes_them() -> None:
    box = RecordedBox()
    output(
        "Set-Content -LiteralPath u.txt -Value 'x' -Encoding UTF8\nSet-Content a.txt -Value 'x', 'y' -Encoding Ascii\n"
        "'x' | Out-File o.txt\n[System.IO.File]::WriteAllText('C:\\work\\n.txt', 'x')",
        box,
    )
    read = {name: box.files.read(f"{FOLDER}\\{name}.txt") for name in "uaon"}
    assert read == {"u": b"\xef\xbb\xbfx\r\n", "a": b"x\r\ny\r\n", "o": b"\xff\xfex\0\r\0\n\0", "n": b"x"}


def test_a_full_disk_is_an_error_that_stop_ends() -> None:
    box = RecordedBox()

    def write(path: str, data: bytes, mode: int = 0) -> None:
        raise OSError(28, "There is not enough space on the disk.")

    box.files.write = write  # type: ignore[method-assign]
    script = "$ErrorActionPreference = 'Stop'\nSet-Content -LiteralPath a.txt -Value 'x'\n'never'"
    assert run_script(script, box=box) == 1
    assert b"not enough space" in box.err and not box.out


class Services(RecordedBox):
    """Answers with richer values."""

    def command(self, name: str, bound: Bound) -> Iterable[object]:
        if bound.texts("Name") == ["two"]:
            yield {"Name": "one"}
            raise CommandError("no two", "NoServiceFoundForGivenName")
        yield {"Name": "kubelet", "Status": EnumValue("System.ServiceProcess.ServiceControllerStatus", "Running", 4)}
        yield Record({"Name": "containerd", "Status": "Stopped"}, type_name="System.ServiceProcess.ServiceController")


def test_what_a_machine_answers() -> None:
    script = (
        "Get-Service | Where-Object { $_.Status -eq 'running' } | ForEach-Object { \"$($_.Name) $($_.Status)\" }\n"
        "@{ status = (Get-Service)[0].Status } | ConvertTo-Json -Compress\n"
        "$found = Get-Service -Name two -ErrorAction SilentlyContinue -ErrorVariable problem\n"
        '"$($found.Name) $($problem.Count) $($problem[0].FullyQualifiedErrorId)"'
    )
    assert output(script, Services()) == [
        "kubelet Running",
        '{"status":4}',
        "one 1 NoServiceFoundForGivenName,Get-Service",
    ]


def test_a_bootstrap_takes_its_script_from_the_input() -> None:
    inner = b"'hello'\r\n"
    box = RecordedBox({"programs": {"powershell.exe": {"out": "hello\n", "exit": 7}}})
    box.stdin = base64.b64encode(inner)[:8] + b"\r\n" + base64.b64encode(inner)[8:] + b"\r\n"
    script = (
        "$ErrorActionPreference = 'Stop'\n$text = @($input) -join ''\n"
        "$bytes = [Convert]::FromBase64String($text)\n"
        "$sha = [System.Security.Cryptography.SHA256]::Create()\n"
        "$digest = ([BitConverter]::ToString($sha.ComputeHash($bytes)) -replace '-', '').ToLowerInvariant()\n"
        '[System.IO.File]::WriteAllBytes("C:\\work\\$digest.ps1", $bytes)\n'
        '& powershell.exe -NoProfile -File "C:\\work\\$digest.ps1"\nexit $LASTEXITCODE'
    )
    assert run_command(script, box=box, with_input=True) == 7
    digest = hashlib.sha256(inner).hexdigest()
    assert box.files.read(f"C:\\work\\{digest}.ps1") == inner
    assert box.trace[-1]["arguments"] == ["-NoProfile", "-File", f"C:\\work\\{digest}.ps1"]
    assert box.text == "hello\n"


@pytest.mark.parametrize("read", ["[Console]::In.ReadToEnd()", "[Console]::In.ReadLine()"])
def test_the_console_is_read(read: str) -> None:
    box = RecordedBox()
    box.stdin = b"one"
    assert output(f"$t = {read}; \"<$t>\"; [Console]::Out.WriteLine('x'); [Console]::Error.Write('e')", box) == [
        "<one>",
        "x",
    ]
    assert box.err == b"e"


def test_a_probe_has_a_time_limit() -> None:
    gate = threading.Event()

    class Slow(RecordedBox):
        def command(self, name: str, bound: Bound) -> Iterable[object]:
            gate.wait(PATIENCE)
            return []

        def monotonic(self) -> float:
            self.slept += 0.5
            return self.slept

    script = (
        "$shell = [powershell]::Create().AddScript({0}).AddArgument('a')\n$wait = $shell.BeginInvoke()\n"
        "if ($wait.AsyncWaitHandle.WaitOne(2000)) {{ $shell.EndInvoke($wait) }} else {{ 'late'; $shell.Stop() }}\n"
        "$shell.Dispose()"
    )
    try:
        assert output(script.format("'Get-HnsNetwork'"), Slow()) == ["late"]
    finally:
        gate.set()
    assert output(script.format("'param($x) \"got $x\"; 5'")) == ["got a", "5"]


def test_an_error_of_the_inner_shell_is_raised_where_it_ends() -> None:
    script = (
        "$shell = [powershell]::Create().AddScript('throw \"broken\"')\n$wait = $shell.BeginInvoke()\n"
        "$null = $wait.AsyncWaitHandle.WaitOne(5000)\ntry { $shell.EndInvoke($wait) } catch { $_.Exception.Message }"
    )
    assert output(script) == ['Exception calling "EndInvoke" with "1" argument(s): "broken"']


def test_a_killed_process_ends_at_the_next_statement_and_runs_no_finally() -> None:
    class Dying(RecordedBox):
        def sleep(self, seconds: float) -> None:
            self.killed.set()

    box = Dying()
    script = "try { while ($true) { Start-Sleep -Seconds 1 } } catch { 'no' } finally { 'no' }\n'never'"
    assert run_script(script, box=box) == KILLED
    assert not box.out


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 3", 3),
        ("exit 1072", 1072),
        ("exit -1", 0xFFFFFFFF),
        ("throw 'x'", 1),
        ("Get-Service -Nope x", 0),
        ("#Requires -Version 7.0\n'x'", 1),
        ("if (", 1),
    ],
)
def test_exit_codes_of_file(script: str, code: int) -> None:
    assert run_script(script, box=RecordedBox()) == code


def test_exit_codes_of_command() -> None:
    box = RecordedBox({"programs": {"bad.exe": {"exit": 3}}})
    assert run_command("bad.exe", box=box) == 1
    assert run_command("bad.exe; 'x' | Out-Null", box=box) == 0
    assert run_command("bad.exe; exit $LASTEXITCODE", box=box) == 3


@pytest.mark.parametrize(
    "script",
    [
        "[pscustomobject]@{ a = 1 }",
        "'a'.Normalize()",
        "[math]::Sinh(1)",
        "1..2 | Format-Table",
        "'a' > b.txt",
        "Get-Content a.txt -Wait",
        "trap { continue }",
        "[uri]'x'",
    ],
)
def test_what_is_not_reproduced_is_an_error_that_no_catch_hides(script: str) -> None:
    box = RecordedBox({"files": {"a.txt": "x\n"}})
    with pytest.raises(Unsupported):
        run_script(f"try {{\n{script}\n}} catch {{ 'hidden' }}", box=box)


def test_a_long_script_runs_at_once() -> None:
    lines = "\n".join(f'$a{i} = @({i}, 2) | ForEach-Object {{ "x$_" }}' for i in range(200))
    assert output(lines + "\n$a199[0]") == ["x199"]
