"""artifacts.lock.yaml: all that a cluster was made of: files, the meanings of words, sources, images."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from provision import knowledge
from provision.artifacts.base import ArtifactSpec
from provision.clock import Deadline
from provision.errors import ArtifactError, Refused
from provision.host.files import write_atomically
from provision.host.lock import only_one
from provision.settings.model import SourceState

_HEADER = """\
# What this cluster is made of: made by `invoke up`, one entry a file. Commit it to make the same cluster again;
# `invoke lock` asks the publishers for newer ones and shows what changes.
"""


_PATIENCE = 30.0  # seconds for another run that writes it, which takes it some milliseconds


def _one_line(text: str) -> str:
    if not text.strip() or any(not character.isprintable() for character in text):
        raise ValueError("not one line of text")
    return text


def _meaning(text: str) -> str:
    """A version, or ``KIND VERSION``, or ``source``."""
    if text != "source":
        knowledge.parse(text.rpartition(" ")[2])
    return text


Line = Annotated[str, AfterValidator(_one_line)]
Meaning = Annotated[Line, AfterValidator(_meaning)]
Digest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Part):
    """A pinned file. ``checked`` says whether its publisher's checksum agreed, or it was only the first seen."""

    url: str
    version: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    checked: bool


class Document(_Part):
    """The whole file; sections that are absent (an older lock's) are empty.

    Attributes:
        artifacts: name -> the pinned file.
        words: ``<setting> <word>`` -> what it means, such as ``kubernetes.version 1.36`` -> ``1.36.4``.
        sources: project -> the state of the source tree that was built.
        images: reference -> platform (``linux/amd64``) -> digest of its manifest.
    """

    rehearsed: bool = False
    artifacts: Mapping[str, Entry] = Field(default_factory=dict)
    words: Mapping[Line, Meaning] = Field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    images: Mapping[str, Mapping[str, Digest]] = Field(default_factory=dict)

    @field_validator("sources")
    @classmethod
    def _whole(cls, sources: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
        for project, row in sources.items():
            state = SourceState.model_validate({key: value for key, value in row.items() if key != "word"})
            if project not in ("containerd", "hcsshim"):  # which are called by their commit where no tag is behind it
                knowledge.parse(state.version)
        return sources


class ArtifactLock:
    """The lock file; safe for several threads and several runs.

    Args:
        rehearsed: the digests are those of a rehearsal's stand-ins; such a file says so.

    Raises:
        ArtifactError: the file exists and cannot be read as a lock.
        Refused: the file is a rehearsal's and this is a real run, or the other way round.
    """

    def __init__(self, path: Path, *, rehearsed: bool = False) -> None:
        self.path = path
        self._rehearsed = rehearsed
        self._thread = threading.Lock()
        self._now = self._read()

    @property
    def document(self) -> Document:
        """The whole file as it was last read or written here."""
        return self._now

    @property
    def entries(self) -> Mapping[str, Entry]:
        return MappingProxyType(self._now.artifacts)

    def find(self, spec: ArtifactSpec) -> Entry | None:
        """The entry of this very file: an entry for another URL or version does not count."""
        entry = self._now.artifacts.get(spec.name)
        return entry if entry and (entry.url, entry.version) == (spec.url, spec.version) else None

    def pin(self, spec: ArtifactSpec, *, sha256: str, size: int, checked: bool) -> None:
        """Write an entry; others that another run has written meanwhile are kept."""
        entry = Entry(url=spec.url, version=spec.version, sha256=sha256, size=size, checked=checked)
        self.change(lambda now: {"artifacts": {**now.artifacts, spec.name: entry}})

    def word(self, key: str) -> str | None:
        """What a word was resolved to; ``key`` is ``<setting> <word>``, such as ``kubernetes.version 1.36``."""
        return self._now.words.get(key)

    def pin_word(self, key: str, meaning: str) -> None:
        """Write what a word means now."""
        self.change(lambda now: {"words": {**now.words, key: meaning}})

    def source(self, project: str) -> Mapping[str, object] | None:
        """The state of the project's source that was built; None when none was."""
        return self._now.sources.get(project)

    def pin_source(self, project: str, row: Mapping[str, object]) -> None:
        """Write the state of the project's source (plain text, numbers and truth values)."""
        self.change(lambda now: {"sources": {**now.sources, project: dict(row)}})

    def image(self, reference: str, platform: str) -> str | None:
        """The digest (``sha256:...``) of an image's manifest on a platform such as ``linux/amd64``."""
        return self._now.images.get(reference, {}).get(platform)

    def pin_image(self, reference: str, platform: str, digest: str) -> None:
        """Write the digest of an image's manifest on a platform."""
        self.change(
            lambda now: {"images": {**now.images, reference: {**now.images.get(reference, {}), platform: digest}}}
        )

    def change(self, make: Callable[[Document], Mapping[str, object]]) -> None:
        """Read the file again, change sections, write it whole by rename; one writer at a time.

        Args:
            make: from the newest document to the sections that become others; called once.

        Raises:
            ArtifactError: a new value does not belong into a lock, or the file was damaged meanwhile.
        """
        lock = self.path.with_name(f".{self.path.name}.lock")
        with self._thread, only_one(lock, Deadline(_PATIENCE), str(self.path)):
            before = self._read()
            sections = {name: getattr(before, name) for name in Document.model_fields} | dict(make(before))
            self._now = self._valid(sections)
            if self._now != before or not self.path.exists():
                write_atomically(self.path, _HEADER + _text(self._now), durable=True)

    def _read(self) -> Document:
        if not self.path.exists():
            return Document(rehearsed=self._rehearsed)
        try:
            found = yaml.safe_load(self.path.read_text(encoding="utf-8")) or {}
            if not isinstance(found, dict):
                raise ValueError("it is no list of sections")
        except (yaml.YAMLError, ValueError) as error:
            raise self._damaged(error) from error
        document = self._valid({name: rows for name, rows in found.items() if rows is not None})
        # An empty file is nobody's.
        if found and document.rehearsed != self._rehearsed:
            kinds = ("a rehearsal's", "a real run") if document.rehearsed else ("a real cluster's", "a rehearsal")
            raise Refused(f"{self.path} is {kinds[0]} lock; {kinds[1]} does not use it", remedy="move it away")
        return document.model_copy(update={"rehearsed": self._rehearsed})

    def _valid(self, sections: Mapping[str, object]) -> Document:
        try:
            return Document.model_validate(sections)
        except ValidationError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ArtifactError:
        if isinstance(error, ValidationError):
            lines = (f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors(include_url=False))
            details = "\n".join(lines)
        else:
            details = str(error)
        return ArtifactError(
            f"{self.path} cannot be read as a lock of artifacts",
            details=details,
            remedy="take it back from your version control, or delete it: the next run pins anew",
        )


def digests_in(path: Path) -> frozenset[str] | None:
    """Every SHA-256 that a lock file names, whoever's it is; None when it cannot be read, empty when it is gone."""
    try:
        document = Document.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except (OSError, ValueError, yaml.YAMLError):
        return None
    images = (digest.removeprefix("sha256:") for row in document.images.values() for digest in row.values())
    return frozenset((*(entry.sha256 for entry in document.artifacts.values()), *images))


def _text(document: Document) -> str:
    rows: dict[str, object] = {"rehearsed": True} if document.rehearsed else {}
    for name, section in document.model_dump(exclude={"rehearsed"}).items():
        if section or name == "artifacts":
            rows[name] = {key: section[key] for key in sorted(section)}
    return yaml.safe_dump(rows, sort_keys=False, width=200)
