"""`invoke build`: from a commit, a branch, a pull request or a checkout to checked programs in the cache."""

from __future__ import annotations

import json as json_format
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from provision import knowledge
from provision.app.paths import cache_root
from provision.app.resolve import CONTAINERD, HCSSHIM, Asked, Kind, asked_source, source_of
from provision.artifacts.cache import Cache
from provision.build.base import Built, Project, Source
from provision.build.compile import Builder, by_project
from provision.build.results import Record, Results
from provision.build.source import Sources
from provision.build.targets import BY_NAME, DEFAULTS, Target, chosen
from provision.clock import Deadline, monotonic, utc_now
from provision.console import Screen, duration
from provision.errors import ArtifactError
from provision.settings.load import load
from provision.settings.model import Kubernetes, Settings

_BUILD = 4 * 3600.0  # seconds for everything there is, on a slow computer
_KEEP_MIB = 1024  # what this computer keeps for itself
_ROW, _STEP = "host", "build"

_Made = tuple[Asked, Source, dict[str, Built]]


def build(
    variables: str = "",
    set: Sequence[str] = (),
    sha: str = "",
    ref: str = "",
    path: str = "",
    remote: str = "",
    component: Sequence[str] = (),
    to: str = "",
    debug: bool = False,
    list: bool = False,
    json: bool = False,
    offline: bool = False,
) -> int:
    """Build what has not been built; returns 0 when every program is there and checked.

    Args:
        to: a folder that gets a copy of each program, under its name.

    Raises:
        ArtifactError: the source, the compiler or a program could not be had.
        SettingsError: the settings cannot be read.
    """
    cache = Cache(cache_root())
    if list:
        return _show(Results(cache).records(), as_json=json)
    began = monotonic()
    screen = Screen(stream=sys.stderr if json else None)
    workspace = Path(variables).resolve().parent if variables else Path.cwd()
    file = Path(variables).resolve() if variables else None
    # What contradicts itself in the settings is the cluster's matter: only the source is read here.
    settings = load(file, overrides=tuple(set), environment=os.environ, workspace=workspace, judged=False).settings
    asked = by_project(_targets(component))
    given = _given(sha, ref, path)
    if given and len(asked) > 1:
        raise ArtifactError(
            f"one source cannot give {' and '.join(asked)}",
            remedy="build the components of one project at a time",
        )
    network = settings.network
    told = _Told(screen)
    sources = Sources(cache.root, told, ca=network.ca, proxy=network.proxy, offline=offline)

    def make(what: Asked, targets: Sequence[Target]) -> _Made:
        with told.of("source", f"{what.project} {what.value}"):
            source = source_of(sources, what)
        screen.say(f"{what.project} {what.value} is {source.version}, from {what.remote}")
        built = _known(cache, sources, source, targets, debug=debug)
        if built is None:
            builder = Builder(cache, sources, _memory(), screen.say, offline=offline)
            built = _build(builder, source, targets, screen, debug=debug)
        return what, source, built

    done = [make(_asked(project, settings, given, remote), targets) for project, targets in asked.items()]
    if to:
        done = [(what, source, _copied(built, Path(to).expanduser().resolve())) for what, source, built in done]
    received = sources.fetched_bytes
    if json:
        print(json_format.dumps(_document(done, received, monotonic() - began, debug=debug), indent=2))
    else:
        _finish(screen, done, received, monotonic() - began, debug=debug)
    return 0


def _targets(words: Sequence[str]) -> tuple[Target, ...]:
    return chosen(words) if words else tuple(BY_NAME[name] for name in DEFAULTS["kubernetes"])


def _given(sha: str, ref: str, path: str) -> tuple[Kind, str] | None:
    """The source that the flags name."""
    named: list[tuple[Kind, str]] = [("sha", sha), ("ref", ref), ("path", path)]
    found = [(kind, value.strip()) for kind, value in named if value.strip()]
    if len(found) > 1:
        raise ArtifactError(
            f"--{found[0][0]} and --{found[1][0]} name two sources", remedy="give one of --sha, --ref and --path"
        )
    if not found:
        return None
    kind, value = found[0]
    return (kind, str(Path(value).expanduser().resolve())) if kind == "path" else (kind, value)


