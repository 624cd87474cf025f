"""What an artifact is: a file with a known SHA-256 that a machine needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Os = Literal["linux", "windows"]


@dataclass(frozen=True, kw_only=True)
class ArtifactSpec:
    """One file to get, before its digest is known.

    Attributes:
        name: unique in a cluster and the file name on machines, e.g. ``kubelet.exe``, ``containerd-linux.tar.gz``.
        url: where its publisher keeps it (``mirrors:`` may replace the base), or by whom it is made:
            ``build:PROJECT/TREE/TARGET`` (a build from source), ``file:PATH`` (a file of the user's own),
            ``image:REFERENCE`` (an archive of a container image, exported or built).
        checksum_url: the publisher's checksum file; None when there is none (then the lock pins what came first).
        member: the file inside the archive that is wanted of it, if it is checked for one.
    """

    name: str
    version: str
    url: str
    checksum_url: str | None
    os: Os | None = None
    arch: str = "amd64"
    member: str | None = None


# Where delivered files lie on Linux machines; the file name is the artifact's name.
LINUX_FILES = "/var/lib/hybrid/files"
