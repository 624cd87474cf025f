"""Builds: a source and targets in, checked files in the cache out; the same key is never built twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

from provision.artifacts.cache import Cache
from provision.artifacts.scratch import scratch
from provision.build.base import Built, OnProgress, Project, Source
from provision.build.compile_go import Go, Halt, stopped
from provision.build.pe import check_program
from provision.build.progress import Listing, Progress
from provision.build.results import Results
from provision.build.stamp import Recipe, key, recipe
from provision.build.targets import Target
from provision.build.toolchain import Toolchains
from provision.clock import Deadline, monotonic
from provision.errors import ArtifactError
from provision.host.files import trouble

# What one compiler takes at its peak while it works on Kubernetes' largest packages.
_COMPILER_MIB = 384
_END = 10.0  # seconds for compilers that were told to end


class Trees(Protocol):
    """Where sources' files come from (`provision.build.source.Sources`)."""

    def files(
        self, source: Source, deadline: Deadline, *, stop: threading.Event | None = None
    ) -> AbstractContextManager[Path]:
        """The files of a source, in a folder of their own while the context lasts.

        Raises:
            ArtifactError: they cannot be had any more.
        """
        ...


@dataclass(frozen=True)
class _Call:
    """One call of ``go build`` (or ``go test -c``): targets of one platform, tags and kind that fit into memory."""

    targets: tuple[Target, ...]
    how: Recipe

    @property
    def platform(self) -> str:
        """What shares compiled packages."""
        first = self.targets[0]
        return f"{first.os}/{first.arch}/{','.join(first.tags)}"

    @property
    def name(self) -> str:
        return f"{self.platform} {','.join(self.names)}"

    @property
    def test(self) -> bool:
        return self.targets[0].test

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(target.name for target in self.targets)

    @property
    def memory_mib(self) -> int:
        return sum(target.memory_mib for target in self.targets)


class Builder:
    """Builds targets from sources, or finds what has been built.

    Args:
        memory_mib: what compilers and linkers may take at once; None: nobody knows.
        say: told in words what takes its time, and what is taken instead of what was asked for.
        offline: fetch no compiler and no module.
    """

    def __init__(
        self,
        cache: Cache,
        sources: Trees,
        memory_mib: int | None,
        say: Callable[[str], None],
        *,
        offline: bool = False,
    ) -> None:
        self._cache = cache
        self._sources = sources
        self._memory = memory_mib
        self._offline = offline
        self._say = say
        self._results = Results(cache)
        self._toolchains = Toolchains(cache, say, offline=offline)

    def known(self, source: Source, target: Target, *, debug: bool = False) -> Built | None:
        """What was built of this source before; asks nobody, compiles nothing, and needs no compiler to be here."""
        for go in self._toolchains.known(source.go):
            built = self._results.find(key(source, target, go, debug=debug))
            if built is not None:
                return built
        return None

    def build(
        self,
        source: Source,
        targets: Sequence[Target],
        deadline: Deadline,
        progress: OnProgress | None = None,
        stop: threading.Event | None = None,
        *,
        debug: bool = False,
    ) -> dict[str, Built]:
        """Build what has not been built, and check it.

        Args:
            debug: keep symbols and paths, for a debugger.

        Returns:
            artifact name -> file, in the order of ``targets``.

        Raises:
            ArtifactError: no compiler, it does not compile, memory or disk is full, it was stopped, or what came out
                is not what it should be. Nothing half made is left.
            DeadlineExceeded: it took too long; the compiler has been ended.
        """
        found = self._known(source, targets, debug)
        if len(found) < len(targets):
            with (
                _our_disk(targets),
                self._cache.exclusive(f"build {source.project} {source.tree}", deadline, self._waiting),
            ):
                # Another run may have built it while this one waited.
                found = self._known(source, targets, debug)
                rest = [target for target in targets if target.name not in found]
                if rest:
                    found |= self._make(source, rest, deadline, progress, stop, debug)
        return {target.name: found[target.name] for target in targets}

    def _waiting(self) -> None:
        self._say("waiting for another run, which builds the same source")

    def _known(self, source: Source, targets: Sequence[Target], debug: bool) -> dict[str, Built]:
        every = {target.name: self.known(source, target, debug=debug) for target in targets}
        return {name: built for name, built in every.items() if built is not None}

    def _make(
        self,
        source: Source,
        targets: Sequence[Target],
        deadline: Deadline,
        progress: OnProgress | None,
        stop: threading.Event | None,
        debug: bool,
    ) -> dict[str, Built]:
        halt, names = Halt(stop), tuple(target.name for target in targets)
        try:
            toolchain = self._toolchains.get(source.go, deadline, stop)
        except ArtifactError as error:
            raise (stopped(names) if halt.stopped else error) from error
        # The scratch folder first: a disk that is full says so before a tree is checked out.
        with scratch(self._cache.temporary) as work, self._sources.files(source, deadline, stop=stop) as tree:
            go = Go(toolchain, tree, self._cache, work, names, source.version, halt, self._offline)
            run = _Run(self._results, source, go, work, deadline, progress or _nobody, self._memory, debug)
            return run.build(targets)


