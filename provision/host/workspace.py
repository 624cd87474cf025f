"""Where a workspace keeps what belongs to it.

A workspace is the folder with ``variables.yaml``; a cluster's own files live in ``.cluster/<name>/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# The product's own files (templates, Vagrantfile.j2) stand beside the package.
PRODUCT = Path(__file__).resolve().parents[2]
TEMPLATES = PRODUCT / "templates"


@dataclass(frozen=True)
class Workspace:
    """The paths of one cluster. Nothing is created by asking for a path."""

    root: Path
    cluster: str

    @property
    def folder(self) -> Path:
        return self.root / ".cluster" / self.cluster

    @property
    def provider_file(self) -> Path:
        """Holds the name of the provider that made the machines; the provider may not change under them."""
        return self.folder / "provider"

    @property
    def vagrant(self) -> Path:
        """The folder with the rendered Vagrantfile; Vagrant's own ``.vagrant/`` is in it."""
        return self.folder / "vagrant"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def certs(self) -> Path:
        return self.folder / "certs"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def rendered(self) -> Path:
        return self.folder / "rendered"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def rehearsal(self) -> Path:
        """Everything the rehearsal owns: its machines, its cache, its artifacts lock, its process."""
        return self.folder / "rehearsal"
