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
        url: where its publisher keeps it (``mirrors:`` may replace the base).
        checksum_url: the publisher's checksum file; None when there is none (then the lock pins what came first).
    """

    name: str
    version: str
    url: str
    checksum_url: str | None
    os: Os | None = None
    arch: str = "amd64"


# Where delivered files lie on Linux machines; the file name is the artifact's name.
LINUX_FILES = "/var/lib/hybrid/files"
