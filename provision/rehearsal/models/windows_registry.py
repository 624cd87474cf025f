"""The modelled registry: keys and values in the machine's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.rehearsal.state import MachineState

SYSTEM_ENVIRONMENT = "HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment"
COMPUTER_NAMES = "HKLM:\\SYSTEM\\CurrentControlSet\\Control\\ComputerName"
TCPIP = "HKLM:\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters"
CURRENT_VERSION = "HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion"

_KINDS = frozenset({"string", "expandstring", "binary", "dword", "multistring", "qword", "unknown"})


class MachineRegistry:
    """Implements `powershell.registry.Registry`; use it inside `reading` or `change` of the state."""

    def __init__(self, state: MachineState) -> None:
        self._keys: dict[str, Any] = state.section("registry")

    def exists(self, key: str) -> bool:
        return key.lower() in self._keys or "\\" not in key

    def subkeys(self, key: str) -> list[str]:
        prefix = key.lower() + "\\"
        below = [entry["path"] for name, entry in self._keys.items() if name.startswith(prefix)]
        return sorted({path[len(prefix) :].split("\\")[0] for path in below})

    def values(self, key: str) -> Mapping[str, object]:
        entry = self._keys.get(key.lower())
        return {} if entry is None else {name: value for name, value, _ in entry["values"].values()}

    def create(self, key: str) -> None:
        parts = key.split("\\")
        for size in range(2, len(parts) + 1):
            path = "\\".join(parts[:size])
            self._keys.setdefault(path.lower(), {"path": path, "values": {}})

    def remove(self, key: str) -> None:
        folded = key.lower()
        for name in [n for n in self._keys if n == folded or n.startswith(folded + "\\")]:
            del self._keys[name]

    def set(self, key: str, name: str, value: object, kind: str) -> None:
        if kind.lower() not in _KINDS:
            raise ValueError(kind)
        if kind.lower() in ("dword", "qword"):
            value = int(str(value)) & (0xFFFFFFFF if kind.lower() == "dword" else 0xFFFFFFFFFFFFFFFF)
        elif kind.lower() in ("string", "expandstring"):
            value = str(value)
        elif isinstance(value, bytes):
            value = list(value)
        known = self._keys[key.lower()]["values"].get(name.lower())
        self._keys[key.lower()]["values"][name.lower()] = [known[0] if known else name, value, kind]

    def unset(self, key: str, name: str) -> None:
        self._keys[key.lower()]["values"].pop(name.lower(), None)

    def value(self, key: str, name: str, default: object = None) -> object:
        """One value, or the default."""
        entry = self._keys.get(key.lower(), {"values": {}})
        found = entry["values"].get(name.lower())
        return default if found is None else found[1]

    def put(self, key: str, name: str, value: object, kind: str = "String") -> None:
        """Make the key if need be, and set a value."""
        self.create(key)
        self.set(key, name, value, kind)
