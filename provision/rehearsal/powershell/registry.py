"""Commands on registry paths, answered from a small store: what a Windows model needs besides its own commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.values import Record

HIVES = {
    "hklm:": "HKLM:",
    "hkcu:": "HKCU:",
    "registry::hkey_local_machine": "HKLM:",
    "registry::hkey_current_user": "HKCU:",
}
COMMANDS = frozenset(
    {
        "Get-Item",
        "Get-ChildItem",
        "New-Item",
        "Remove-Item",
        "Test-Path",
        "Get-ItemProperty",
        "Get-ItemPropertyValue",
        "New-ItemProperty",
        "Set-ItemProperty",
        "Remove-ItemProperty",
    }
)


class Registry(Protocol):
    """Keys and values; keys are spelled ``HKLM:\\SOFTWARE\\...``, all names in any case."""

    def exists(self, key: str) -> bool: ...
    def subkeys(self, key: str) -> list[str]: ...
    def values(self, key: str) -> Mapping[str, object]: ...
    def create(self, key: str) -> None:
        """Make the key and those above it; nothing when it is there."""
        ...

    def remove(self, key: str) -> None:
        """Remove the key, its values and its subkeys."""
        ...

    def set(self, key: str, name: str, value: object, kind: str) -> None: ...
    def unset(self, key: str, name: str) -> None: ...


def registry_key(path: str) -> str | None:
    """The canonical spelling of a registry path, None when it is another kind of path."""
    folded = path.lower()
    for prefix, hive in HIVES.items():
        if folded == prefix or folded.startswith(prefix + "\\"):
            return (hive + "\\" + path[len(prefix) :].strip("\\")).rstrip("\\")
    return None


def _paths(bound: Bound) -> list[str]:
    keys = []
    for path in bound.texts("LiteralPath") or bound.texts("Path"):
        key = registry_key(path)
        if key is None:
            raise CommandError(f"not a registry path: {path}", "NotARegistryPath", terminating=True)
        if "*" in key and "LiteralPath" not in bound:
            raise CommandError(f"wildcards in registry paths are not modelled: {path}", "NotModelled", terminating=True)
        keys.append(key)
    return keys


def _missing(key: str) -> CommandError:
    return CommandError(
        f"Cannot find path '{key}' because it does not exist.",
        "PathNotFound",
        category="ObjectNotFound",
        exception="System.Management.Automation.ItemNotFoundException",
    )


def _key_record(key: str) -> Record:
    full = key.replace("HKLM:", "HKEY_LOCAL_MACHINE").replace("HKCU:", "HKEY_CURRENT_USER")
    return Record(
        {
            "Name": full,
            "PSChildName": key.rsplit("\\", 1)[-1],
            "PSPath": f"Microsoft.PowerShell.Core\\Registry::{full}",
        },
        type_name="Microsoft.Win32.RegistryKey",
        text=full,
    )


def _value(values: Mapping[str, object], key: str, name: str) -> object:
    for known, value in values.items():
        if known.lower() == name.lower():
            return value
    raise CommandError(
        f"Property {name} does not exist at path {key}.",
        "System.Management.Automation.PSArgumentException",
        category="InvalidArgument",
        exception="System.Management.Automation.PSArgumentException",
    )


def registry_command(registry: Registry, name: str, bound: Bound) -> Iterable[object]:
    """Answer one of `COMMANDS` on registry paths.

    Raises:
        CommandError: as Windows would: a missing key or value, a key that is there.
    """
    keys = _paths(bound)
    if name == "Test-Path":
        return [registry.exists(key) for key in keys]
    if name == "New-Item":
        return [_new_key(registry, key, bound) for key in keys]
    results: list[object] = []
    for key in keys:
        if name == "New-ItemProperty" and not registry.exists(key):
            raise _missing(key)
        if not registry.exists(key):
            raise _missing(key)
        results += _on_key(registry, name, key, bound)
    return results


def _new_key(registry: Registry, key: str, bound: Bound) -> Record:
    if registry.exists(key):
        if not bound.on("Force"):
            raise CommandError("A key in this path already exists.", "System.IO.IOException", category="ResourceExists")
        registry.remove(key)  # -Force on a key that is there empties it
    parent = key.rsplit("\\", 1)[0]
    if not bound.on("Force") and "\\" in parent and not registry.exists(parent):
        raise _missing(parent)
    registry.create(key)
    return _key_record(key)


def _on_key(registry: Registry, name: str, key: str, bound: Bound) -> list[object]:
    values = registry.values(key)
    if name == "Get-Item":
        return [_key_record(key)]
    if name == "Get-ChildItem":
        return [_key_record(f"{key}\\{child}") for child in registry.subkeys(key)]
    if name == "Remove-Item":
        if registry.subkeys(key) and not bound.on("Recurse"):
            raise CommandError(f"The item at {key} has children; ask for -Recurse.", "HasChildren", terminating=True)
        registry.remove(key)
        return []
    names = bound.texts("Name")
    if name in ("Get-ItemProperty", "Get-ItemPropertyValue"):
        wanted = {n: _value(values, key, n) for n in names} if names else dict(values)
        if name == "Get-ItemPropertyValue":
            return list(wanted.values())
        record = Record(wanted)
        record.set("PSPath", _key_record(key).get("PSPath"))
        record.set("PSChildName", key.rsplit("\\", 1)[-1])
        return [record]
    if name == "Remove-ItemProperty":
        for one in names:
            _value(values, key, one)
            registry.unset(key, one)
        return []
    kind = str(bound.get("PropertyType") or bound.get("Type") or _kind_of(bound.get("Value")))
    if name == "New-ItemProperty" and not bound.on("Force") and any(k.lower() == names[0].lower() for k in values):
        raise CommandError("The property already exists.", "System.IO.IOException", category="ResourceExists")
    for one in names:
        registry.set(key, one, bound.get("Value"), kind)
    return [Record({one: bound.get("Value") for one in names})] if name == "New-ItemProperty" else []


def _kind_of(value: object) -> str:
    if isinstance(value, list):
        return "MultiString"
    return "DWord" if isinstance(value, int) else "String"
