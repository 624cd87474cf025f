"""Who makes what nobody publishes: builds from source, the user's own files, images; and where sources come from.

The caches of compilers and repositories are shared by all clusters of a computer, rehearsed ones too: a build is
real wherever it goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs

from provision.app.resolve import Asked
from provision.artifacts import words
from provision.artifacts.base import ArtifactSpec, Maker, OnBytes
from provision.artifacts.cache import file_digest
from provision.build.base import OnProgress, Source
from provision.build.pe import check_program
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.settings.model import Settings, SourceState
from provision.steps.build import Stop

# What stands for the version of a program that has none in it, such as kube-log-runner.
UNSTAMPED = "0.0.0-unstamped"
# Seconds until a repository has given the one commit that is built, over a slow line.
_FETCH = 1800


class Makers:
    """The makers of one session; implements `provision.app.resolve.Ways` and `provision.steps.build.Builds`.

    Args:
        root: the cache's folder, where repositories, toolchains and results of builds are.
        ask: a publisher's small text by its URL.
    """

    def __init__(
        self, settings: Settings, root: Path, *, offline: bool, rehearsed: bool, ask: Callable[[str], str]
    ) -> None:
        self.settings = settings
        self.root = root
        self.offline = offline
        self.rehearsed = rehearsed
        self._ask = ask

    def by_scheme(self) -> Mapping[str, Maker]:
        """For the store: scheme of a spec's URL -> its maker."""
        return {"build": self.built, "file": self.own_file}

    # What words mean

    def ci(self, word: str) -> str:
        """See `Ways.ci`."""
        return words.newest("kubernetes.version", f"ci/{word}", self._ask)

    def source(self, asked: Asked) -> Source:
        """See `Ways.source`."""
        raise ArtifactError(f"{asked.project} {asked.word} cannot be built yet")

    def program(self, path: Path, name: str) -> str:
        """See `Ways.program`; a program that shows no version has that of nobody."""
        return check_program(path, "windows" if name.endswith(".exe") else "linux") or UNSTAMPED

    # Files

    def own_file(
        self, spec: ArtifactSpec, deadline: Deadline, on_bytes: OnBytes | None, stop: threading.Event | None
    ) -> Path:
        """The user's own program, if it still is the one that was judged."""
        path, _, query = spec.url.removeprefix("file:").rpartition("?")
        wanted = parse_qs(query)["sha256"][0]
        if file_digest(Path(path)) != wanted:
            raise ArtifactError(f"{path} has changed since this run began", remedy="run `invoke up` again")
        return Path(path)

    def built(
        self, spec: ArtifactSpec, deadline: Deadline, on_bytes: OnBytes | None, stop: threading.Event | None
    ) -> Path:
        """One file from source; at once where it has been built before."""
        raise ArtifactError(f"{spec.name} cannot be built yet")

    def __call__(self, specs: Sequence[ArtifactSpec], deadline: Deadline, on_progress: OnProgress, stop: Stop) -> None:
        """Several files of one source."""
        raise ArtifactError(f"{specs[0].name} cannot be built yet")

    def state(self, spec: ArtifactSpec) -> SourceState:
        """The state of the source that a file is built from."""
        chosen = self.settings.chosen
        assert chosen is not None
        tree = spec.url.split("/")[1]
        for found in (chosen.source, chosen.plane_source, chosen.containerd, chosen.hcsshim):
            if found is not None and found.tree == tree:
                return found
        raise LookupError(f"{spec.url} is of no source that was chosen")
