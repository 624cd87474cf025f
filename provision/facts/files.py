"""Sections that machines of both OSes print alike: delivered files, installed components, the stamp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from provision.facts.base import Section


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeliveredFile(_Part):
    """A file in the machine's folder of delivered files; ``size`` in bytes."""

    sha256: str
    size: int


class Delivered(Section):
    """Delivered files by artifact name."""

    name: ClassVar[str] = "delivered"
    files: Mapping[str, DeliveredFile] = Field(default_factory=dict)

    def lacks(self, wanted: Mapping[str, str]) -> list[str]:
        """The names among ``wanted`` (name -> SHA-256) that are absent or have another digest."""
        return [name for name, digest in wanted.items() if name not in self.files or self.files[name].sha256 != digest]


class Component(_Part):
    """What was installed from which artifacts (name -> SHA-256), and whether every file is still the same."""

    digests: Mapping[str, str]
    intact: bool
    detail: str


class Installed(Section):
    """Installed components by name."""

    name: ClassVar[str] = "installed"
    components: Mapping[str, Component] = Field(default_factory=dict)


class Images(Section):
    """What containerd has for Kubernetes (namespace ``k8s.io``).

    Attributes:
        names: image -> digest; empty while containerd does not answer.
        imported: archive -> SHA-256 of the archive that was imported under this name, or ``importing`` when that
            has not come to its end.
    """

    name: ClassVar[str] = "images"
    names: Mapping[str, str] = Field(default_factory=dict)
    imported: Mapping[str, str] = Field(default_factory=dict)

    def has_all(self, names: tuple[str, ...]) -> bool:
        """Whether every one of these images is there."""
        return all(name in self.names for name in names)

    def broken_off(self, archive: str) -> bool:
        """Whether an import of this archive began and did not end: its images may be there by name only."""
        return self.imported.get(archive) == "importing"

    def came_from(self, archive: str, sha256: str | None) -> bool:
        """Whether this very archive was the last that was imported under its name."""
        return sha256 is not None and self.imported.get(archive) == sha256


class Registries(Section):
    """What we wrote for containerd's registries, and the authorities that we brought.

    Attributes:
        files: ``<folder>/<file>`` below ``certs.d`` -> SHA-256.
        authorities: name -> whether the system trusts it.
    """

    name: ClassVar[str] = "registries"
    files: Mapping[str, str] = Field(default_factory=dict)
    authorities: Mapping[str, bool] = Field(default_factory=dict)


class Stamp(Section):
    """The settings that shaped the machine, as JSON text; empty or None when nothing was written yet."""

    name: ClassVar[str] = "stamp"
    text: str | None = None
