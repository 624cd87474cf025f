"""What the words of the settings mean now: `1.36`, `ci/latest`, a branch, a checkout, and who makes the control plane.

A word is resolved once and pinned in the lock; a later command reads the pin and opens no connection.  Only a
local checkout is looked at by each `up` and `plan`: what is built from it is what lies there now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from provision import knowledge
from provision.build.base import Project, Source
from provision.clock import Deadline
from provision.errors import ArtifactError, HostError, Refused
from provision.settings.model import Chosen, Kubernetes, OwnFile, Settings, SourceState

if TYPE_CHECKING:
    from provision.build.source import Sources

Kind = Literal["sha", "ref", "path"]

CONTAINERD = "https://github.com/containerd/containerd"
HCSSHIM = "https://github.com/microsoft/hcsshim"
# Seconds until a repository has given the one commit that is built, over a slow line.
_FETCH = 1800
_KINDS: tuple[Kind, ...] = ("sha", "ref", "path")
# The source of a control plane has a row of its own in the lock: it stays while the nodes' moves on.
PLANE = "control-plane"


class Pins(Protocol):
    """What has been resolved before (`provision.artifacts.lock.ArtifactLock`)."""

    def word(self, key: str) -> str | None: ...
    def pin_word(self, key: str, meaning: str) -> None: ...
    def source(self, project: str) -> Mapping[str, object] | None: ...
    def pin_source(self, project: str, row: Mapping[str, object]) -> None: ...


@dataclass(frozen=True)
class Asked:
    """A source that the settings name.

    Attributes:
        kind, value: ``sha``, ``ref`` or ``path``, and what stands there.
    """

    project: Project
    kind: Kind
    value: str
    remote: str
    compatibility: str | None = None

    @property
    def word(self) -> str:
        """As the lock and people read it."""
        return f"{self.kind} {self.value}" + (f", as {self.compatibility}" if self.compatibility else "")


class Ways(Protocol):
    """How what is not pinned is found out; `source` and `ci` may open a connection."""

    def source(self, asked: Asked) -> Source:
        """The state of the source tree now.

        Raises:
            ArtifactError: there is no such commit, or its repository cannot be reached.
        """
        ...

    def ci(self, word: str) -> str:
        """The version (without ``v``) of ``latest`` or ``latest-1.37``.

        Raises:
            ArtifactError: there is no such CI build, or nobody answers.
        """
        ...

    def program(self, path: Path, name: str) -> str:
        """The version (without ``v``) stamped into a program, which is one for its system.

        Raises:
            ArtifactError: it is none.
        """
        ...


class Unresolved(Exception):
    """A word is not pinned, and this command does not look for its meaning."""


@dataclass
class _Fresh:
    """What this run found out, to be pinned when something is made of it."""

    words: dict[str, str] = field(default_factory=dict)
    sources: dict[str, dict[str, object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Resolved:
    """What the words mean.

    Attributes:
        chosen: for `Settings.chosen`.
        words, sources: what is not in the lock yet, or is there with another meaning.
    """

    chosen: Chosen
    words: Mapping[str, str]
    sources: Mapping[str, Mapping[str, object]]

    def pin(self, pins: Pins) -> None:
        """Write into the lock what this run has found out."""
        for key, meaning in self.words.items():
            pins.pin_word(key, meaning)
        for project, row in self.sources.items():
            pins.pin_source(project, row)


def resolve(settings: Settings, word: str, pins: Pins, ways: Ways, *, made: bool, look: bool = True) -> Resolved:
    """What the words of these settings mean.

    Args:
        settings: completed.
        word: ``kubernetes.version`` as it was written.
        made: the cluster has been made already, so that its control plane is what it is.
        look: False asks nobody and nothing: what is not pinned stays unknown.

    Raises:
        Unresolved: without ``look``, something is not pinned.
        ArtifactError: something does not exist or cannot be reached.
        Refused: a file of the user's own is not what its name says.
    """
    return _Resolver(settings, word, pins, ways, made, look).resolve()


def with_chosen(settings: Settings, chosen: Chosen) -> Settings:
    """The settings as they are meant: the control plane's version in full, and where everything comes from."""
    kubernetes = settings.kubernetes.model_copy(update={"version": chosen.version})
    return settings.model_copy(update={"kubernetes": kubernetes, "chosen": chosen})


def stand_in(settings: Settings) -> Settings:
    """The settings with a release in the place of a CI build that nobody knows yet, so that a plan can be shown."""
    if not settings.kubernetes.version.startswith("ci/"):
        return settings
    latest = knowledge.RELEASES[knowledge.NEWEST].latest
    return settings.model_copy(update={"kubernetes": settings.kubernetes.model_copy(update={"version": latest})})