def _asked(project: Project, settings: Settings, given: tuple[Kind, str] | None, remote: str) -> Asked:
    """The source of a project: what the flags name, else what the settings name."""
    kubernetes = settings.kubernetes
    compatibility = kubernetes.compatibility if project == "kubernetes" else None
    home = {"kubernetes": kubernetes.remote, "containerd": CONTAINERD, "hcsshim": HCSSHIM}[project]
    if given:
        kind, value = given
        return Asked(project, kind, value, value if kind == "path" else remote or home, compatibility)
    found = asked_source(kubernetes) if project == "kubernetes" else None
    if found is not None:
        where = found.remote if found.kind == "path" else remote or found.remote
        return Asked(project, found.kind, found.value, where, compatibility)
    return Asked(project, "ref", f"v{_release(project, settings)}", remote or home, compatibility)


def _release(project: Project, settings: Settings) -> str:
    """The release that the settings name, which can be built as well."""
    if project == "containerd":
        return knowledge.containerd_patch(settings.containerd.windows)
    if project == "hcsshim":
        return knowledge.runhcs_version(knowledge.containerd_patch(settings.containerd.windows))
    version = settings.kubernetes.version
    if version.startswith("ci/"):
        raise ArtifactError(
            f"the settings take the CI build {version}, which is nobody's commit to build",
            remedy="name what shall be built: --sha, --ref or --path",
        )
    return knowledge.kubernetes_patch(version)


class _Told:
    """What sources say while they fetch: on a terminal one live line, else lines."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._step = ""
        self._what = ""
        self._since: float | None = None

    @contextmanager
    def of(self, step: str, what: str) -> Iterator[None]:
        """While a step lasts; it is shown from its first word on."""
        self._step, self._what, self._since = step, what, None
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            if self._since is not None:
                self._screen.ended(_ROW, self._step, outcome, self._what, monotonic() - self._since)
                self._screen.end()
            self._step = ""

    def __call__(self, text: str) -> None:
        if not self._screen.live or not self._step:
            self._screen.say(text)
            return
        if self._since is None:
            self._since = monotonic()
            self._screen.begin([])
            self._screen.started(_ROW, self._step, self._what)
        self._screen.waits(_ROW, self._step, text)


def _known(
    cache: Cache, sources: Sources, source: Source, targets: Sequence[Target], *, debug: bool
) -> dict[str, Built] | None:
    """All of it, where all of it has been built before, and still is what it was."""
    builder = Builder(cache, sources, None, lambda _text: None)
    found = {target.name: builder.known(source, target, debug=debug) for target in targets}
    there = {name: built for name, built in found.items() if built is not None and cache.sound(built.sha256)}
    return there if len(there) == len(targets) else None


def _build(
    builder: Builder, source: Source, targets: Sequence[Target], screen: Screen, *, debug: bool
) -> dict[str, Built]:
    names = ", ".join(target.name for target in targets)
    began = monotonic()
    screen.begin([])
    screen.started(_ROW, _STEP, f"{names} {source.version}")

    def progress(done: int, of: int | None, what: str) -> None:
        screen.waits(_ROW, _STEP, f"{done} of {of} packages, {what}" if of else what)

    outcome = "failed"
    try:
        built = builder.build(source, targets, Deadline(_BUILD, f"building {names}"), progress, debug=debug)
        outcome = "done"
    finally:
        screen.ended(_ROW, _STEP, outcome, names, monotonic() - began)
        screen.end()
    return built


def _copied(built: dict[str, Built], folder: Path) -> dict[str, Built]:
    """The programs where the user wants them; each is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, one in built.items():
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as beside:
            copy = Path(beside) / name
            shutil.copyfile(one.path, copy)
            copy.chmod(0o755)
            copy.replace(folder / name)
    return {name: replace(one, path=folder / name) for name, one in built.items()}


