"""The documents of a container image: descriptors, indexes, manifests, configurations, and their media types.

Sources: the OCI image specification 1.1 (descriptor.md, image-index.md, manifest.md, config.md, image-layout.md)
and Docker's "Image Manifest V 2, Schema 2", which registries still answer with.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provision.errors import ArtifactError

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_PLAIN = "application/vnd.docker.image.rootfs.diff.tar"
# Windows base layers of long ago, which registries did not hold; what has one cannot be used without its publisher.
DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
LAYERS = {
    OCI_LAYER: OCI_LAYER,
    f"{OCI_LAYER}+gzip": f"{OCI_LAYER}+gzip",
    f"{OCI_LAYER}+zstd": f"{OCI_LAYER}+zstd",
    DOCKER_LAYER: f"{OCI_LAYER}+gzip",
    DOCKER_LAYER_PLAIN: OCI_LAYER,
}
"""Media types of layers that a runtime unpacks -> the same in OCI's words."""

CONTAINERD_NAME = "io.containerd.image.name"
REF_NAME = "org.opencontainers.image.ref.name"

_DIGEST = re.compile("sha256:[0-9a-f]{64}")
Digest = Annotated[str, Field(pattern=f"^{_DIGEST.pattern}$")]
M = TypeVar("M", bound="Document")


class Document(BaseModel):
    """Base of all documents: unknown keys are allowed (the specification wants that), values never change."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Platform(Document):
    """What an image runs on."""

    os: str
    architecture: str
    os_version: str = Field("", alias="os.version")
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant, self.os_version) if part)


class Descriptor(Document):
    """A blob by digest; ``size`` in bytes."""

    media_type: str = Field(alias="mediaType")
    digest: Digest
    size: int = Field(ge=0)
    platform: Platform | None = None
    annotations: dict[str, str] = Field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The digest's 64 hex digits."""
        return self.digest.partition(":")[2]

    @property
    def is_no_image(self) -> bool:
        """A builder's attestation, listed like an image."""
        return "vnd.docker.reference.type" in self.annotations or (
            self.platform is not None and self.platform.os == "unknown"
        )


class Index(Document):
    """Images for several platforms, or all images of an archive."""

    schema_version: int = Field(alias="schemaVersion", ge=2, le=2)
    media_type: str = Field("", alias="mediaType")
    manifests: tuple[Descriptor, ...]


class Manifest(Document):
    """One image of one platform."""

    schema_version: int = Field(alias="schemaVersion", ge=2, le=2)
    media_type: str = Field("", alias="mediaType")
    config: Descriptor
    layers: tuple[Descriptor, ...]


class RootFs(Document):
    """The layers' digests once they are decompressed, the lowest first."""

    type: str = Field(pattern="^layers$")
    diff_ids: tuple[Digest, ...]


class Config(Platform):
    """What an image runs on, and of what its file system is made."""

    rootfs: RootFs


def digest_of(sha256: str) -> str:
    """A SHA-256 in hex as images write digests."""
    return f"sha256:{sha256}"


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 as images write it."""
    return _DIGEST.fullmatch(text) is not None


def encode(document: object) -> bytes:
    """A document as bytes, the same ones every time."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object.

    Args:
        where: the document, as it stands in the error.

    Raises:
        ArtifactError: it is none.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ArtifactError(f"{where} is no JSON", details=str(error), remedy=_ANEW) from error
    if not isinstance(document, dict):
        raise ArtifactError(f"{where} is no JSON object", details=str(document)[:200], remedy=_ANEW)
    return document


def read(model: type[M], data: bytes, where: str) -> M:
    """A document of a kind.

    Raises:
        ArtifactError: what is there breaks the specification; each breach is named.
    """
    try:
        return model.model_validate(decode(data, where))
    except ValidationError as error:
        rows = [f"{'.'.join(str(part) for part in row['loc'])}: {row['msg']}" for row in error.errors()]
        raise ArtifactError(
            f"{where} is not what the image specification asks for", details="\n".join(rows[:10]), remedy=_ANEW
        ) from error


_ANEW = "get or export the image anew"
