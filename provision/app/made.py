# ruff: noqa: ARG002 - makers have one signature
"""Who makes what nobody publishes: builds from source, the user's own files, images; and where sources come from.

The caches of compilers and repositories are shared by all clusters of a computer, rehearsed ones too: a build is
real wherever it goes. Compilers, repositories and registries are imported where they are used: they are slow to
import, and most runs make nothing.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from provision.app.resolve import Asked, source_of
from provision.artifacts import words
from provision.artifacts.base import ArtifactSpec, Maker, OnBytes
from provision.artifacts.cache import Cache, file_digest
from provision.artifacts.lock import ArtifactLock
from provision.build.base import Built, OnProgress, Source
from provision.build.targets import BY_NAME
from provision.clock import Deadline
from provision.doctor.host import memory_mib
from provision.errors import ArtifactError
from provision.guests.base import OnLine
from provision.secrets import Secret
from provision.settings.model import Settings, SourceState
from provision.settings.registries import registries
from provision.steps.build import program_of

if TYPE_CHECKING:
    from provision.build.images_http import Access
    from provision.build.images_names import Reference
    from provision.build.images_registry import PulledImage
    from provision.build.source import Sources

# What stands for the version of a program that has none in it, such as kube-log-runner.
UNSTAMPED = "0.0.0-unstamped"
PLATFORM = "linux/amd64"
# What the system and everything else on this computer keep.
_KEEP_MIB = 1024


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Makers:
    """The makers of one session; implements `provision.app.resolve.Ways` and `provision.steps.build.Builds`.

    Args:
        root: the cache's folder, where repositories, toolchains and results of builds are.
        ask: a publisher's small text by its URL.
        lock: of the cluster, for the digests of release images.
        say: told what takes its time before a run begins: a repository that is asked.
    """

    def __init__(
        self,
        settings: Settings,
        root: Path,
        *,
        offline: bool,
        rehearsed: bool,
        ask: Callable[[str], str],
        lock: Callable[[], ArtifactLock],
        say: OnLine = _to_stderr,
    ) -> None:
        self.settings = settings
        self.root = root
        self.offline = offline
        self.rehearsed = rehearsed
        self._ask = ask
        self._lock = lock
        self._say = say

    def by_scheme(self) -> Mapping[str, Maker]:
        """For the store: scheme of a spec's URL -> its maker."""
        return {"build": self.built, "file": self.own_file, "image": self.image}

    # What words mean

    def ci(self, word: str) -> str:
        """See `Ways.ci`."""
        return words.newest("kubernetes.version", f"ci/{word}", self._ask)

    def source(self, asked: Asked) -> Source:
        """See `Ways.source`."""
        return source_of(self.sources(self._say), asked)

    def sources(self, on_line: OnLine) -> Sources:
        """Where sources come from; offline, and by the settings' proxy, in all that is asked of them."""
        from provision.build.source import Sources

        network = self.settings.network
        return Sources(self.root, on_line, ca=network.ca, proxy=network.proxy, offline=self.offline)

    def program(self, path: Path, name: str) -> str:
        """See `Ways.program`; a program that shows no version has that of nobody."""
        from provision.build.pe import check_program

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
        return self._build([spec], deadline, None, _silent, stop)[spec.name].path

    def __call__(
        self,
        specs: Sequence[ArtifactSpec],
        deadline: Deadline,
        on_progress: OnProgress,
        on_line: OnLine,
        stop: threading.Event,
    ) -> None:
        """Several files of one source."""
        self._build(specs, deadline, on_progress, on_line, stop)

    def _build(
        self,
        specs: Sequence[ArtifactSpec],
        deadline: Deadline,
        on_progress: OnProgress | None,
        on_line: OnLine,
        stop: threading.Event | None,
    ) -> dict[str, Built]:
        from provision.build.compile import Builder

        targets = [BY_NAME[program_of(spec)] for spec in specs]
        source = Source(project=targets[0].project, **self.state(specs[0]).model_dump())
        most = self._memory(max(target.memory_mib for target in targets))
        cache = Cache(self.root)
        builder = Builder(cache, self.sources(on_line), most, on_line, offline=self.offline)
        return builder.build(source, targets, deadline, on_progress, stop)

    def _memory(self, least: int) -> int | None:
        """MiB for compilers and linkers beside the machines, all of which may run: at least one link's."""
        total, _ = memory_mib()
        if not total:
            return None
        machines = 0 if self.rehearsed else sum(machine.memory for machine in self.settings.machines)
        return max(least, total - _KEEP_MIB - machines)

    # Images

    def image(
        self, spec: ArtifactSpec, deadline: Deadline, on_bytes: OnBytes | None, stop: threading.Event | None
    ) -> Path:
        """The archive of a control plane's image with the program that was built, or one of the user's own."""
        if "?tree=" not in spec.url:
            return _archive(spec)
        from provision.build import images
        from provision.build.images_registry import Registry

        name, source = program_of(spec), self.state(spec)
        program = self._build([spec], deadline, None, _silent, stop)[name].path
        cache = Cache(self.root)
        if self.rehearsed:
            image = images.reference(f"{images.REPOSITORY}/{name}:{images.image_tag(spec.version)}")
            base, place = _nothing(image), images.program_place(name)
            return images.image_from_release(
                base, program, image, cache, place=place, committed=source.committed, deadline=deadline, stop=stop
            ).path
        release = f"{images.REPOSITORY}/{name}:{images.image_tag(images.nearest_release(spec.version))}"
        pinned = self._lock().image(release, PLATFORM)
        registry = Registry(cache, self._access(), offline=self.offline)
        try:
            made = images.control_plane_image(
                name,
                program,
                cache,
                version=spec.version,
                committed=source.committed,
                deadline=deadline,
                registry=registry,
                base=f"{release}@{pinned}" if pinned else None,
                on_bytes=on_bytes,
                stop=stop,
            )
        except ArtifactError:
            if not self.offline:
                raise
            # Nothing may be asked, and the release image is not here: a program of its own needs none.
            made = images.control_plane_image(
                name, program, cache, version=spec.version, committed=source.committed, deadline=deadline,
                registry=None, stop=stop,
            )  # fmt: skip
        if made.base and not pinned:
            self._lock().pin_image(release, PLATFORM, made.base.rpartition("@")[2])
        return made.path

    def _access(self) -> Access:
        from provision.build.images_http import Access

        network = self.settings.network
        mirrors = {row.host: row.mirrors for row in registries(network)}

        def credentials(host: str) -> tuple[str, Secret] | None:
            known = network.pull_secrets.get(host)
            if known is None:
                return None
            user, _, password = known.reveal().partition(":")
            return user, Secret(password)

        return Access(
            mirrors=lambda: self.settings.mirrors,
            registries=mirrors,
            proxy=network.proxy,
            ca=network.ca,
            credentials=credentials,
        )

    def state(self, spec: ArtifactSpec) -> SourceState:
        """The state of the source that a file is built from."""
        chosen = self.settings.chosen
        assert chosen is not None
        tree = spec.url.rpartition("?tree=")[2] if spec.maker == "image" else spec.url.split("/")[1]
        for found in (chosen.source, chosen.plane_source, chosen.containerd, chosen.hcsshim):
            if found is not None and (found.tree, found.version) == (tree, spec.version):
                return found
        raise LookupError(f"{spec.url} is of no source that was chosen")


def _nothing(image: Reference) -> PulledImage:
    """An image without anything in it: what a rehearsal, which asks no registry, builds on."""
    from provision.build.images_oci import Manifest, encode
    from provision.build.images_registry import PulledImage

    config = encode({"os": "linux", "architecture": "amd64", "config": {}})
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}
    manifest = Manifest.model_validate({"schemaVersion": 2, "config": descriptor, "layers": []})
    return PulledImage(reference=image.pinned(digest), digest=digest, manifest=manifest, config=config, layers=())


def _archive(spec: ArtifactSpec) -> Path:
    """An archive that the settings name, as it was when they were read."""
    where, _, asked = spec.url.removeprefix("image:").partition("?")
    wanted = parse_qs(asked).get("sha256", [""])[0]
    if not wanted:
        raise ArtifactError(
            f"no archive of the image {where} is here", remedy="run `invoke images --export` while a cluster works"
        )
    path = Path(where)
    if not path.is_file() or file_digest(path) != wanted:
        raise ArtifactError(f"{path} has changed or is gone since the run began", remedy="run the same command again")
    return path


def _silent(_: str) -> None:
    """Nobody listens."""
