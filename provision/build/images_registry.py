"""Images from their registries into the cache: by tag or digest, one platform, every blob checked, nothing twice."""

from __future__ import annotations

import hashlib
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from provision.artifacts.base import OnBytes
from provision.artifacts.cache import Cache, file_digest
from provision.artifacts.scratch import scratch
from provision.build.images_fetch import Fetching
from provision.build.images_http import Access
from provision.build.images_names import Reference
from provision.build.images_oci import (
    CONFIGS,
    INDEXES,
    LAYERS,
    Config,
    Descriptor,
    Index,
    Manifest,
    Platform,
    decode,
    digest_of,
    read,
)
from provision.clock import Deadline
from provision.errors import ArtifactError


@dataclass(frozen=True, kw_only=True)
class PulledImage:
    """One image of one platform, wholly in the cache.

    Attributes:
        reference: as it was asked for, with the digest that its tag means now.
        digest: of the image's own manifest; another one if ``reference`` means an index.
        config: the configuration's bytes.
        layers: the layers' files, in the order of ``manifest.layers``.
    """

    reference: Reference
    digest: str
    manifest: Manifest
    config: bytes
    layers: tuple[Path, ...]


@dataclass(frozen=True)
class Registry:
    """Registries behind a cache; safe for several threads and several runs.

    Args:
        offline: never open a connection; what is asked for by digest and in the cache is still to be had.
    """

    cache: Cache
    access: Access = field(default_factory=Access)
    offline: bool = False

    def resolve(self, image: Reference, deadline: Deadline, stop: threading.Event | None = None) -> Reference:
        """The image by digest: that of the index if the tag means several platforms.

        Raises:
            ArtifactError: the registry does not have it, does not let us in, or cannot be reached.
        """
        if image.digest:
            return image
        with closing(Fetching(image, self.access, deadline, stop, offline=self.offline)) as fetching:
            return image.pinned(_digest(self._document(fetching, image.tag, "")))

    def pull(
        self,
        image: Reference,
        deadline: Deadline,
        *,
        os: str = "linux",
        architecture: str = "amd64",
        os_version: str = "",
        on_bytes: OnBytes | None = None,
        stop: threading.Event | None = None,
    ) -> PulledImage:
        """One image into the cache, as far as it is not there yet.

        Args:
            os_version: of Windows, as far as it matters: ``10.0.20348`` takes any of that build.
            on_bytes: bytes of all layers so far, and in all.

        Raises:
            ArtifactError: as `resolve`; it has no such platform; what came is not what its digest says.
        """
        wanted = Platform(os=os, architecture=architecture, os_version=os_version)
        with closing(Fetching(image, self.access, deadline, stop, offline=self.offline)) as fetching:
            data = self._document(fetching, image.wanted, image.digest)
            pinned = image.pinned(_digest(data))
            if _is_index(data, image):
                chosen = _choose(read(Index, data, f"{image}: its index"), wanted, image)
                data = self._document(fetching, chosen.digest, chosen.digest)
            manifest = _image_manifest(data, image)
            config = self._blob(fetching, manifest.config, None, 0, 0).read_bytes()
            runs_on = read(Config, config, f"{image}: its configuration")
            if not _fits(runs_on, wanted):
                raise _no_platform(image, wanted, [str(runs_on)])
            layers, have, total = [], 0, sum(layer.size for layer in manifest.layers)
            for layer in manifest.layers:
                layers.append(self._blob(fetching, layer, on_bytes, have, total))
                have += layer.size
        return PulledImage(
            reference=pinned, digest=_digest(data), manifest=manifest, config=config, layers=tuple(layers)
        )

    def _document(self, fetching: Fetching, wanted: str, digest: str) -> bytes:
        """A manifest or index, checked against its digest if that is known; kept in the cache like any blob."""
        known = digest.partition(":")[2]
        if known and self.cache.has(known) and self.cache.sound(known):
            return self.cache.path(known).read_bytes()
        image = fetching.image
        with self.cache.exclusive(f"{image.host}/{image.path} {wanted}", fetching.deadline):
            data, stated = fetching.document(wanted)
            got = _digest(data)
            for expected in (digest, stated):
                if expected.startswith("sha256:") and expected != got:
                    raise _another(image, f"the manifest {wanted}", expected, got)
            sha256 = got.partition(":")[2]
            with scratch(self.cache.temporary) as folder:
                file = folder / "manifest"
                file.write_bytes(data)
                self.cache.keep(file, sha256)
            return data

    def _blob(self, fetching: Fetching, blob: Descriptor, on_bytes: OnBytes | None, before: int, total: int) -> Path:
        """A blob in the cache, checked against its digest; ``before`` bytes of ``total`` were had already."""

        def progress(have: int) -> None:
            if on_bytes:
                on_bytes(before + have, total)

        with self.cache.exclusive(blob.digest, fetching.deadline):
            if not (self.cache.has(blob.sha256, blob.size) and self.cache.sound(blob.sha256)):
                part = self.cache.partial(blob.digest)
                got = ""
                # Once more, whole, when a part of an earlier try was there: it may have been what was wrong.
                for _ in range(2 if part.exists() else 1):
                    if not part.exists() or part.stat().st_size != blob.size:
                        fetching.blob(blob.digest, blob.size, part, progress)
                    got = digest_of(file_digest(part))
                    if got == blob.digest:
                        break
                    part.unlink()
                else:
                    raise _another(fetching.image, "a blob", blob.digest, got)
                self.cache.adopt(part, blob.sha256)
        progress(blob.size)
        return self.cache.path(blob.sha256)


