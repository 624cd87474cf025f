"""Artifacts by name: resolved once, pinned by the lock, got once, checked always."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from provision.artifacts import download
from provision.artifacts.base import ArtifactSpec, Maker, OnBytes
from provision.artifacts.cache import Cache, file_digest
from provision.artifacts.lock import ArtifactLock
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.facts.base import HostFacts


class ArtifactStore:
    """The files of one cluster.

    Args:
        specs: what the catalogue says is needed.
        mirrors: gives base URL -> base URL or folder; asked when something is fetched.
        offline: never open a connection.
        proxy: URL of an HTTP proxy for downloads; None leaves it to the environment.
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
        proxy: str | None = None,
        makers: Mapping[str, Maker] = MappingProxyType({}),
    ) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.cache = cache
        self.lock = lock
        self._mirrors = mirrors
        self.offline = offline
        self._proxy = proxy
        self._makers = makers

    def facts(self) -> HostFacts:
        """What is resolved, and what is in the cache; opens nothing but the lock."""
        found = {name: entry.sha256 for name, spec in self.specs.items() if (entry := self.lock.find(spec))}
        return HostFacts(digests=found, cached=frozenset(n for n, digest in found.items() if self.cache.has(digest)))

    def path(self, name: str) -> Path:
        """The cached file.

        Raises:
            ArtifactError: it has not been fetched.
        """
        entry = self.lock.find(self.specs[name])
        if entry is None or not self.cache.has(entry.sha256):
            raise ArtifactError(f"{name} is not in the cache", remedy="run `invoke up` again: it is fetched first")
        return self.cache.path(entry.sha256)

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
        """
        spec = self.specs[name]
        entry = self.lock.find(spec)
        if entry is not None and self.cache.has(entry.sha256):
            return self.cache.path(entry.sha256)
        if spec.maker is not None:
            return self._make(spec, deadline, on_bytes, stop)
        if self.offline:
            raise ArtifactError(
                f"{name} {spec.version} is not in the cache, and --offline forbids to fetch it",
                remedy=f"run once without --offline, or put {spec.url} into a folder and name it in `mirrors`",
            )
        url = download.mirrored(spec.url, self._mirrors())
        with self.cache.exclusive(spec.url, deadline):
            expected = entry.sha256 if entry else self._published(spec, deadline)
            if expected is not None and self.cache.has(expected):
                target = self.cache.path(expected)
            else:
                part = self.cache.partial(f"{spec.url} {expected}")
                download.file(url, part, deadline, on_bytes, stop, proxy=self._proxy)
                digest = file_digest(part)
                if expected is not None and digest != expected:
                    part.unlink()
                    raise _wrong(spec, url, expected, digest, pinned=entry is not None)
                target = self.cache.adopt(part, digest)
            if entry is None:
                size = target.stat().st_size
                self.lock.pin(spec, sha256=target.name, size=size, checked=expected is not None)
            return target

    def _make(
        self, spec: ArtifactSpec, deadline: Deadline, on_bytes: OnBytes | None, stop: threading.Event | None
    ) -> Path:
        made = self._makers[spec.maker or ""](spec, deadline, on_bytes, stop)
        # Not compared with an older pin: what was made is what its maker says, e.g. with another compiler.
        target = self.cache.keep(made, file_digest(made))
        self.lock.pin(spec, sha256=target.name, size=target.stat().st_size, checked=True)
        return target

    def _published(self, spec: ArtifactSpec, deadline: Deadline) -> str | None:
        if spec.checksum_url is None:
            return None
        url = download.mirrored(spec.checksum_url, self._mirrors())
        return published_digest(download.text(url, deadline, proxy=self._proxy), spec.url.rsplit("/", 1)[-1], url)


def published_digest(text: str, file_name: str, where: str) -> str:
    """The SHA-256 of a file in a publisher's checksum file: a bare digest, or ``digest  name`` lines.

    Raises:
        ArtifactError: the text names no digest of this file.
    """
    rows = [line.split() for line in text.splitlines() if line.strip()]
    for row in rows:
        if re.fullmatch("[0-9a-fA-F]{64}", row[0]) and (
            (len(row) == 1 and len(rows) == 1) or (len(row) > 1 and row[1].lstrip("*").rsplit("/", 1)[-1] == file_name)
        ):
            return row[0].lower()
    raise ArtifactError(
        f"{where} holds no SHA-256 of {file_name}",
        details=text[:200],
        remedy="look at the address with a browser; a proxy or mirror may answer something else",
    )


def _wrong(spec: ArtifactSpec, url: str, expected: str, got: str, *, pinned: bool) -> ArtifactError:
    source = "artifacts.lock.yaml pins" if pinned else "its publisher says"
    return ArtifactError(
        f"{spec.name}: the file from {url} is not the one expected",
        details=f"{source} {expected}, the file has {got}",
        remedy="it was thrown away; run again, and look at `mirrors` or the proxy if it stays so",
    )
