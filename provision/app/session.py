"""What every use case starts from: settings, provider, paths, artifacts. The only place that chooses real parts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from platformdirs import user_cache_path

from provision.artifacts.cache import Cache
from provision.artifacts.catalog import needed
from provision.artifacts.lock import ArtifactLock
from provision.artifacts.store import ArtifactStore
from provision.doctor.choose import choose, require
from provision.errors import HostError, Refused
from provision.host.files import write_atomically
from provision.host.lock import cluster_lock
from provision.host.workspace import Workspace
from provision.machines.base import Provider
from provision.machines.existing import ExistingProvider
from provision.machines.vagrant import VagrantProvider
from provision.rehearsal.provider import RehearsalProvider
from provision.settings.load import Loaded, load, with_provider
from provision.settings.model import Machine, ProviderName, Settings

APP = "hybrid-provision"


@dataclass(frozen=True)
class Session:
    """One command's world.

    Attributes:
        settings: effective, with the provider chosen (never ``auto``).
        notices: what the user should know before anything starts.
    """

    loaded: Loaded
    settings: Settings
    workspace: Workspace
    provider: Provider
    notices: tuple[str, ...]

    @property
    def rehearsed(self) -> bool:
        return self.settings.provider == "rehearsal"

    @property
    def machines(self) -> tuple[Machine, ...]:
        return self.settings.machines

    @property
    def runs(self) -> Path:
        """The journal's folder; a rehearsal's runs are kept apart from real ones."""
        return self.workspace.rehearsal / "runs" if self.rehearsed else self.workspace.runs

    def store(self) -> ArtifactStore:
        """The artifacts of these settings. A rehearsal has a cache, a lock and an origin of its own."""
        specs = needed(self.settings)
        if isinstance(self.provider, RehearsalProvider):
            folder = self.workspace.rehearsal
            lock = ArtifactLock(folder / "artifacts.lock.yaml", rehearsed=True)
            return ArtifactStore(specs, Cache(folder / "cache"), lock, mirrors=self.provider.mirrors)
        cache = Cache(Path(os.environ.get("HYBRID_CACHE") or user_cache_path(APP)))
        lock = ArtifactLock(self.workspace.root / "artifacts.lock.yaml", rehearsed=False)
        proxy = self.settings.network.proxy
        return ArtifactStore(specs, cache, lock, mirrors=lambda: self.settings.mirrors, proxy=proxy)

    def strays(self) -> list[str]:
        """Machines of this cluster that the settings do not have any more."""
        return sorted(self.provider.made() - {machine.name for machine in self.machines})

    @contextmanager
    def locked(self, command: str) -> Iterator[None]:
        """Hold the cluster for a command that changes something."""
        with cluster_lock(self.workspace.lock, command):
            yield


def open_session(variables: str = "", overrides: Sequence[str] = ()) -> Session:
    """Load and judge the settings, choose the provider.

    Raises:
        SettingsError: every problem of the settings at once.
        HostError: a provider that was named does not work here.
        Refused: the cluster's machines belong to another provider.
    """
    file = Path(variables).resolve() if variables else None
    root = file.parent if file else Path.cwd()
    loaded = load(file, overrides=tuple(overrides), environment=os.environ, workspace=root)
    workspace = Workspace(root, loaded.settings.cluster.name)
    made_by = _made_by(workspace)
    asked = loaded.settings.provider
    if made_by and asked not in ("auto", made_by):
        raise Refused(
            f"cluster {workspace.cluster} was made with provider {made_by}, not {asked}",
            remedy=f"run `invoke destroy` first, or choose another `cluster.name`; its files are in {workspace.folder}",
        )
    choice = choose(loaded.settings, workspace)
    loaded = with_provider(loaded, cast(ProviderName, choice.provider))
    provider = _provider(loaded.settings, workspace)
    if isinstance(provider, RehearsalProvider):
        provider.check()
    return Session(loaded, loaded.settings, workspace, provider, (*loaded.notices, *choice.notices))


def _made_by(workspace: Workspace) -> str | None:
    """The provider that the cluster's machines belong to; None before the first `up`."""
    file = workspace.provider_file
    if not file.is_file():
        return None
    name = file.read_text(errors="replace").strip()
    if name not in get_args(ProviderName):
        raise HostError(
            f"{file} is damaged: it names no provider",
            details=repr(name[:40]),
            remedy="write into it the name of the provider that made the cluster, such as libvirt or rehearsal",
        )
    return name


def _provider(settings: Settings, workspace: Workspace) -> Provider:
    if settings.provider == "rehearsal":
        return RehearsalProvider(workspace, settings)
    if settings.provider == "existing":
        return ExistingProvider(settings, workspace)
    return VagrantProvider(settings, workspace)


def require_host(session: Session) -> tuple[str, ...]:
    """Before a real cluster's machines are made: all that stands in the way here, at once; returns warnings.

    Raises:
        HostError: something fatal, with every problem and its remedy.
    """
    if session.rehearsed or session.workspace.provider_file.exists():
        return ()
    return require(session.settings, session.workspace.root)


def remember_provider(session: Session) -> None:
    """From the first `up` on, the cluster belongs to its provider."""
    if not session.workspace.provider_file.exists():
        write_atomically(session.workspace.provider_file, session.settings.provider + "\n")