def _digest(data: bytes) -> str:
    return digest_of(hashlib.sha256(data).hexdigest())


def _is_index(data: bytes, image: Reference) -> bool:
    document = decode(data, f"{image}: its manifest")
    if document.get("schemaVersion") == 1:
        raise ArtifactError(
            f"{image} is stored in the form of 2015 (schema 1), which containerd does not read either",
            remedy="take a newer tag, or have the image pushed again",
        )
    return document.get("mediaType") in INDEXES or "manifests" in document


def _image_manifest(data: bytes, image: Reference) -> Manifest:
    """A manifest of an image whose layers can all be copied."""
    manifest = read(Manifest, data, f"{image}: its manifest")
    strange = [one.media_type for one in manifest.layers if one.media_type not in LAYERS]
    if manifest.config.media_type not in CONFIGS or strange:
        raise ArtifactError(
            f"{image} is no container image that can be copied",
            details=f"it consists of {', '.join([manifest.config.media_type, *strange])}",
            remedy="look at the name (registries hold charts and other things, too), or take a newer tag of it",
        )
    return manifest


def _choose(index: Index, wanted: Platform, image: Reference) -> Descriptor:
    images = [one for one in index.manifests if not one.is_no_image]
    fitting = [one for one in images if one.platform is not None and _fits(one.platform, wanted)]
    if not fitting:
        raise _no_platform(image, wanted, sorted({str(one.platform) for one in images if one.platform}))
    # Without a variant (v2, v3 of amd64) it runs everywhere; the first otherwise, as containerd takes it.
    return next((one for one in fitting if one.platform and not one.platform.variant), fitting[0])


def _fits(there: Platform, wanted: Platform) -> bool:
    version = there.os_version == wanted.os_version or there.os_version.startswith(f"{wanted.os_version}.")
    return (there.os, there.architecture) == (wanted.os, wanted.architecture) and (not wanted.os_version or version)


def _no_platform(image: Reference, wanted: Platform, there: list[str]) -> ArtifactError:
    return ArtifactError(
        f"{image} is not there for {wanted}",
        details=f"it is there for {', '.join(there) or 'nothing'}",
        remedy="take a tag that has this platform",
    )


def _another(image: Reference, what: str, expected: str, got: str) -> ArtifactError:
    return ArtifactError(
        f"{image}: {what} is not the one expected",
        details=f"expected {expected}, what came has {got}",
        remedy="it was thrown away; run again, and look at `mirrors` or the proxy if it stays so",
    )
