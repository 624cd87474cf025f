"""Reading archives of images: is what they say true, and which images are in them.

Both forms that ``ctr images import`` takes are read: the OCI image layout (image-layout.md of the OCI image
specification 1.1; ``ctr``, ``skopeo`` and newer Dockers write it) and what older Dockers' ``docker save`` writes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from provision.build.images_names import reference
from provision.build.images_oci import (
    CONFIGS,
    CONTAINERD_NAME,
    DOCKER_FOREIGN,
    INDEXES,
    LAYERS,
    MANIFESTS,
    REF_NAME,
    Config,
    Descriptor,
    Document,
    Index,
    Manifest,
    decode,
    digest_of,
    read,
)
from provision.build.images_scan import ANEW, Blob, scan, wrong
from provision.errors import ArtifactError

_LAYOUT, _INDEX, _BLOBS, _DOCKER = "oci-layout", "index.json", "blobs/sha256/", "manifest.json"
_DEEPEST = 4  # indexes within indexes; nobody writes more than two
D = TypeVar("D", bound=Document)


@dataclass(frozen=True, kw_only=True)
class ArchiveImage:
    """One image of one platform in an archive.

    Attributes:
        names: as containerd will list it; empty when the archive gives it none.
        os: ``linux`` or ``windows``.
        architecture: as Go writes it, ``amd64``.
        os_version: of Windows, such as ``10.0.20348.2402``; else empty.
        digest: ``sha256:...`` of its manifest; of its configuration in what `docker save` wrote.
        size: bytes of its configuration and layers, as they lie in the archive.
    """

    names: tuple[str, ...]
    os: str
    architecture: str
    digest: str
    size: int
    os_version: str = ""


def read_archive(path: Path, stop: threading.Event | None = None) -> tuple[ArchiveImage, ...]:
    """Check an archive of images wholly, and say which images it holds.

    Checked: the layout's files, every blob's digest and size, that everything named is there, media types, and
    that the layers decompress to what the configuration says (zstd layers by their own digest only). Images of
    platforms whose blobs an archive leaves out, as exports of one platform do, are not listed.

    Raises:
        ArtifactError: it cannot be used, and why; a member climbs out, it is cut short, a digest is wrong.
    """
    files = scan(path, stop)
    if _LAYOUT in files:
        found = _Layout(path, files).images()
    elif _DOCKER in files:
        found = tuple(_docker_images(path, files))
    else:
        raise wrong(
            path,
            "it is no archive of images",
            f"neither {_LAYOUT} nor {_DOCKER} is in it; it begins with {', '.join(sorted(files)[:3]) or 'nothing'}",
        )
    if not found:
        raise wrong(path, "there is no image in it")
    return found


class _Layout:
    """An OCI image layout."""

    def __init__(self, path: Path, files: Mapping[str, Blob]) -> None:
        self.path = path
        self.files = files

    def images(self) -> tuple[ArchiveImage, ...]:
        layout = decode(self._content(_LAYOUT), f"{self.path}: {_LAYOUT}")
        if layout.get("imageLayoutVersion") != "1.0.0":
            raise wrong(self.path, f"{_LAYOUT} says version {layout.get('imageLayoutVersion')!r}, and 1.0.0 is known")
        for name, blob in self.files.items():
            if name.startswith(_BLOBS) and name.removeprefix(_BLOBS) != blob.sha256:
                raise wrong(self.path, f"{name} has another digest than its name", f"it has {blob.sha256}")
        if _INDEX not in self.files:
            raise wrong(self.path, f"{_INDEX} is not in it")
        index = read(Index, self._content(_INDEX), f"{self.path}: {_INDEX}")
        found: dict[str, ArchiveImage] = {}
        for descriptor in index.manifests:
            names = _names(descriptor)
            for image in self._walk(descriptor, 0):
                before = found.get(image.digest)
                more = [*before.names, *(n for n in names if n not in before.names)] if before else names
                found[image.digest] = replace(image, names=tuple(more))
        return tuple(found.values())

    def _walk(self, descriptor: Descriptor, depth: int) -> Iterator[ArchiveImage]:
        if descriptor.is_no_image:
            return
        if depth > _DEEPEST:
            raise wrong(self.path, "its indexes lie in each other too deeply")
        if descriptor.media_type in INDEXES:
            index = read(Index, self._document(descriptor), f"{self.path}: the index {descriptor.digest}")
            here = [d for d in index.manifests if not d.is_no_image and self._is_here(d)]
            if not here:
                wanted = ", ".join(str(d.platform or d.digest) for d in index.manifests)
                raise wrong(self.path, f"no image of the index {descriptor.digest} is in it", f"it names {wanted}")
            for one in here:
                yield from self._walk(one, depth + 1)
        elif descriptor.media_type in MANIFESTS:
            yield self._image(descriptor)
        else:
            raise wrong(self.path, f"{descriptor.digest} is neither an image nor an index: {descriptor.media_type}")

    def _is_here(self, descriptor: Descriptor) -> bool:
        """An export of one platform leaves the others' manifests out, or at least what they name."""
        blob = self.files.get(_BLOBS + descriptor.sha256)
        if blob is None or descriptor.media_type not in MANIFESTS:
            return blob is not None
        manifest = read(Manifest, self._document(descriptor), f"{self.path}: the manifest {descriptor.digest}")
        return any(_BLOBS + one.sha256 in self.files for one in (manifest.config, *manifest.layers))

    def _image(self, descriptor: Descriptor) -> ArchiveImage:
        where = f"{self.path}: the manifest {descriptor.digest}"
        manifest = read(Manifest, self._document(descriptor), where)
        if manifest.media_type not in ("", descriptor.media_type):
            raise wrong(self.path, f"{descriptor.digest} is listed as {descriptor.media_type}", manifest.media_type)
        if manifest.config.media_type not in CONFIGS:
            raise wrong(self.path, f"{descriptor.digest} is no container image", manifest.config.media_type)
        config = read(
            Config, self._document(manifest.config), f"{self.path}: the configuration {manifest.config.digest}"
        )
        blobs = []
        for layer in manifest.layers:
            if layer.media_type not in LAYERS:
                foreign = layer.media_type == DOCKER_FOREIGN or ".nondistributable." in layer.media_type
                kind = "a layer that only its publisher may hand out" if foreign else "a layer of an unknown kind"
                raise wrong(self.path, f"{layer.digest} is {kind}", layer.media_type)
            blobs.append(self._blob(layer))
        _compare(self.path, config, blobs)
        asked = descriptor.platform
        if asked is not None and (asked.os, asked.architecture) != (config.os, config.architecture):
            raise wrong(self.path, f"{descriptor.digest} is listed for {asked}", f"it is for {config}")
        return ArchiveImage(
            names=(),
            os=config.os,
            architecture=config.architecture,
            os_version=config.os_version,
            digest=descriptor.digest,
            size=manifest.config.size + sum(layer.size for layer in manifest.layers),
        )

    def _blob(self, descriptor: Descriptor) -> Blob:
        blob = self.files.get(_BLOBS + descriptor.sha256)
        if blob is None:
            raise wrong(self.path, f"{descriptor.digest} is named and not in it", descriptor.media_type)
        if blob.size != descriptor.size:
            raise wrong(self.path, f"{descriptor.digest} has {blob.size} bytes, not {descriptor.size} as it is said to")
        return blob

    def _document(self, descriptor: Descriptor) -> bytes:
        content = self._blob(descriptor).content
        if content is None:
            raise wrong(self.path, f"{descriptor.digest} is no document", descriptor.media_type)
        return content

    def _content(self, name: str) -> bytes:
        content = self.files[name].content
        if content is None:
            raise wrong(self.path, f"{name} is no document")
        return content


