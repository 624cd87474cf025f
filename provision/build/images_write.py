"""Writing images: one layer with one program in it, and an archive that ``ctr images import`` takes.

The same input gives the same bytes: no clock, no names of this computer, one order. Nothing is held in memory but
documents. Layers are compressed at the lowest level: that saves two thirds of a Go program, at 80 MB/s and more.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from provision.build.images_names import Reference
from provision.build.images_oci import (
    CONTAINERD_NAME,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    REF_NAME,
    digest_of,
    encode,
)
from provision.errors import ArtifactError

_LEVEL = 1
_COPY = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer's file.

    Attributes:
        media_type: in OCI's words.
        sha256: of the file, hex.
        diff: SHA-256 of the tar in it, hex; empty where the image's configuration has it already.
    """

    media_type: str
    sha256: str
    size: int
    path: Path
    diff: str = ""


@contextmanager
def program_layer(
    program: Path, place: str, folder: Path, *, mtime: int, stop: threading.Event | None = None
) -> Iterator[Layer]:
    """A layer that puts one program at its place, owned by root, for all to run; its file lives within the context.

    Args:
        place: absolute path in the image.
        folder: where the layer's file is made.
        mtime: of everything in it, seconds since 1970.

    Raises:
        ArtifactError: ``stop`` was set meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="layer-") as out:
        outer = _Hashing(out)
        with gzip.GzipFile("", "wb", _LEVEL, outer, mtime=0) as compressed:
            inner = _Hashing(compressed)
            with tarfile.open(mode="w|", fileobj=inner, format=tarfile.USTAR_FORMAT) as tar:  # type: ignore[call-overload]
                inside = PurePosixPath(place.lstrip("/"))
                for parent in reversed(inside.parents[:-1]):
                    tar.addfile(_member(str(parent), mtime, kind=tarfile.DIRTYPE))
                with program.open("rb") as stream:
                    tar.addfile(
                        _member(str(inside), mtime, size=program.stat().st_size), _Stoppable(stream, stop, program.name)
                    )
        out.flush()
        yield Layer(
            media_type=f"{OCI_LAYER}+gzip",
            sha256=outer.hexdigest(),
            size=outer.size,
            diff=inner.hexdigest(),
            path=Path(out.name),
        )


def with_layer(config: Mapping[str, Any], layer: Layer, *, created: int, by: str) -> dict[str, Any]:
    """An image's configuration with one more layer on top; user, environment and entry point stay as they are.

    Args:
        created: seconds since 1970.
        by: what made the layer, for `history`.
    """
    when = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    below = config.get("rootfs", {}).get("diff_ids", [])
    return {
        **config,
        "created": when,
        "history": [*config.get("history", []), {"created": when, "created_by": by}],
        "rootfs": {"type": "layers", "diff_ids": [*below, digest_of(layer.diff)]},
    }


def write_archive(
    target: Path,
    image: Reference,
    config: Mapping[str, Any],
    layers: Sequence[Layer],
    annotations: Mapping[str, str],
    stop: threading.Event | None = None,
) -> str:
    """An archive in the OCI image layout with one image; written beside, then renamed; returns its SHA-256.

    Args:
        config: names every layer in ``rootfs``.
        annotations: of the manifest.

    Raises:
        ArtifactError: ``stop`` was set meanwhile.
    """
    raw = encode(config)
    documents = {hashlib.sha256(raw).hexdigest(): raw}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(OCI_CONFIG, raw),
        "layers": [
            {"mediaType": layer.media_type, "digest": digest_of(layer.sha256), "size": layer.size} for layer in layers
        ],
        "annotations": dict(annotations),
    }
    listed = encode(manifest)
    documents[hashlib.sha256(listed).hexdigest()] = listed
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {
                **_descriptor(OCI_MANIFEST, listed),
                "platform": {"os": config["os"], "architecture": config["architecture"]},
                # containerd takes its own word as the name; the layout's is for skopeo, umoci and the like.
                "annotations": {CONTAINERD_NAME: str(image), REF_NAME: image.tag},
            }
        ],
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as out:
        beside = Path(out.name)
        try:
            hashing = _Hashing(out)
            with tarfile.open(mode="w|", fileobj=hashing, format=tarfile.USTAR_FORMAT) as tar:  # type: ignore[call-overload]
                _add(tar, "oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
                _add(tar, "index.json", encode(index))
                for sha256, data in documents.items():
                    _add(tar, f"blobs/sha256/{sha256}", data)
                # A layer may be there twice (an empty one often is); its blob is written once.
                for sha256, layer in {layer.sha256: layer for layer in layers}.items():
                    with layer.path.open("rb") as stream:
                        member = _member(f"blobs/sha256/{sha256}", 0, size=layer.size, mode=0o644)
                        tar.addfile(member, _Stoppable(stream, stop, str(image)))
            out.flush()
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    return hashing.hexdigest()


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(hashlib.sha256(data).hexdigest()), "size": len(data)}


def _member(
    name: str, mtime: int, *, kind: bytes = tarfile.REGTYPE, size: int = 0, mode: int = 0o755
) -> tarfile.TarInfo:
    """A member that says nothing of this computer: root's, without names of users."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.mode, member.mtime = kind, size, mode, mtime
    return member


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_member(name, 0, size=len(data), mode=0o644), io.BytesIO(data))


class _Hashing:
    """Passes what is written on, counted and hashed."""

    def __init__(self, to: Any) -> None:
        self._to = to
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write all of it."""
        self._hash.update(data)
        self.size += len(data)
        self._to.write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept here."""

    def hexdigest(self) -> str:
        """SHA-256 of what was written, hex."""
        return self._hash.hexdigest()


class _Stoppable:
    """A file that is read to its end unless somebody wants us to stop."""

    def __init__(self, stream: IO[bytes], stop: threading.Event | None, what: str) -> None:
        self._stream, self._stop, self._what = stream, stop, what

    def read(self, size: int = _COPY) -> bytes:
        """The next bytes."""
        if self._stop is not None and self._stop.is_set():
            raise ArtifactError(f"stopped while writing the image of {self._what}", remedy="run it again")
        return self._stream.read(size)
