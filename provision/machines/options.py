"""``provider_options``: what each Vagrant provider understands, and the Ruby lines that they become.

A key is set (``v.key = value``).  A list of lists or of tables is a call for each row
(``customize: [["modifyvm", ":id", "--usb", "off"]]``, ``qemuargs: [{value: "-snapshot"}]``).  Beside the
provider's own keys there are: ``network`` (options of the private card), ``vm``, ``ssh`` and ``winrm``
(Vagrant's own settings of the machine), ``vmx`` (VMware), ``switch`` and ``private_switch`` (Hyper-V), and
``machines``: a table of machine name to the same keys for that machine alone.  Which keys there are is data
(`provision.knowledge.provider_options`); the settings' checks refuse others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.knowledge.provider_options import RESERVED, TABLES
from provision.render.quoting import ruby, ruby_arguments
from provision.settings.model import Settings


class Options:
    """The options of one machine: those of all machines, then its own."""

    def __init__(self, settings: Settings, provider: str, machine: str) -> None:
        every = settings.provider_options.get(provider, {})
        own = (every.get("machines") or {}).get(machine, {})
        self._layers: tuple[Mapping[str, Any], ...] = (every, own)
        self._reserved = RESERVED[provider]

    def table(self, key: str) -> dict[str, Any]:
        """A reserved table, the machine's own values last."""
        merged: dict[str, Any] = {}
        for layer in self._layers:
            merged |= layer.get(key) or {}
        return merged

    def general_lines(self) -> list[str]:
        """``vm.x = y``, ``ssh.x = y``, ``winrm.x = y``."""
        return [f"{part}.{key} = {ruby(value)}" for part in TABLES for key, value in self.table(part).items()]

    def provider_lines(self) -> list[str]:
        """The lines of the provider's block, without the variable before them."""
        lines = [f"vmx[{ruby(key)}] = {ruby(value)}" for key, value in self.table("vmx").items()]
        for layer in self._layers:
            for key, value in layer.items():
                if key not in self._reserved:
                    lines += _lines(key, value)
        return lines


def _lines(key: str, value: Any) -> list[str]:
    if isinstance(value, list | tuple) and value and all(isinstance(row, Mapping) for row in value):
        return [f"{key} {ruby_arguments(row)}" for row in value]
    if isinstance(value, list | tuple) and value and all(isinstance(row, list | tuple) for row in value):
        return [f"{key} {ruby(row)}" for row in value]
    return [f"{key} = {ruby(value)}"]