class _Run:
    """One build that has all it needs."""

    def __init__(
        self,
        results: Results,
        source: Source,
        go: Go,
        work: Path,
        deadline: Deadline,
        tell: OnProgress,
        memory_mib: int | None,
        debug: bool,
    ) -> None:
        self._results = results
        self._source = source
        self._go = go
        self._out = work / "out"
        self._deadline = deadline
        self._memory = memory_mib
        self._debug = debug
        cpus = os.cpu_count() or 1
        self._parallel = cpus if memory_mib is None else max(1, min(cpus, memory_mib // _COMPILER_MIB))
        self._progress = Progress(tell, self._parallel)
        self._listings: dict[str, Listing] = {}
        self._built: dict[str, Built] = {}

    def build(self, targets: Sequence[Target]) -> dict[str, Built]:
        calls = self._calls(targets)
        self._progress.say("reading the source")
        for call in calls:
            self._read(call)
        self._progress.say("compiling")
        lanes = [list(lane) for _, lane in groupby(calls, lambda call: call.targets[0].os)]
        most = sum(max(call.memory_mib for call in lane) for lane in lanes)
        if len(lanes) > 1 and (self._memory is None or most <= self._memory):
            self._together(lanes)
        else:
            for call in calls:
                self._make(call)
        return self._built

    def _calls(self, targets: Sequence[Target]) -> list[_Call]:
        """Few calls, because programs of one call share what they compile; none takes more memory than there is."""

        def kind(target: Target) -> tuple[bool, tuple[str, ...], bool]:
            return target.os != "windows", target.tags, target.test  # Windows first: that is what people wait for

        # Platforms are compiled at the same time where the largest program of each fits beside the others.
        share = self._memory
        if share is not None and len({target.os for target in targets}) > 1:
            half = share // 2
            share = half if all(target.memory_mib <= half for target in targets) else share
        calls = []
        for _, group in groupby(sorted(targets, key=kind), kind):
            batch: list[Target] = []
            for target in group:
                used = sum(other.memory_mib for other in batch) + target.memory_mib
                if batch and (target.test or (share is not None and used > share)):
                    calls.append(self._call(batch))
                    batch = []
                batch.append(target)
            calls.append(self._call(batch))
        return calls

    def _call(self, batch: Sequence[Target]) -> _Call:
        return _Call(tuple(batch), recipe(self._source, batch[0], debug=self._debug))

    def _read(self, call: _Call) -> None:
        flags = [*call.how.flags, *(["-test"] if call.test else [])]
        packages = [target.package for target in call.targets]
        listing = self._go.packages(flags, packages, call.how.variables, self._deadline)
        self._listings[call.name] = listing
        self._progress.expect(call.platform, listing.stale, call.name, call.names)

    def _together(self, lanes: Sequence[Sequence[_Call]]) -> None:
        """Each platform in a thread of its own; the first failure ends the others."""
        failures: list[BaseException] = []

        def work(lane: Sequence[_Call]) -> None:
            try:
                for call in lane:
                    if failures:
                        return
                    self._make(call)
            except BaseException as error:  # noqa: BLE001 - raised by the one who waits for all
                failures.append(error)
                self._go.halt.set()

        threads = [threading.Thread(target=work, args=(lane,), daemon=True, name="go build") for lane in lanes]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:  # Ctrl-C: the compilers have ended before their folder goes
            self._go.halt.set()
            for thread in threads:
                thread.join(timeout=_END)
            raise
        if failures:
            raise failures[0]

    def _make(self, call: _Call) -> None:
        began = monotonic()
        folder = self._out / call.name.replace("/", "_")
        folder.mkdir(parents=True)
        every = self._listings[call.name].every
        flags, variables = call.how.flags, call.how.variables

        def missing() -> list[str]:
            return [name for name in call.names if not (folder / name).exists()]

        def started(package: str) -> None:
            self._progress.started(call.platform, package, missing)

        build = ["build", "-v", "-p", str(self._parallel), *flags]
        if call.test:
            package = call.targets[0].package
            imports = self._go.test_imports(flags, package, variables, self._deadline)
            # `go test` does not say what it compiles; what it will need is compiled before by one that does.
            self._go.build([*build, *imports, "testing/internal/testdeps"], variables, self._deadline, every, started)
            self._progress.say(f"compiling and linking {call.names[0]}")
            test = ["test", "-c", "-p", str(self._parallel), *flags, "-o", str(folder / call.names[0]), package]
            self._go.build(test, variables, self._deadline, every, started)
        else:
            packages = [target.package for target in call.targets]
            self._go.build([*build, "-o", f"{folder}/", *packages], variables, self._deadline, every, started)
        self._progress.finished(call.platform, call.name)
        self._keep(call, folder, monotonic() - began)

    def _keep(self, call: _Call, folder: Path, seconds: float) -> None:
        for target in call.targets:
            file = folder / target.name
            if not file.is_file():
                raise ArtifactError(
                    f"Go ended well and made no {target.name}",
                    details=f"package {target.package}",
                    remedy="see that it is a program (package main) in this source",
                )
            version = recipe(self._source, target, debug=self._debug).version
            check_program(file, target.os, target.arch, version)
            go = self._go.toolchain.version
            self._built[target.name] = self._results.keep(
                file,
                self._source,
                target,
                key=key(self._source, target, go, debug=self._debug),
                go=go,
                seconds=seconds,
                debug=self._debug,
            )
        self._progress.say(f"built {', '.join(call.names)}")


@contextmanager
def _our_disk(targets: Sequence[Target]) -> Iterator[None]:
    """A file system that refuses us fails the build, and says where."""
    try:
        yield
    except OSError as error:
        known = trouble(error)
        if known is None:
            raise
        names = ", ".join(target.name for target in targets)
        raise ArtifactError(f"{names} could not be built: {known.what}", remedy=known.remedy) from error


def _nobody(_done: int, _of: int | None, _what: str) -> None:
    """Nobody wants to know."""


def by_project(targets: Sequence[Target]) -> Mapping[Project, tuple[Target, ...]]:
    """The targets of each project; each has a source of its own."""
    found: dict[Project, tuple[Target, ...]] = {}
    for target in targets:
        found[target.project] = (*found.get(target.project, ()), target)
    return found
