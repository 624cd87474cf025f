"""Go's own commands: in a source tree, with a cache of ours and nothing of the user's own Go settings."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provision.artifacts.cache import Cache
from provision.build.compile_errors import PLACE, compile_error
from provision.build.progress import FORMAT, Listing
from provision.build.toolchain import Toolchain, neutral
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.host.commands import Completed, run

_ERROR = re.compile(r"^# ")


class Halt(threading.Event):
    """Set by us, or by the one who waits for the whole build."""

    def __init__(self, outer: threading.Event | None) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        return super().is_set() or self.stopped

    @property
    def stopped(self) -> bool:
        """It was not a failure: somebody wants the build to end."""
        return self._outer is not None and self._outer.is_set()


@dataclass(frozen=True)
class Go:
    """A compiler in a source tree.

    Args:
        work: a folder for Go's own temporary files.
        names: what is built, for errors.
        version: of the source, for errors.
    """

    toolchain: Toolchain
    tree: Path
    cache: Cache
    work: Path
    names: tuple[str, ...]
    version: str
    halt: Halt
    offline: bool = False
    _variables: Mapping[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_variables", self._environment())

    def packages(
        self, flags: Sequence[str], packages: Sequence[str], more: Mapping[str, str], until: Deadline
    ) -> Listing:
        """The packages that these need, and those of them that a compiler must see.

        Raises:
            ArtifactError: the source cannot be read as Go, or the packages are not there.
        """
        done = self._run(["list", "-deps", "-f", FORMAT, *flags, *packages], more, until)
        self._require(done, done.err.splitlines())
        return Listing.parse(done.out.splitlines())

    def test_imports(self, flags: Sequence[str], package: str, more: Mapping[str, str], until: Deadline) -> list[str]:
        """What the tests of a package import; all of it can be compiled by itself."""
        form = '{{join .TestImports "\\n"}}\n{{join .XTestImports "\\n"}}'
        done = self._run(["list", "-f", form, *flags, package], more, until)
        self._require(done, done.err.splitlines())
        return sorted({line for line in done.out.splitlines() if line and line not in ("C", "unsafe", package)})

    def build(
        self,
        arguments: Sequence[str],
        more: Mapping[str, str],
        until: Deadline,
        packages: set[str],
        started: Callable[[str], None],
    ) -> None:
        """``go build`` or ``go test -c``, ended at the first package that does not compile.

        Args:
            packages: every package that may be compiled; a line that names one says that its compiler starts.

        Raises:
            ArtifactError: it does not compile, or was stopped.
        """
        said: list[str] = []
        over = Halt(self.halt)

        def heard(line: str) -> None:
            if line in packages:
                # Go writes what one compiler said in one piece: the next name ends it.
                if any(PLACE.match(earlier) for earlier in said):
                    over.set()
                started(line)
            elif not _ERROR.match(line):
                said.append(line)

        done = self._run(arguments, more, until, heard, over)
        self._require(done, said)

    def _run(
        self,
        arguments: Sequence[str],
        more: Mapping[str, str],
        until: Deadline,
        on_line: Callable[[str], None] | None = None,
        halt: Halt | None = None,
    ) -> Completed:
        return run(
            [str(self.toolchain.program), *arguments],
            timeout=until.remaining(),
            cwd=self.tree,
            env={**self._variables, **more},
            on_line=on_line,
            stop=halt or self.halt,
        )

    def _require(self, done: Completed, said: Sequence[str]) -> None:
        if self.halt.stopped:
            raise stopped(self.names)
        if done.code != 0:
            raise compile_error(said, self.names, self.version, self.cache.root, done.code)

    def _environment(self) -> dict[str, str | None]:
        root = self.cache.root
        variables = neutral() | {
            "GOCACHE": str(root / "gocache"),
            "GOPATH": str(root / "gopath"),
            "GOTMPDIR": str(self.work),
            "TMPDIR": str(self.work),
            "PATH": f"{self.toolchain.program.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        if self.toolchain.root is not None:
            variables["GOROOT"] = str(self.toolchain.root)
        if not (self.tree / "go.work").is_file():
            variables["GOWORK"] = (
                "off"  # or Go takes one that lies above the cache, which may be in the user's own tree
            )
        if (self.tree / "vendor" / "modules.txt").is_file():
            return variables | {"GOFLAGS": "-mod=vendor", "GOPROXY": "off", "GOSUMDB": "off"}
        return variables | {"GOFLAGS": "-mod=readonly -modcacherw", **({"GOPROXY": "off"} if self.offline else {})}


def stopped(names: Sequence[str]) -> ArtifactError:
    """The error of a build that was told to end."""
    return ArtifactError(
        f"stopped while building {', '.join(names)}", remedy="run it again: what has been compiled is kept"
    )
