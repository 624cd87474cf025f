"""What an artifact is: a file with a known SHA-256 that a machine needs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from provision.clock import Deadline

Os = Literal["linux", "windows"]
OnBytes = Callable[[int, int | None], None]  # bytes so far, bytes in all if known


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

    @property
    def maker(self) -> str | None:
        """Who makes the file: ``build``, ``file`` or ``image``; None when it is downloaded."""
        scheme = self.url.partition(":")[0]
        return scheme if scheme in MAKERS else None


MAKERS = ("build", "file", "image")


class Maker(Protocol):
    """Makes a file that nobody publishes: from source, from the user's own, from a registry or a cluster."""

    def __call__(
        self, spec: ArtifactSpec, deadline: Deadline, on_bytes: OnBytes | None, stop: threading.Event | None
    ) -> Path:
        """The finished file, checked by its maker.

        A file below the cache's ``tmp/`` is moved into the cache, any other is copied and stays.

        Raises:
            ArtifactError: it cannot be made.
        """
        ...


# Where delivered files lie on Linux machines; the file name is the artifact's name.
LINUX_FILES = "/var/lib/hybrid/files"
