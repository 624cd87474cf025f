"""Artifacts by name: resolved once, pinned by the lock, got once, checked always."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from provision.artifacts import download
from provision.artifacts.base import ArtifactSpec, Maker, OnBytes
from provision.artifacts.cache import Cache, file_digest
from provision.artifacts.checksums import published_digest
from provision.artifacts.lock import ArtifactLock, Entry
from provision.artifacts.transfer import discard, finished
from provision.artifacts.verify import require_usable
from provision.artifacts.web import Web, shown
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.facts.base import HostFacts

_IMAGES = (
    "images: run `invoke images --export` while a cluster of these settings works, or name archives of them in "
    "`images.archives`; files: "
)


class ArtifactStore:
    """The files of one cluster.

    Args:
        specs: what the catalogue says is needed.
        mirrors: gives base URL -> base URL or folder; asked when something is fetched.
        offline: never open a connection; folders in ``mirrors`` are looked into.
        web: how publishers are reached.
        makers: scheme of a spec's URL (``build``, ``file``, ``image``) -> who makes such a file. They are
            asked with ``offline``, too: each knows by itself what it would have to fetch.
    """

    def __init__(
        self,
        specs: Sequence[ArtifactSpec],
        cache: Cache,
        lock: ArtifactLock,
        *,
        mirrors: Callable[[], Mapping[str, str]] = dict,
        offline: bool = False,
        web: Web = Web(),  # noqa: B008 - it is frozen
        makers: Mapping[str, Maker] = MappingProxyType({}),
    ) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.cache = cache
        self.lock = lock
        self._mirrors = mirrors
        self.offline = offline
        self._web = web
        self._makers = makers
        self._hashing = threading.Lock()
        self._sound: set[str] = set()  # digests of files that were read in this run and are right

    def facts(self) -> HostFacts:
        """What is resolved, and what is in the cache; opens nothing but the lock."""
        found = {name: entry for name, spec in self.specs.items() if (entry := self.lock.find(spec))}
        return HostFacts(
            digests={name: entry.sha256 for name, entry in found.items()},
            cached=frozenset(name for name, entry in found.items() if self.cache.has(entry.sha256, entry.size)),
        )

    def path(self, name: str) -> Path:
        """The cached file.

        Raises:
            ArtifactError: it has not been fetched.
        """
        found = self._cached(self.specs[name])
        if found is None:
            raise ArtifactError(f"{name} is not in the cache", remedy="run `invoke up` again: it is fetched first")
        return found

    def sound(self, name: str) -> bool:
        """Whether the cached file still is what its digest says (a dying disk); one that is not is thrown away.

        Asked before a file leaves this computer; each file is read once a store.

        Raises:
            ArtifactError: it has not been fetched.
        """
        return self._is_sound(self.path(name).name)

    def _is_sound(self, digest: str) -> bool:
        with self._hashing:
            if digest in self._sound:
                return True
        if not self.cache.sound(digest):
            return False
        with self._hashing:
            self._sound.add(digest)
        return True

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Hold these files for a run: nobody prunes them meanwhile, and this counts as a use of each."""
        with self.cache.in_use(self.lock.path):
            for spec in self.specs.values():
                entry = self.lock.find(spec)
                if entry is not None and self.cache.has(entry.sha256):
                    self._note(entry.sha256, spec)
            yield

    def missing(self) -> tuple[str, ...]:
        """What ``offline`` would have to fetch, one line a file: name, version, where it is, where it is looked for.

        What a maker makes is not among it, but an image, which only a registry or a cluster has.
        """
        return tuple(line for spec in self.specs.values() for line in self._missing(spec))

    def require_offline(self) -> None:
        """Everything is there that cannot be fetched.

        Raises:
            ArtifactError: with every file that is missing.
        """
        lines = self.missing() if self.offline else ()
        if lines:
            files, them = ("1 file is", "it") if len(lines) == 1 else (f"{len(lines)} files are", "them")
            images = _IMAGES if any(line.startswith("image ") for line in lines) else ""
            raise ArtifactError(
                f"{files} missing, and --offline forbids to fetch {them}",
                details="\n".join(lines),
                remedy=f"{images}run once without --offline, or put each below a folder by its address without the "
                'scheme (FOLDER/dl.k8s.io/release/...) and write `mirrors: {"https://": FOLDER}`; a file that no lock '
                "pins needs its checksum file beside it",
            )

    def require_room(self) -> None:
        """The disk has room for all that is pinned and not here yet; what is not pinned is asked for file by file.

        Raises:
            HostError: says how much is missing and where.
        """
        entries = [entry for spec in self.specs.values() if (entry := self.lock.find(spec))]
        absent = [entry for entry in entries if not self.cache.has(entry.sha256, entry.size)]
        if absent:
            what = "1 file to fetch" if len(absent) == 1 else f"{len(absent)} files to fetch"
            self.cache.room.require(what, sum(entry.size for entry in absent))

    def fetch(
        self,
        name: str,
        deadline: Deadline,
        on_bytes: OnBytes | None = None,
        stop: threading.Event | None = None,
    ) -> Path:
        """Make sure that the file is in the cache and pinned.

        Raises:
            ArtifactError: it cannot be had, or is not what was published or pinned; nothing wrong is kept.
            HostError: the cache's disk is full or may not be written.
        """
        spec = self.specs[name]
        with self.cache.exclusive(spec.url, deadline):
            target = self._cached(spec)
            if target is not None:
                return target
            if spec.maker is not None:
                target, checked = self._make(spec, deadline, on_bytes, stop), True
            else:
                self._allow(spec)
                target, checked = self._download(spec, self.lock.find(spec), deadline, on_bytes, stop)
            self._note(target.name, spec)
            self.lock.pin(spec, sha256=target.name, size=target.stat().st_size, checked=checked)
            return target

    def _cached(self, spec: ArtifactSpec) -> Path | None:
        entry = self.lock.find(spec)
        return self.cache.path(entry.sha256) if entry and self.cache.has(entry.sha256, entry.size) else None

    def _make(
        self, spec: ArtifactSpec, deadline: Deadline, on_bytes: OnBytes | None, stop: threading.Event | None
    ) -> Path:
        made = self._makers[spec.maker or ""](spec, deadline, on_bytes, stop)
        # Not compared with an older pin: what was made is what its maker says, e.g. with another compiler.
        return self.cache.keep(made, file_digest(made))

    def published_now(self, name: str, deadline: Deadline, stop: threading.Event | None = None) -> Entry | None:
        """What its publisher has now, whatever the lock pins; for what nobody publishes, and offline, what it pins.

        The file itself is fetched only where nobody publishes its digest or its size.

        Raises:
            ArtifactError, HostError: as `fetch`.
        """
        spec = self.specs[name]
        pinned = self.lock.find(spec)
        if spec.maker is not None or (self.offline and pinned is not None):
            return pinned
        digest = self._published(spec, deadline)
        if pinned is not None and pinned.sha256 == digest:
            return pinned
        if digest is not None and (size := self._size(spec, digest)) is not None:
            return Entry(url=spec.url, version=spec.version, sha256=digest, size=size, checked=True)
        with self.cache.exclusive(spec.url, deadline):
            target, checked = self._download(spec, None, deadline, None, stop)
            self._note(target.name, spec)
        size = target.stat().st_size
        return Entry(url=spec.url, version=spec.version, sha256=target.name, size=size, checked=checked)

    def _size(self, spec: ArtifactSpec, digest: str) -> int | None:
        """Bytes of a published file; None where they cannot be known without fetching it."""
        if self.cache.has(digest) and self._is_sound(digest):
            return self.cache.path(digest).stat().st_size
        return download.length(download.mirrored(spec.url, self._mirrors()), web=self._web)

    def _download(
        self,
        spec: ArtifactSpec,
        entry: Entry | None,
        deadline: Deadline,
        on_bytes: OnBytes | None,
        stop: threading.Event | None,
    ) -> tuple[Path, bool]:
        """The file in the cache, and whether its publisher has said its digest."""
        expected = entry.sha256 if entry else self._published(spec, deadline)
        checked = entry.checked if entry else expected is not None
        # Another cluster has fetched it; its size is about to be pinned here, so it is read before.
        if (
            expected is not None
            and self.cache.has(expected, entry.size if entry else None)
            and self._is_sound(expected)
        ):
            return self.cache.path(expected), checked
        url = download.mirrored(spec.url, self._mirrors())
        part = self.cache.partial(f"{spec.url} {expected}")
        while True:
            resumed = part.exists()
            download.file(
                url,
                part,
                deadline,
                on_bytes,
                stop,
                web=self._web,
                size=entry.size if entry else None,
                room=self.cache.room,
                what=f"{spec.name} {spec.version}",
            )
            digest = file_digest(part)
            if expected in (None, digest):
                break
            discard(part)
            if not resumed:  # else the first part may have been another file's: once more, whole
                raise _wrong(spec, url, str(expected), digest, pinned=entry is not None)
        try:
            require_usable(spec, part, programs=not self.lock.document.rehearsed)
        except ArtifactError:
            discard(part)
            raise
        finished(part)
        return self.cache.adopt(part, digest), checked

    def _published(self, spec: ArtifactSpec, deadline: Deadline) -> str | None:
        if spec.checksum_url is None:
            return None
        url = download.mirrored(spec.checksum_url, self._mirrors())
        return published_digest(download.text(url, deadline, web=self._web), spec.url.rsplit("/", 1)[-1], url)

    def _allow(self, spec: ArtifactSpec) -> None:
        if self.offline and (lines := self._missing(spec)):
            raise ArtifactError(
                f"{spec.name} {spec.version} is not in the cache, and --offline forbids to fetch it",
                details="\n".join(lines),
                remedy=f"run once without --offline, or put {spec.url} into a folder and name it in `mirrors`",
            )

    def _missing(self, spec: ArtifactSpec) -> tuple[str, ...]:
        if self._cached(spec) is not None or spec.maker in ("build", "file"):
            return ()
        if spec.maker == "image":
            # From a cluster; other images are made here, of a build or of the user's archive.
            name, _, platform = spec.url.removeprefix("image:").partition("?platform=")
            return (f"image {name} for {platform.partition('&')[0]}: no archive of it is here",) if platform else ()
        entry = self.lock.find(spec)
        if entry is not None and self.cache.has(entry.sha256):
            return ()
        wanted = [spec.url, *([spec.checksum_url] if spec.checksum_url and entry is None else [])]
        asked = [download.mirrored(url, self._mirrors()) for url in wanted]
        places = [download.local(url) for url in asked]
        if all(place is not None and place.is_file() for place in places):
            return ()
        pinned = f" (sha256 {entry.sha256})" if entry else " (no lock pins it)"
        looked = [str(place) for place in places if place is not None and not place.is_file()]
        here = f"; looked for: {' and '.join(looked)}" if looked else ""
        return (f"{spec.name} {spec.version}: {' and '.join(wanted)}{pinned}{here}",)

    def _note(self, digest: str, spec: ArtifactSpec) -> None:
        self.cache.note(digest, name=spec.name, version=spec.version, url=spec.url, lock=self.lock.path)


def _wrong(spec: ArtifactSpec, url: str, expected: str, got: str, *, pinned: bool) -> ArtifactError:
    source = "artifacts.lock.yaml pins" if pinned else "its publisher says"
    return ArtifactError(
        f"{spec.name} {spec.version}: the file from {shown(url)} is not the one expected",
        details=f"{source} {expected}, the file has {got}",
        remedy="it was thrown away; run again, and look at `mirrors` or the proxy if it stays so",
    )