def _memory() -> int | None:
    """MiB that compilers may take."""
    from provision.doctor.host import memory_mib  # what was built before needs no compiler

    total, free = memory_mib()
    return max(_KEEP_MIB, (free or total) - _KEEP_MIB) if total else None


# What was made, and what there is


def _finish(screen: Screen, done: Sequence[_Made], received: int, seconds: float, *, debug: bool) -> None:
    every = [one for _, _, built in done for one in built.values()]
    rows = [
        (one.name, one.version, _megabytes(one.size), duration(one.seconds) if one.fresh else "was there")
        for one in every
    ]
    screen.say("")
    screen.table("", ("file", "version", "size", "built in"), rows)
    screen.say("")
    for one in every:  # too long for a table's column
        screen.say(f"{one.name}: {one.path}")
    fetched = f"{_megabytes(received)} fetched" if received else "nothing was fetched"
    made = "built and checked" if any(one.fresh for one in every) else "all was there, checked"
    screen.say(f"{made} in {duration(seconds)}; {fetched}", "bold green")
    asked, source, built = done[0]
    kubelet = built.get("kubelet.exe")
    if kubelet is not None and debug:  # the cluster's own builds are those without --debug
        own = f"kubernetes.binaries={{kubelet.exe: {kubelet.path}}}"
        screen.say(f"next: invoke up --set {shlex.quote(own)}")
    elif kubelet is None and "kube-proxy.exe" not in built:
        screen.say("next: invoke build --list")
    elif asked.kind == "path":
        screen.say(f"next: invoke up --path {shlex.quote(asked.value)}")
    else:
        screen.say(f"next: invoke up --sha {source.commit}" + _other(asked.remote))


def _other(remote: str) -> str:
    """The flag of a repository that is not Kubernetes' own."""
    return "" if remote == Kubernetes().remote else f" --remote {shlex.quote(remote)}"


def _document(done: Sequence[_Made], received: int, seconds: float, *, debug: bool) -> dict[str, object]:
    return {
        "sources": [
            {
                "project": source.project,
                "word": asked.value,
                "remote": source.remote,
                "commit": source.commit,
                "tree": source.tree,
                "dirty": source.dirty,
                "version": source.version,
                "go": source.go,
            }
            for asked, source, _ in done
        ],
        "built": [
            {
                "name": one.name,
                "version": one.version,
                "key": one.key,
                "path": str(one.path),
                "sha256": one.sha256,
                "size": one.size,
                "seconds": one.seconds,
                "fresh": one.fresh,
            }
            for _, _, built in done
            for one in built.values()
        ],
        "debug": debug,
        "received_bytes": received,
        "seconds": round(seconds, 3),
    }


def _show(records: Sequence[Record], *, as_json: bool) -> int:
    if as_json:
        print(json_format.dumps([vars(record) for record in records], indent=2))
        return 0
    screen = Screen()
    if not records:
        screen.say(f"nothing has been built into {cache_root()} yet")
        screen.say("next: invoke build --sha COMMIT")
        return 0
    now = utc_now().timestamp()
    rows = [
        (
            record.name + (" (debug)" if record.debug else ""),
            record.version,
            _age(now - record.made),
            _megabytes(record.size),
            duration(record.seconds),
            record.key[:12],
        )
        for record in records
    ]
    screen.table("", ("file", "version", "age", "size", "built in", "key"), rows)
    screen.say(f"{len(records)} files, {_megabytes(sum(record.size for record in records))}, in {cache_root()}")
    return 0


def _megabytes(size: int) -> str:
    if size < 99_950:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 99.95e6 else f"{size / 1e6:.0f} MB"


def _age(seconds: float) -> str:
    """How long ago, as coarse as people say it."""
    for unit, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "now"
