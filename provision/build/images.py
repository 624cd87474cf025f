"""Container images without Docker: a control plane from source, as archives that every machine's containerd imports.

A component's image is the nearest release image by digest plus one layer with our program at its path: base, user,
entry point and certificates stay the publisher's. Without a registry it is made from nothing but the program.

Sources: kubernetes build/common.sh and build/server-image/Dockerfile (each program is copied to
/usr/local/bin/NAME; kube-proxy stands on distroless-iptables), kubeadm's static pods (`command: kube-apiserver`, so
the bare name has to be on PATH) and its kube-proxy DaemonSet (`/usr/local/bin/kube-proxy`).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from provision.artifacts.base import OnBytes
from provision.artifacts.cache import Cache, file_digest
from provision.artifacts.scratch import scratch
from provision.build.images_check import ArchiveImage, read_archive
from provision.build.images_names import (
    CI_REPOSITORY,
    CONTROL_PLANE,
    REPOSITORY,
    Reference,
    image_tag,
    images_for,
    listed,
    nearest_release,
    reference,
)
from provision.build.images_oci import LAYERS, encode
from provision.build.images_registry import PulledImage, Registry
from provision.build.images_write import Layer, program_layer, with_layer, write_archive
from provision.clock import Deadline, monotonic
from provision.errors import ArtifactError
from provision.host.files import write_atomically

__all__ = [
    "CI_REPOSITORY",
    "CONTROL_PLANE",
    "REPOSITORY",
    "ArchiveImage",
    "ImageArchive",
    "control_plane_image",
    "control_plane_images",
    "image_from_release",
    "image_from_scratch",
    "image_tag",
    "images_for",
    "listed",
    "nearest_release",
    "read_archive",
    "reference",
]

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# These call programs that stand beside them in their release image (iptables, nft, conntrack).
_NOT_ALONE = frozenset({"kube-proxy"})
# Part of the key of what was made: change it when the way an archive is made changes.
_FORM = 1


@dataclass(frozen=True, kw_only=True)
class ImageArchive:
    """An image of our own as an archive in the cache.

    Attributes:
        name: the component's, such as ``kube-apiserver``.
        reference: as kubeadm names the image.
        sha256: of the archive, hex.
        size: of the archive, bytes.
        base: the release image below, by the digest of its manifest on this platform; empty when there is none.
        fresh: it was made by this call.
    """

    name: str
    reference: str
    path: Path
    sha256: str
    size: int
    base: str
    fresh: bool


def program_place(name: str) -> str:
    """Where a component's program lies in its image."""
    return f"/usr/local/bin/{name}"


def control_plane_images(
    version: str,
    binaries: Mapping[str, Path],
    cache: Cache,
    *,
    committed: int,
    deadline: Deadline,
    registry: Registry | None,
    bases: Mapping[str, str] = MappingProxyType({}),
    architecture: str = "amd64",
    on_bytes: OnBytes | None = None,
    stop: threading.Event | None = None,
) -> list[ImageArchive]:
    """Images of a control plane from source; what was made before of the same is not made again.

    Args:
        version: what the programs are stamped with, with or without ``v``.
        binaries: component -> Linux program; those of `CONTROL_PLANE`, or some of them.
        committed: the source commit's time, seconds since 1970.
        registry: where release images come from; None makes images of nothing but the program.
        bases: component -> image to build on (as pinned); by default that of `nearest_release`, by its tag.

    Raises:
        ArtifactError: a base cannot be had, or a component cannot do without one.
    """
    return [
        control_plane_image(
            name,
            binaries[name],
            cache,
            version=version,
            committed=committed,
            deadline=deadline,
            registry=registry,
            base=bases.get(name),
            architecture=architecture,
            on_bytes=on_bytes,
            stop=stop,
        )
        for name in CONTROL_PLANE
        if name in binaries
    ]


def control_plane_image(
    name: str,
    binary: Path,
    cache: Cache,
    *,
    version: str,
    committed: int,
    deadline: Deadline,
    registry: Registry | None,
    base: str | None = None,
    architecture: str = "amd64",
    on_bytes: OnBytes | None = None,
    stop: threading.Event | None = None,
) -> ImageArchive:
    """One of `control_plane_images`; the archive is in the cache. Arguments and errors as there."""
    image = reference(f"{REPOSITORY}/{name}:{image_tag(version)}")
    if registry is None:
        return image_from_scratch(
            binary, image, cache, committed=committed, architecture=architecture, deadline=deadline, stop=stop
        )
    release = reference(base or f"{REPOSITORY}/{name}:{image_tag(nearest_release(version))}")
    pulled = registry.pull(release, deadline, architecture=architecture, on_bytes=on_bytes, stop=stop)
    return image_from_release(
        pulled, binary, image, cache, place=program_place(name), committed=committed, deadline=deadline, stop=stop
    )


