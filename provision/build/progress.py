"""How far the compiler is: packages compiled of packages to compile.

What is to compile is asked of ``go list`` before (its ``Stale`` leaves out what the Go cache has; seen to be exact
with a cold cache, and an upper bound where a change turns out not to change what others see).  ``go build -v`` prints
a package's name when its compiler *starts*; as many as processors may be at work, so that many are not counted yet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from provision.build.base import OnProgress

# What `go list -f` prints of each package, and the reason of one that needs no compiler.
FORMAT = "{{.ImportPath}}\t{{.Stale}}\t{{.StaleReason}}"
_CACHED = "not installed but available in build cache"


@dataclass
class Listing:
    """The packages of one call of ``go build``: all of them, and those to compile."""

    every: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Listing:
        """From what ``go list -f`` printed."""
        found = cls()
        for line in lines:
            name, _, rest = line.partition("\t")
            stale, _, reason = rest.partition("\t")
            found.every.add(name)
            if stale == "true" and reason != _CACHED:
                found.stale.add(name)
        return found


class Progress:
    """Adds up the calls of one build; safe for several threads.

    Args:
        tell: told (done, of, what is at work) when something has changed.
        parallel: compilers at work at once.
    """

    def __init__(self, tell: OnProgress, parallel: int) -> None:
        self._tell = tell
        self._parallel = parallel
        self._lock = threading.Lock()
        self._to_do: dict[str, set[str]] = {}
        self._started: dict[str, set[str]] = {}
        self._links: dict[str, Collection[str]] = {}
        self._finished: set[str] = set()

    def expect(self, platform: str, stale: Collection[str], call: str, programs: Collection[str]) -> None:
        """What a call will do; two calls for one platform share what they compile."""
        with self._lock:
            self._to_do.setdefault(platform, set()).update(stale)
            self._started.setdefault(platform, set())
            self._links[call] = programs

    def started(self, platform: str, package: str, missing: Callable[[], Collection[str]]) -> None:
        """A compiler has started. ``missing``: gives the programs of its call that are not linked yet."""
        with self._lock:
            self._to_do[platform].add(package)
            started = self._started[platform]
            started.add(package)
            rest = len(self._to_do[platform]) - len(started)
        what = f"compiling {package}" if rest or not (names := missing()) else f"linking {', '.join(names)}"
        self.say(what)

    def finished(self, platform: str, call: str) -> None:
        """A call is over; the packages of its platform that are left need no compiler, if no other call is left."""
        with self._lock:
            self._finished.add(call)
            if all(other in self._finished for other in self._links if other.startswith(f"{platform} ")):
                self._to_do[platform] = set(self._started[platform])

    def say(self, what: str) -> None:
        """Tell how far it is."""
        with self._lock:
            of: int | None = sum(map(len, self._to_do.values())) + sum(map(len, self._links.values()))
            if not self._links:
                of = None  # nothing has been asked yet
            done = sum(len(self._links[call]) for call in self._finished)
            for platform, started in self._started.items():
                mine = [call for call in self._links if call.startswith(f"{platform} ")]
                at_work = 0 if all(call in self._finished for call in mine) else self._parallel
                done += max(0, len(started) - at_work)
        self._tell(done, of, what)
