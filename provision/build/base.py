"""What is built: one state of a source tree, and the file that came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Project = Literal["kubernetes", "containerd", "hcsshim"]

# How far a build is: (done, of, what is at work now); ``of`` is None while it is not known.
OnProgress = Callable[[int, int | None, str], None]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One state of a source tree, by content: the same state is the same value, wherever it was read.

    Attributes:
        remote: URL of the repository, or the path of the user's checkout.
        commit: all 40 digits; for a dirty checkout that of its HEAD.
        tree: git's digest of the whole tree that is built (uncommitted changes included).
        dirty: the tree is not the commit's.
        version: what the project's own build would stamp, without ``v``, such as
            ``1.37.0-alpha.2.45+0123456789abcd`` or, dirty, ``...-dirty``; never ``0.0.0``.
        committed: the commit's time, seconds since 1970: the build's date, so that builds are reproducible.
        go: the Go release that the source asks for, such as ``1.26.4``.
    """

    project: Project
    remote: str
    commit: str
    tree: str
    dirty: bool
    version: str
    committed: int
    go: str


@dataclass(frozen=True, kw_only=True)
class Built:
    """One file that was built (or was there already).

    Attributes:
        name: the artifact's name, such as ``kubelet.exe``.
        key: digest of source tree, target, flags and toolchain; the same key is never built twice.
        path: in the cache.
        seconds: what the compiler took when it was made.
        fresh: it was made by this call.
    """

    name: str
    version: str
    key: str
    path: Path
    sha256: str
    size: int
    seconds: float
    fresh: bool
