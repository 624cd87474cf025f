"""Commands as people write them, and as they bind; what a real engine did is in the recordings."""

from __future__ import annotations

from typing import Any

import pytest

from provision.rehearsal.powershell import registry
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.interpreter import run_script
from provision.rehearsal.powershell.native import pass_on, split_arguments
from provision.rehearsal.powershell.table import command_row
from provision.rehearsal.powershell.values import Record
from tests.unit.rehearsal.powershell.boxes import RecordedBox

AMBIGUOUS = "AmbiguousParameterSet"
UNKNOWN = "NamedParameterNotFound"
WRONG = "ParameterArgumentTransformationError"


def bound(call: str) -> dict[str, Any] | str:
    """What a call binds, or the id of its error."""
    box = RecordedBox()
    script = f"try {{ {call} | Out-Null }} catch {{ $_.FullyQualifiedErrorId.Split(',')[0] }}"
    assert run_script(script, box=box) == 0
    return box.text.strip() or box.trace[-1]["bound"]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("New-NetFirewallRule -DisplayName a -Enabled $true", WRONG),
        ("Set-NetIPInterface -InterfaceIndex 1 -Dhcp $false", WRONG),
        ("Set-NetFirewallRule -Name a -DisplayName b", AMBIGUOUS),
        ("Get-NetFirewallRule -Name x -Enabled True", AMBIGUOUS),
        ("New-NetFirewallRule -Name x", "MissingMandatoryParameter"),
        ("New-ScheduledTaskSettingsSet -AllowStartOnBatteries", UNKNOWN),
        ("New-ScheduledTaskAction -Execute a.exe -ArgumentList b", UNKNOWN),
        ("Register-ScheduledTask -TaskName a -User SYSTEM -Principal (Get-CimInstance a)", AMBIGUOUS),
        ("Rename-NetAdapter -InterfaceIndex 3 -NewName a", UNKNOWN),
        ("Get-NetAdapter -MacAddress a", UNKNOWN),
        ("Get-HnsNetwork -Name a", UNKNOWN),
        ("Rename-Computer -Name a", UNKNOWN),
        ("New-Service -Name a -BinaryPathName b -Dependencies c", UNKNOWN),
        ("Set-Service -Name a -BinaryPathName b", UNKNOWN),
        ("Start-Service -Name a -Force", UNKNOWN),
        ("Install-WindowsFeature -Name a -NoRestart", UNKNOWN),
        ("Enable-WindowsOptionalFeature -FeatureName a", AMBIGUOUS),
        ("Set-Service -Name a -StartupType AutomaticDelayedStart", WRONG),
        ("Join-Path a b c", "PositionalParameterNotFound"),
    ],
)
def test_what_windows_refuses(call: str, expected: str) -> None:
    assert bound(call) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("New-ScheduledTaskSettingsSet -ExecutionTimeLimit 7200", {"ExecutionTimeLimit": "00:00:00.0007200"}),
        ("New-ScheduledTaskSettingsSet -ExecutionTimeLimit '02:00:00'", {"ExecutionTimeLimit": "02:00:00"}),
        (
            "Set-DnsClient -InterfaceIndex 3 -RegisterThisConnectionsAddress $false",
            {"InterfaceIndex": [3], "RegisterThisConnectionsAddress": False},
        ),
        ("Get-Service -Name kubelet -EA Stop", {"ErrorAction": "Stop", "Name": ["kubelet"]}),
        ("Stop-Service kubelet -Force:$false", {"Force": False, "Name": ["kubelet"]}),
    ],
)
def test_what_binds(call: str, expected: dict[str, Any]) -> None:
    assert bound(call) == expected


def test_the_table_has_our_commands() -> None:
    row = command_row("get-service")
    assert row is not None and row.name == "Get-Service" and row.default == "Default"
    assert command_row("Remove-Service") is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a b", "", "c"], ["a b", "c"]),
        (['""'], [""]),
        (["C:\\my k\\", "-xf", "a"], ['C:\\my k" -xf a']),
        (['{\\"a\\": 1}'], ['{"a": 1}']),
        (['{"a":1}'], ["{a:1}"]),
        (["C:\\k\\", "x"], ["C:\\k\\", "x"]),
    ],
)
def test_words_for_a_program(words: list[str], expected: list[str]) -> None:
    assert pass_on(words) == expected


def test_the_c_runtime_splits_a_command_line() -> None:
    assert split_arguments('a "b c" d\\\\"e f" \\"g') == ["a", "b c", "d\\e f", '"g']


class Keys:
    """A registry in memory."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, object]] = {"HKLM:\\SOFTWARE": {}}

    def _key(self, key: str) -> str:
        return next((known for known in self.keys if known.lower() == key.lower()), key)

    def exists(self, key: str) -> bool:
        return self._key(key) in self.keys

    def subkeys(self, key: str) -> list[str]:
        return [k.removeprefix(key + "\\") for k in self.keys if k.startswith(key + "\\")]

    def values(self, key: str) -> dict[str, object]:
        return self.keys[self._key(key)]

    def create(self, key: str) -> None:
        self.keys[key] = {}

    def remove(self, key: str) -> None:
        self.keys = {k: v for k, v in self.keys.items() if k != key and not k.startswith(key + "\\")}

    def set(self, key: str, name: str, value: object, kind: str) -> None:
        self.keys[self._key(key)][name] = (kind, value)

    def unset(self, key: str, name: str) -> None:
        self.keys[self._key(key)].pop(name)


def test_registry_commands() -> None:
    keys = Keys()

    def call(name: str, **values: object) -> list[object]:
        return list(registry.registry_command(keys, name, Bound(values)))

    with pytest.raises(CommandError, match="does not exist"):
        call("Get-ItemProperty", Path=["HKLM:\\SOFTWARE\\Lab"], Name=["A"])
    call("New-Item", Path=["HKLM:\\SOFTWARE\\Lab"])
    call("New-ItemProperty", Path=["hklm:\\SOFTWARE\\Lab"], Name="A", Value=1, PropertyType="DWord")
    with pytest.raises(CommandError, match="already exists"):
        call("New-ItemProperty", Path=["HKLM:\\SOFTWARE\\Lab"], Name="a", Value=1)
    with pytest.raises(CommandError, match="already exists"):
        call("New-Item", Path=["HKLM:\\SOFTWARE\\Lab"])
    (row,) = call("Get-ItemProperty", LiteralPath=["Registry::HKEY_LOCAL_MACHINE\\SOFTWARE\\Lab"], Name=["a"])
    assert isinstance(row, Record) and row.get("A") == ("DWord", 1)
    call("New-Item", Path=["HKLM:\\SOFTWARE\\Lab"], Force=True)
    assert keys.keys["HKLM:\\SOFTWARE\\Lab"] == {}, "-Force on a key that is there empties it"
    assert call("Test-Path", Path=["HKLM:\\SOFTWARE\\Lab"]) == [True]
    assert registry.registry_key("C:\\k") is None