def image_from_release(
    base: PulledImage,
    binary: Path,
    image: Reference,
    cache: Cache,
    *,
    place: str,
    committed: int,
    deadline: Deadline,
    stop: threading.Event | None = None,
) -> ImageArchive:
    """A release image with one more layer, which holds our program at ``place``.

    The layers below are taken as they are. A file capability that the publisher gave the program is not in our
    layer: kubeadm's static pods run as root, and none of our ports is below 1024.
    """
    below = [
        Layer(media_type=LAYERS[one.media_type], sha256=one.sha256, size=one.size, path=path)
        for one, path in zip(base.manifest.layers, base.layers, strict=True)
    ]
    release = replace(base.reference, digest="")
    pinned = str(replace(base.reference, tag="", digest=base.digest))
    notes = {
        # By its tag alone: pinned by the digest of an index or of the image, it is the same image below.
        "org.opencontainers.image.base.name": str(release),
        "org.opencontainers.image.base.digest": base.digest,
    }
    return _made(
        binary, image, cache, json.loads(base.config), below, notes,
        place=place, committed=committed, base=pinned, deadline=deadline, stop=stop,
    )  # fmt: skip


def image_from_scratch(
    binary: Path,
    image: Reference,
    cache: Cache,
    *,
    committed: int,
    deadline: Deadline,
    architecture: str = "amd64",
    stop: threading.Event | None = None,
) -> ImageArchive:
    """An image of nothing but a static program in /usr/local/bin; it runs as root.

    Raises:
        ArtifactError: the program needs others beside it, so that it would start and then fail.
    """
    name = image.path.rpartition("/")[2]
    if name in _NOT_ALONE:
        raise ArtifactError(
            f"{image} cannot be made without its release image",
            details=f"{name} runs iptables and nft, which are in the release image's base and nowhere else",
            remedy="let it be fetched once (without --offline), or name a registry that has it in `mirrors`",
        )
    config = {
        "os": "linux",
        "architecture": architecture,
        "config": {"Entrypoint": [program_place(name)], "Env": [_PATH]},
    }
    return _made(
        binary, image, cache, config, [], {},
        place=program_place(name), committed=committed, base="", deadline=deadline, stop=stop,
    )  # fmt: skip


def _made(
    binary: Path,
    image: Reference,
    cache: Cache,
    config: Mapping[str, Any],
    below: list[Layer],
    notes: Mapping[str, str],
    *,
    place: str,
    committed: int,
    base: str,
    deadline: Deadline,
    stop: threading.Event | None,
) -> ImageArchive:
    """The archive, from the cache when the same was made before."""
    name = image.path.rpartition("/")[2]
    layers = [(layer.media_type, layer.sha256) for layer in below]
    what = [_FORM, str(image), place, committed, file_digest(binary), config, layers, dict(notes)]
    key = hashlib.sha256(encode(what)).hexdigest()
    record = cache.root / "builds" / f"{key}.json"
    with cache.exclusive(f"image {key}", deadline):
        known = _recorded(record)
        fresh = known is None or not cache.has(known)
        if fresh:
            started = monotonic()
            with (
                scratch(cache.temporary) as work,
                program_layer(binary, place, work, mtime=committed, stop=stop) as layer,
            ):
                whole = with_layer(config, layer, created=committed, by=f"hybrid: {place} of {image.tag}")
                file = work / "image.tar"
                known = write_archive(file, image, whole, [*below, layer], notes, stop)
                read_archive(file, stop)  # as containerd will read it
                size = file.stat().st_size
                cache.adopt(file, known)
            row = {"name": f"{name}.tar", "version": image.tag, "sha256": known, "size": size, "source": base}
            write_atomically(record, json.dumps({**row, "seconds": round(monotonic() - started, 3)}, indent=2) + "\n")
    assert known is not None
    path = cache.path(known)
    return ImageArchive(
        name=name, reference=str(image), path=path, sha256=known, size=path.stat().st_size, base=base, fresh=fresh
    )


def _recorded(record: Path) -> str | None:
    """The digest that a record names; None when there is none that can be read: then it is made again."""
    try:
        found = json.loads(record.read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
