"""What every use case starts from: settings, provider, paths, artifacts. The only place that chooses real parts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast, get_args

from provision.app.made import Makers
from provision.app.paths import cache_root
from provision.app.resolve import Pins, Resolved, Unresolved, Ways, resolve, stand_in, with_chosen
from provision.artifacts import download
from provision.artifacts import words as words_of
from provision.artifacts.cache import Cache
from provision.artifacts.catalog import needed
from provision.artifacts.lock import ArtifactLock
from provision.artifacts.store import ArtifactStore
from provision.artifacts.web import Web
from provision.clock import Deadline
from provision.doctor.choose import choose, require
from provision.errors import ArtifactError, HostError, Refused
from provision.host.files import write_atomically
from provision.host.lock import cluster_lock
from provision.host.workspace import Workspace
from provision.machines.base import Provider
from provision.machines.existing import ExistingProvider
from provision.machines.vagrant import VagrantProvider
from provision.rehearsal.provider import RehearsalProvider
from provision.rehearsal.published import published
from provision.settings.load import Loaded, judged_again, load, with_provider
from provision.settings.model import Machine, ProviderName, Settings

STRAY = (
    "{0} is not in the settings any more; its machine and its node are kept. To remove it: put it back, "
    "`invoke destroy`, then make the cluster without it"
)


@dataclass(frozen=True)
class Session:
    """One command's world.

    Attributes:
        settings: effective, with the provider chosen (never ``auto``).
        notices: what the user should know before anything starts.
        offline: only what is on this computer (cache, folders in ``mirrors``) may be used.
        resolved: what the words of ``kubernetes`` mean, with what is not pinned yet; None where nobody asked.
    """

    loaded: Loaded
    settings: Settings
    workspace: Workspace
    provider: Provider
    notices: tuple[str, ...]
    offline: bool = False
    resolved: Resolved | None = None

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

    def lock(self) -> ArtifactLock:
        """What this cluster was made of; a rehearsal has a lock of its own.

        Raises:
            ArtifactError, Refused: as `ArtifactLock`.
        """
        if self.rehearsed:
            return ArtifactLock(self.workspace.rehearsal / "artifacts.lock.yaml", rehearsed=True)
        return ArtifactLock(self.workspace.root / "artifacts.lock.yaml", rehearsed=False)

    def cache(self) -> Cache:
        """The cache of files: one for all real clusters of this computer, one for each rehearsal."""
        return Cache(self.workspace.rehearsal / "cache" if self.rehearsed else cache_root())

    def mirrors(self) -> Mapping[str, str]:
        """Base URL -> what is asked instead. A rehearsal asks its own origin, and offline nobody."""
        if isinstance(self.provider, RehearsalProvider):
            return {} if self.offline else self.provider.mirrors()
        return self.settings.mirrors

    def web(self) -> Web:
        """How files are asked for over HTTP: the proxy and the certificate authorities of the settings."""
        return Web() if self.rehearsed else Web(self.settings.network.proxy, self.settings.network.ca)

    def store(self) -> ArtifactStore:
        """The artifacts of these settings. A rehearsal has a cache, a lock and an origin of its own."""
        return ArtifactStore(
            needed(self.settings),
            self.cache(),
            self.lock(),
            mirrors=self.mirrors,
            offline=self.offline,
            web=self.web(),
            makers=self.makers().by_scheme(),
        )

    def makers(self) -> Makers:
        """Who makes the files that nobody publishes. Rehearsals build for real, with the real caches of compilers."""
        return Makers(
            self.settings, cache_root(), offline=self.offline, rehearsed=self.rehearsed, ask=self.ask, lock=self.lock
        )

    def ask(self, url: str) -> str:
        """A small text of a publisher.

        Raises:
            ArtifactError: it is not there, nobody answers, or ``offline`` forbids to ask.
        """
        if self.rehearsed and not self.offline:
            text = published(url.removeprefix("https://"))
            if text is None:
                raise ArtifactError(f"{url} is not published (rehearsal)")
            return text.decode()
        mirrored = download.mirrored(url, self.settings.mirrors)
        if self.offline and (self.rehearsed or download.local(mirrored) is None):
            raise ArtifactError(f"{url} may not be asked: --offline", remedy="run once without --offline")
        return download.text(mirrored, Deadline(30, url), web=self.web())

    def pin(self) -> None:
        """Write what the words mean into the lock: from now on they keep their meaning."""
        lock = self.lock()
        if self.resolved is not None and (self.resolved.words or self.resolved.sources):
            self.resolved.pin(lock)
        fresh = {key: meaning for key, meaning in self.runtime_words().items() if lock.word(key) is None}
        if fresh:
            lock.change(lambda now: {"words": {**now.words, **fresh}})

    def runtime_words(self) -> dict[str, str]:
        """What the words for containerd and the pod network mean in these settings, by their keys in the lock."""
        return words_of.meanings(self.settings, self.loaded.written)

    def strays(self) -> list[str]:
        """Machines of this cluster that the settings do not have any more."""
        return sorted(self.provider.made() - {machine.name for machine in self.machines})

    @contextmanager
    def locked(self, command: str) -> Iterator[None]:
        """Hold the cluster for a command that changes something."""
        with cluster_lock(self.workspace.lock, command):
            yield


def named(sha: str, ref: str, path: str, remote: str) -> list[str]:
    """The flags of the source as overrides of the settings; one of them takes the place of what the file names."""
    if not (sha or ref or path):
        return [f"kubernetes.remote={remote}"] if remote else []
    given = {"sha": sha, "ref": ref, "path": str(Path(path).absolute()) if path else "", "remote": remote}
    others = [f"kubernetes.{key}=null" for key in ("sha", "ref", "path") if not given[key]]
    return [*others, *(f"kubernetes.{key}={value}" for key, value in given.items() if value)]


Words = Literal["untouched", "pinned", "resolved"]
"""How far a command goes to know what the words of ``kubernetes`` mean: not at all, reading what the lock pins,
or asking publishers and repositories, too."""


def open_session(
    variables: str = "", overrides: Sequence[str] = (), *, offline: bool = False, words: Words = "untouched"
) -> Session:
    """Load and judge the settings, choose the provider.

    Args:
        offline: open no connection to a publisher; what is missing is an error.

    Raises:
        ArtifactError: a word's meaning cannot be found out.
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
    session = Session(loaded, loaded.settings, workspace, provider, (*loaded.notices, *choice.notices), offline)
    return session if words == "untouched" else with_words(session, look=words == "resolved")


def with_words(session: Session, *, look: bool, ways: Ways | None = None, pins: Pins | None = None) -> Session:
    """The session with settings as they are meant: words resolved, judged again for what they mean.

    Args:
        look: publishers and repositories may be asked; else what is not pinned stays as it was written.
        pins: what has been resolved before; None reads the lock.

    Raises:
        ArtifactError: a word's meaning cannot be found out.
        SettingsError: what it means does not go together with the rest.
    """
    pins = session.lock() if pins is None else pins
    written = session.loaded.written
    settings = words_of.as_pinned(session.settings, written, pins.word)
    made = session.workspace.provider_file.exists()
    try:
        found = resolve(settings, written.kubernetes.version, pins, ways or session.makers(), made=made, look=look)
    except Unresolved:
        notice = "what is built, or which CI build is taken, is not known yet: `invoke plan` and `invoke up` find out"
        return replace(session, settings=stand_in(settings), notices=(*session.notices, notice))
    loaded, notices = judged_again(session.loaded, with_chosen(settings, found.chosen))
    return replace(
        session, loaded=loaded, settings=loaded.settings, notices=(*session.notices, *notices), resolved=found
    )


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