@dataclass(frozen=True)
class _Plane:
    """Where a control plane comes from."""

    kind: Literal["release", "ci", "source"]
    version: str
    why: str

    @property
    def pin(self) -> str:
        return f"{self.kind} {self.version}"


class _Resolver:
    def __init__(self, settings: Settings, word: str, pins: Pins, ways: Ways, made: bool, look: bool) -> None:
        self.settings = settings
        self.kubernetes = settings.kubernetes
        self.version_word = word
        self.pins = pins
        self._ways = ways
        self._look_up = look
        self.made = made
        self.fresh = _Fresh()

    def resolve(self) -> Resolved:
        asked = asked_source(self.kubernetes) or self._asked_release()
        source = self._source("kubernetes", asked) if asked else None
        plane = self._plane(source, asked)
        plane_source = self._plane_source(source, asked) if plane.kind == "source" else None
        if plane_source is not None:
            plane = _Plane("source", plane_source.version, plane.why)
        binaries = {name: self._own(name, path) for name, path in self.kubernetes.binaries.items()}
        own = binaries.get("kubelet.exe")
        built = source.version if source else None
        chosen = Chosen(
            control_plane=plane.kind,
            version=plane.version,
            nodes=own.version if own else built or plane.version,
            source=source,
            plane_source=plane_source,
            containerd=self._containerd(),
            hcsshim=self._hcsshim(),
            binaries=binaries,
            why=plane.why,
        )
        return Resolved(chosen, self.fresh.words, self.fresh.sources)

    # Sources

    def _asked_release(self) -> Asked | None:
        """A release that is built instead of downloaded."""
        kubernetes, word = self.kubernetes, self.version_word
        if word.startswith("ci/") or not (kubernetes.from_source or kubernetes.control_plane == "source"):
            return None
        return Asked("kubernetes", "ref", f"v{self._release(word)}", kubernetes.remote)

    def _source(self, row: str, asked: Asked) -> SourceState:
        pinned = self.pins.source(row)
        # What lies in a checkout now is what is built next; a command that only shows says what was built last.
        kept = asked.kind != "path" or not self._look_up
        if pinned and kept and (pinned.get("word"), pinned.get("remote")) == (asked.word, asked.remote):
            return _state(pinned)
        return self._look(row, asked)

    def _look(self, row: str, asked: Asked) -> SourceState:
        found = _state(asdict(self._ask().source(asked)))
        self._note(row, asked, found)
        return found

    def _note(self, row: str, asked: Asked, state: SourceState) -> None:
        text = {"word": asked.word, **state.model_dump()}
        if dict(self.pins.source(row) or {}) != text:
            self.fresh.sources[row] = text

    def _plane_source(self, source: SourceState | None, asked: Asked | None) -> SourceState:
        """What the control plane is built from: of a cluster that exists, what it was built from."""
        assert asked is not None and source is not None
        pinned = self.pins.source(PLANE)
        same = pinned is not None and (pinned.get("word"), pinned.get("remote")) == (asked.word, asked.remote)
        if pinned is not None and (self.made or (same and asked.kind != "path")):
            return _state(pinned)
        self._note(PLANE, asked, source)
        return source

    # The control plane

    def _plane(self, source: SourceState | None, asked: Asked | None) -> _Plane:
        wanted = self.kubernetes.control_plane
        if source is None or asked is None:
            return self._as_written(wanted)
        line = knowledge.parse(source.version).line
        if wanted == "source":
            return _Plane("source", source.version, "control_plane: source builds the control plane, too")
        if wanted == "release":
            version = self._release(self.version_word)
            return _Plane("release", version, f"control_plane: release takes version {self.version_word}")
        if wanted == "ci":
            word = self.version_word.removeprefix("ci/") if self.version_word.startswith("ci/") else f"latest-{line}"
            version = self._ci(word)
            return _Plane("ci", version, f"control_plane: ci takes ci/{word}")
        if self.kubernetes.from_source:  # only with a release: see `which_kubernetes`
            version = self._release(self.version_word)
            return _Plane("release", version, "the release itself; its Windows nodes run what is built")
        return self._auto(source, line)

    def _as_written(self, wanted: str) -> _Plane:
        word = self.version_word
        if word.startswith("ci/"):
            version = self._ci(word.removeprefix("ci/"))
            return _Plane("ci", version, f"version names the CI build {word}")
        if wanted == "ci":
            line = knowledge.parse(word).line
            return _Plane("ci", self._ci(f"latest-{line}"), f"control_plane: ci takes the newest CI build of {line}")
        return _Plane("release", self._release(word), f"version {word} is a release")

    def _auto(self, source: SourceState, line: str) -> _Plane:
        """The nearest control plane that is not older than the nodes, and costs the least."""
        key = f"kubernetes.control_plane auto {line}"
        pinned = self.pins.word(key)
        if pinned is not None:
            kind, _, version = pinned.partition(" ")
            if kind in ("release", "ci", "source"):
                return self._said(source, line, kind, version)
        if knowledge.released(line):
            plane = self._said(source, line, "release", self._release(line))
        else:
            try:
                plane = self._said(source, line, "ci", self._ask().ci(f"latest-{line}"))
            except (ArtifactError, HostError) as error:
                why = f"{line} is not released and no CI build of it could be had ({error.what}): it is built, too"
                plane = _Plane("source", source.version, why)
        self.fresh.words[key] = plane.pin if plane.kind != "source" else "source"
        return plane

    def _said(self, source: SourceState, line: str, kind: str, version: str) -> _Plane:
        if kind == "release":
            why = f"the source is {source.version}, and {line} is released: its latest patch is the control plane"
            return _Plane("release", version, why)
        if kind == "ci":
            return _Plane("ci", version, f"{line} is not released: its newest CI build is the control plane")
        return _Plane(
            "source", source.version, f"{line} is not released and no CI build of it could be had: it is built, too"
        )

    # Words

    def _release(self, word: str) -> str:
        return self._pinned(f"kubernetes.version {word}", lambda: knowledge.kubernetes_patch(word))

    def _ci(self, word: str) -> str:
        if not word.startswith("latest"):
            return word.removeprefix("v")
        return self._pinned(f"kubernetes.version ci/{word}", lambda: self._ask().ci(word))

    def _pinned(self, key: str, look: Callable[[], str]) -> str:
        known = self.pins.word(key)
        if known is not None:
            return known
        found = self.fresh.words[key] = look()
        return found

    def _ask(self) -> Ways:
        if not self._look_up:
            raise Unresolved
        return self._ways

    # The user's own files

    def _own(self, name: str, path: Path) -> OwnFile:
        try:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            if not self._look_up:
                raise Unresolved from error
            raise Refused(
                f"kubernetes.binaries: {name} cannot be read: {path}: {error.strerror or error}",
                remedy="build it, or take it out of the settings",
            ) from error
        version = self._ways.program(path, name)
        return OwnFile(path=path, version=version, sha256=digest)

    # Other projects

    def _containerd(self) -> SourceState | None:
        containerd = self.settings.containerd
        if not containerd.from_source:
            return None
        if containerd.linux != containerd.windows:
            raise Refused(
                f"containerd.from_source builds one state, and {containerd.linux} and {containerd.windows} are two",
                remedy="write the same version for containerd.linux and containerd.windows",
            )
        return self._source("containerd", Asked("containerd", "ref", f"v{containerd.linux}", CONTAINERD))

    def _hcsshim(self) -> SourceState | None:
        for kind in _KINDS:
            value = getattr(self.settings.hcsshim, kind)
            if value is not None:
                remote = str(value) if kind == "path" else HCSSHIM
                return self._source("hcsshim", Asked("hcsshim", kind, str(value), remote))
        return None


def asked_source(kubernetes: Kubernetes) -> Asked | None:
    """The state of Kubernetes' source that the settings name by sha, ref or path; None when they name none."""
    for kind in _KINDS:
        value = getattr(kubernetes, kind)
        if value is not None:
            remote = str(value) if kind == "path" else kubernetes.remote
            return Asked("kubernetes", kind, str(value), remote, kubernetes.compatibility)
    return None


def source_of(sources: Sources, asked: Asked) -> Source:
    """The state of a source now; its files are in the cache afterwards.

    Raises:
        ArtifactError: there is no such commit or checkout, or its repository cannot be reached.
    """
    limit = Deadline(_FETCH, f"fetching {asked.project} {asked.value}")
    if asked.kind == "path":
        return sources.capture(asked.project, Path(asked.value), limit, compatibility=asked.compatibility)
    return sources.resolve(asked.project, asked.remote, asked.value, limit, compatibility=asked.compatibility)


def _state(row: Mapping[str, object]) -> SourceState:
    """A source's state, of a row of the lock or of a `Source`."""
    return SourceState.model_validate({key: value for key, value in row.items() if key not in ("word", "project")})
