"""systemd's unit files: drop-ins, links, what was loaded of them.

A unit's loaded form is what its files said when the manager last read them; a changed file needs
``daemon-reload`` (``enable``, ``disable`` and ``mask`` reload by themselves, as systemctl does).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
WANTS = "/etc/systemd/system/multi-user.target.wants"


class UnitError(Exception):
    """systemctl's message and exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Unit:
    """A loaded unit: section -> key -> values."""

    name: str
    sections: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def values(self, section: str, key: str) -> list[str]:
        return self.sections.get(section, {}).get(key, [])

    def value(self, section: str, key: str, default: str = "") -> str:
        found = self.values(section, key)
        return found[-1] if found else default


def full_name(name: str) -> str:
    """``kubelet`` is ``kubelet.service``."""
    return name if re.search(r"\.(service|target|socket|mount|swap|timer|path|slice)$", name) else f"{name}.service"


def read_unit(unit: Unit, text: str, where: str) -> None:
    """Add a file's lines to a unit; an empty assignment clears a list.

    Raises:
        UnitError: a line that is none.
    """
    section = ""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("["):
            section = stripped.strip("[]")
            continue
        key, equals, value = stripped.partition("=")
        if not equals or not section:
            raise UnitError(f"{where}: Missing '=', or assignment outside of section: {stripped}")
        entries = unit.sections.setdefault(section, {}).setdefault(key.strip(), [])
        if value.strip():
            entries.append(value.strip())
        else:
            entries.clear()


class UnitFiles:
    """The units of one machine as files and as loaded; the manager's memory is the state's section ``units``."""

    def __init__(self, machine: LinuxMachine) -> None:
        self.machine = machine
        self.files = machine.files

    # -- loading ---------------------------------------------------------------------------------------------

    def memory(self) -> dict[str, Any]:
        """Of each unit by name: what was loaded, its state, its journal."""
        return self.machine.state.section("units")

    def path(self, name: str) -> str | None:
        """The unit's file; None when there is none."""
        for folder in FOLDERS:
            if self.files.exists(f"{folder}/{name}") or self.masked(name):
                return f"{folder}/{name}"
        return None

    def masked(self, name: str) -> bool:
        """Whether it is a link to /dev/null."""
        try:
            return self.files.read_link(f"/etc/systemd/system/{name}") == "/dev/null"
        except OSError:
            return False

    def _on_disk(self, name: str) -> dict[str, str] | None:
        path = self.path(name)
        if path is None:
            return None
        texts = {path: "" if self.masked(name) else self.files.read(path).decode()}
        folder = f"/etc/systemd/system/{name}.d"
        if self.files.is_folder(folder):
            for file in self.files.list(folder):
                if file.endswith(".conf"):
                    texts[f"{folder}/{file}"] = self.files.read(f"{folder}/{file}").decode()
        return texts

    def reload(self) -> None:
        """``daemon-reload``."""
        with self.machine.state.change():
            for entry in self.memory().values():
                if not entry.get("transient"):
                    entry.pop("loaded", None)

    def load(self, name: str) -> Unit | None:
        """The unit as it was loaded, read now if it was not; None when there is none."""
        with self.machine.state.change():
            entry = self.memory().get(name, {})
            texts = entry.get("loaded") or self._on_disk(name)
            if texts is None:
                return None
            self.memory().setdefault(name, {})["loaded"] = texts
        unit = Unit(name)
        for where, text in texts.items():
            read_unit(unit, text, where)
        return unit

    def stale(self, name: str) -> bool:
        """Whether its files changed since it was loaded."""
        with self.machine.state.reading():
            loaded = self.memory().get(name, {}).get("loaded")
        return loaded is not None and loaded != self._on_disk(name)

    def enabled(self, name: str) -> str:
        """UnitFileState; empty for a unit without a file."""
        if self.masked(name):
            return "masked"
        if self.path(name) is None:
            return "transient" if self.memory().get(name, {}).get("transient") else ""
        if any(self.files.exists(f"{folder}/{name}") for folder in self._wants()):
            return "enabled"
        unit = self.load(name)
        return "disabled" if unit and "Install" in unit.sections else "static"

    def _wants(self) -> list[str]:
        base = "/etc/systemd/system"
        names = self.files.list(base) if self.files.is_folder(base) else []
        return [f"{base}/{name}" for name in names if name.endswith(".wants")]

    # -- links of units ------------------------------------------------------------------------------------------

    def enable(self, name: str) -> list[str]:
        """Make the links of [Install]; returns what was made."""
        self.reload()
        unit = self.load(name)
        if unit is None:
            raise UnitError(f"Failed to enable unit: Unit file {name} does not exist.")
        if self.masked(name):
            raise UnitError(f"Failed to enable unit: Unit file /etc/systemd/system/{name} is masked.")
        made = []
        for target in " ".join(unit.values("Install", "WantedBy")).split():
            folder = f"/etc/systemd/system/{target}.wants"
            self.files.make_folders(folder)
            link = f"{folder}/{name}"
            if not self.files.exists(link):
                self.files.link(link, self.path(name) or "")
                made.append(f"Created symlink {link} → {self.path(name)}.")
        return made

    def disable(self, name: str) -> list[str]:
        if self.path(name) is None:
            raise UnitError(f"Failed to disable unit: Unit file {name} does not exist.")
        gone = []
        for folder in self._wants():
            if name in self.files.list(folder):
                self.files.remove(f"{folder}/{name}")
                gone.append(f'Removed "{folder}/{name}".')
        self.reload()
        return gone

    def mask(self, name: str) -> list[str]:
        path = f"/etc/systemd/system/{name}"
        if self.masked(name):
            return []
        if self.files.exists(path):
            raise UnitError(f"Failed to mask unit: File {path} already exists.")
        self.files.link(path, "/dev/null")
        self.reload()
        return [f"Created symlink {path} → /dev/null."]

    def unmask(self, name: str) -> list[str]:
        if not self.masked(name):
            return []
        self.files.remove(f"/etc/systemd/system/{name}")
        self.reload()
        return [f'Removed "/etc/systemd/system/{name}".']

    def wanted_at_boot(self) -> list[str]:
        """The enabled services, each behind those that it names in After=."""
        if not self.files.is_folder(WANTS):
            return []
        names = [posixpath.basename(name) for name in self.files.list(WANTS)]
        ordered: list[str] = []

        def put(name: str) -> None:
            if name in ordered:
                return
            unit = self.load(name)
            for before in " ".join(unit.values("Unit", "After")).split() if unit else []:
                if before in names and before != name:
                    put(before)
            ordered.append(name)

        for name in names:
            put(name)
        return ordered