def _names(descriptor: Descriptor) -> tuple[str, ...]:
    """What ``ctr images import`` calls it: containerd's own annotation, or a whole name in the layout's."""
    name = descriptor.annotations.get(CONTAINERD_NAME)
    if name is None:
        name = descriptor.annotations.get(REF_NAME, "")
        # A tag alone is no name: an import would make one up from the date.
        name = name if "/" in name else ""
    return (name,) if name else ()


def _compare(path: Path, config: Config, layers: list[Blob]) -> None:
    """The layers are those that the configuration names."""
    wanted = config.rootfs.diff_ids
    if len(wanted) != len(layers):
        raise wrong(path, f"its configuration names {len(wanted)} layers, and there are {len(layers)}")
    for diff, blob in zip(wanted, layers, strict=True):
        if blob.diff is not None and digest_of(blob.diff) != diff:
            raise wrong(
                path,
                "a layer does not hold what its image's configuration says",
                f"the layer {blob.sha256} decompresses to {blob.diff}, the configuration says {diff}",
            )


def _docker_images(path: Path, files: Mapping[str, Blob]) -> Iterator[ArchiveImage]:
    """The images that `docker save` wrote: manifest.json names a configuration, layers and tags of each."""
    try:
        rows = json.loads(files[_DOCKER].content or b"")
        listed = [(str(row["Config"]), [str(one) for one in row["Layers"]], row.get("RepoTags") or []) for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise wrong(path, f"{_DOCKER} is not what docker writes", repr(error)) from error
    for config_name, layer_names, tags in listed:
        lacking = [name for name in (config_name, *layer_names) if name not in files]
        if lacking:
            raise wrong(path, f"{lacking[0]} is named and not in it")
        raw = files[config_name]
        if raw.content is None:
            raise wrong(path, f"{config_name} is no document")
        stated = Path(config_name).stem
        if len(stated) == 64 and stated != raw.sha256:
            raise wrong(path, f"{config_name} has another digest than its name", f"it has {raw.sha256}")
        config = read(Config, raw.content, f"{path}: {config_name}")
        layers = [files[name] for name in layer_names]
        _compare(path, config, layers)
        try:
            names = tuple(str(reference(str(tag))) for tag in tags)
        except ArtifactError as error:
            raise wrong(path, "an image has a name that is none", error.what, ANEW) from error
        yield ArchiveImage(
            names=names,
            os=config.os,
            architecture=config.architecture,
            os_version=config.os_version,
            digest=digest_of(raw.sha256),
            size=raw.size + sum(layer.size for layer in layers),
        )
