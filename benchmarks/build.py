"""Builds from source: a key that was built before, and the bytes that one commit takes of a repository."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks.measure import Row
from provision.artifacts.cache import Cache
from provision.build.base import Source
from provision.build.results import Results
from provision.build.source import Sources
from provision.build.stamp import key
from provision.build.targets import BY_NAME, DEFAULTS
from provision.clock import Deadline
from provision.host.workspace import PRODUCT
from tests.kubernetes_like import Repo, make

_TIMES = 5
_HISTORY = 200  # commits, each of which changes one file of this many bytes
_FILE = 20_000


def rows() -> list[Row]:
    """Both, with one repository shaped like Kubernetes."""
    with tempfile.TemporaryDirectory(prefix="hybrid-bench-") as name:
        folder = Path(name)
        repo = make(folder / "kubernetes")
        commit = _grown(repo)
        cache = Cache(folder / "cache")
        sources = Sources(cache.root, lambda _text: None)
        source = sources.resolve("kubernetes", repo.url, commit, Deadline(120))
        _built(cache, source)
        before = _processor()
        seconds = min(_seconds(folder, cache, repo, commit) for _ in range(_TIMES))
        own = (_processor() - before) / _TIMES
        whole = _clone(folder, repo)
    note = f"{sources.fetched_bytes / 1e3:.0f} kB of {whole / 1e6:.1f} MB, {_HISTORY} commits of history"
    return [
        Row(
            "invoke build of a key already built",
            seconds,
            1.0,
            unit="s",
            note=f"fastest of {_TIMES}, {own:.2f} s of it the processor",
        ),
        Row("bytes fetched for a SHA / a full clone", sources.fetched_bytes / whole, 0.1, note=note),
    ]


def _grown(repo: Repo) -> str:
    """Put a history behind the tip, as a repository has that people have worked on."""
    dice = random.Random(0)
    for number in range(_HISTORY):
        (repo.path / "hack" / "data.bin").write_bytes(dice.randbytes(_FILE))
        repo.git("add", "hack/data.bin")
        repo.git("commit", "-q", "-m", f"hack: change {number}")
    return repo.git("rev-parse", "HEAD")


def _built(cache: Cache, source: Source) -> None:
    """What a build leaves in the cache; nobody looks into the programs again, so any bytes will do."""
    for name in DEFAULTS["kubernetes"]:
        target = BY_NAME[name]
        cache.temporary.mkdir(parents=True, exist_ok=True)
        file = cache.temporary / name
        file.write_bytes(name.encode())
        Results(cache).keep(
            file, source, target, key=key(source, target, source.go), go=source.go, seconds=240.0, debug=False
        )


def _seconds(folder: Path, cache: Cache, repo: Repo, commit: str) -> float:
    """One `invoke build` in a process of its own; it must not build."""
    argv = [sys.executable, "-m", "invoke", "--search-root", str(PRODUCT), "build", "--json"]
    env = {**os.environ, "HYBRID_CACHE": str(cache.root), "PYTHONDONTWRITEBYTECODE": "1"}
    env.pop("PYTHONPYCACHEPREFIX", None)  # the libraries' compiled modules are where pip has put them
    began = perf_counter()
    done = subprocess.run(
        [*argv, "--sha", commit, "--remote", repo.url],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    seconds = perf_counter() - began
    answer = json.loads(done.stdout)
    if answer["received_bytes"] or any(row["fresh"] for row in answer["built"]):
        raise RuntimeError(f"it fetched or built what was there: {done.stdout}")
    return seconds


def _processor() -> float:
    """Seconds of processor time of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _clone(folder: Path, repo: Repo) -> int:
    """Bytes of the packs of a clone of everything."""
    target = folder / "clone.git"
    subprocess.run(["git", "clone", "-q", "--bare", repo.url, str(target)], check=True, timeout=120)
    return sum(pack.stat().st_size for pack in (target / "objects" / "pack").glob("*.pack"))
