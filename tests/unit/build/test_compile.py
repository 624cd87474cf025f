"""Builds with a compiler that only looks like one: what is called, shared, checked, kept and told."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from provision.artifacts.cache import Cache
from provision.build import compile_go
from provision.build.base import Source
from provision.build.compile import Builder, by_project
from provision.build.compile_errors import compile_error
from provision.build.progress import Listing, Progress
from provision.build.targets import BY_NAME, Target, chosen
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.host.commands import Completed
from tests.unit.build.programs import elf, pe
from tests.unit.build.test_stamp import SOURCE

WINDOWS = [BY_NAME["kubelet.exe"], BY_NAME["kube-proxy.exe"]]


@dataclass
class FakeGo:
    """Answers `go list`, `go build` and `go test -c`.

    Attributes:
        fails: what a build writes to stderr, with its exit code, instead of programs.
        version: what is stamped into programs.
    """

    calls: list[list[str]] = field(default_factory=list)
    variables: list[Mapping[str, str]] = field(default_factory=list)
    fails: tuple[list[str], int] | None = None
    version: str = f"v{SOURCE.version}"
    stopped: bool = False
    lists: list[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], **more: Any) -> Completed:
        words = list(argv)[1:]
        self.variables.append(more["env"])
        if words[0] == "list":
            form = words[words.index("-f") + 1]
            self.lists.append(form)
            if "TestImports" in form:
                return Completed(tuple(argv), 0, "testing\n\n", "")
            packages = [word for word in words if word.startswith(("./", "k8s.io/", "github.com/"))]
            rows = ["fmt\ttrue\tnot installed but available in build cache", "k8s.io/api\ttrue\tbuild ID mismatch"]
            rows += [f"{package}\ttrue\tstale dependency: k8s.io/api" for package in packages]
            return Completed(tuple(argv), 0, "\n".join(rows) + "\n", "")
        self.calls.append(words)
        on_line = more["on_line"]
        on_line("k8s.io/api")
        if self.fails:
            lines, code = self.fails
            for line in lines:
                on_line(line)
            self.stopped = more["stop"].is_set()
            return Completed(tuple(argv), code, "", "")
        for package in [word for word in words if word.startswith(("./cmd", "./test"))]:
            on_line(package)
            self._write(words, package, more["env"]["GOOS"])
        return Completed(tuple(argv), 0, "", "")

    def _write(self, words: list[str], package: str, os: str) -> None:
        out = words[words.index("-o") + 1]
        name = Path(package).name + (".exe" if os == "windows" else "")
        file = Path(out) / name if out.endswith("/") else Path(out)
        file.write_bytes(pe(self.version) if os == "windows" else elf(self.version))


@dataclass
class Trees:
    """A source of one file; counts how often it was laid out."""

    folder: Path
    taken: int = 0

    @contextmanager
    def files(self, source: Source, deadline: Deadline, *, stop: threading.Event | None = None) -> Iterator[Path]:
        self.taken += 1
        (self.folder / "vendor").mkdir(parents=True, exist_ok=True)
        (self.folder / "vendor" / "modules.txt").write_text("# none\n")
        yield self.folder


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    cache = Cache(tmp_path / "cache")
    for release in ("1.26.4", "1.25.0"):
        root = cache.root / "go" / release
        (root / "bin").mkdir(parents=True)
        (root / "bin" / "go").write_text("go")
        (root / "VERSION").write_text(f"go{release}\n")
    return cache


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    fake = FakeGo()
    monkeypatch.setattr(compile_go, "run", fake)
    return fake


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path / "tree")


def _builder(cache: Cache, trees: Trees, memory_mib: int | None = 16000) -> Builder:
    return Builder(cache, trees, memory_mib, lambda _text: None)


def _left(cache: Cache) -> list[Path]:
    return list(cache.temporary.glob("*"))


def test_programs_of_one_system_are_built_by_one_call_and_kept(cache: Cache, go: FakeGo, trees: Trees) -> None:
    built = _builder(cache, trees).build(SOURCE, WINDOWS, Deadline(10))
    assert list(built) == ["kubelet.exe", "kube-proxy.exe"] and all(one.fresh for one in built.values())
    assert len(go.calls) == 1 and go.calls[0][-2:] == ["./cmd/kubelet", "./cmd/kube-proxy"]
    assert built["kubelet.exe"].path.read_bytes() == pe(f"v{SOURCE.version}")
    assert _left(cache) == []


def test_nothing_of_the_users_go_settings_counts(
    cache: Cache, go: FakeGo, trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwanted = ("GOEXPERIMENT", "GO_EXTLINK_ENABLED", "GOTOOLDIR", "GOMODCACHE", "GOAMD64", "CGO_CFLAGS", "GO111MODULE")
    for name in (*unwanted, "GOFLAGS", "GOROOT", "GOENV", "GOWORK", "GOPRIVATE"):
        monkeypatch.setenv(name, "mine")
    _builder(cache, trees).build(SOURCE, WINDOWS, Deadline(10))
    found = go.variables[-1]
    wanted = {
        "GOENV": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=vendor", "GOPROXY": "off",
        "GOOS": "windows", "CGO_ENABLED": "0", "GOCACHE": str(cache.root / "gocache"),
        "GOROOT": str(cache.root / "go" / "1.26.4"), **dict.fromkeys(unwanted),
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted
    assert "GOPRIVATE" not in found  # how modules are reached stays the user's


def test_only_the_sources_own_workspace_counts(cache: Cache, go: FakeGo, trees: Trees) -> None:
    _builder(cache, trees).build(SOURCE, WINDOWS[:1], Deadline(10))
    assert go.variables[-1]["GOWORK"] == "off"
    (trees.folder / "go.work").write_text("go 1.26\n")
    _builder(cache, trees).build(SOURCE, WINDOWS[1:], Deadline(10))
    assert "GOWORK" not in go.variables[-1]


def test_another_run_at_the_same_source_is_waited_for_aloud(cache: Cache, go: FakeGo, trees: Trees) -> None:
    said: list[str] = []
    builder = Builder(cache, trees, 16000, said.append)
    with (
        cache.exclusive(f"build kubernetes {SOURCE.tree}", Deadline(1)),
        pytest.raises(ArtifactError, match="another run has been at work on it"),
    ):
        builder.build(SOURCE, WINDOWS, Deadline(0))
    assert said == ["waiting for another run, which builds the same source"]
    builder.build(SOURCE, WINDOWS, Deadline(10))
    assert len(said) == 1


def test_the_same_key_is_built_once(cache: Cache, go: FakeGo, trees: Trees) -> None:
    builder = _builder(cache, trees)
    first = builder.build(SOURCE, WINDOWS, Deadline(10))
    again = builder.build(replace(SOURCE, remote="elsewhere"), WINDOWS, Deadline(10))
    assert [one.sha256 for one in again.values()] == [one.sha256 for one in first.values()]
    assert not any(one.fresh for one in again.values())
    assert len(go.calls) == 1 and trees.taken == 1


def test_what_was_built_is_known_without_a_compiler(cache: Cache, go: FakeGo, trees: Trees) -> None:
    builder = _builder(cache, trees)
    assert builder.known(SOURCE, WINDOWS[0]) is None
    builder.build(SOURCE, WINDOWS, Deadline(10))
    (cache.root / "go" / "1.26.4").rename(cache.root / "gone")
    assert builder.known(SOURCE, WINDOWS[0]) is not None
    assert builder.known(SOURCE, WINDOWS[0], debug=True) is None
    assert builder.known(replace(SOURCE, tree="e" * 40), WINDOWS[0]) is None


def test_only_what_is_missing_is_built(cache: Cache, go: FakeGo, trees: Trees) -> None:
    builder = _builder(cache, trees)
    builder.build(SOURCE, WINDOWS[:1], Deadline(10))
    built = builder.build(SOURCE, WINDOWS, Deadline(10))
    assert [one.fresh for one in built.values()] == [False, True]
    assert go.calls[1][-1] == "./cmd/kube-proxy" and "./cmd/kubelet" not in go.calls[1]


def test_little_memory_makes_more_calls_and_fewer_compilers(cache: Cache, go: FakeGo, trees: Trees) -> None:
    _builder(cache, trees, memory_mib=1600).build(SOURCE, WINDOWS, Deadline(10))
    assert [call[-1] for call in go.calls] == ["./cmd/kubelet", "./cmd/kube-proxy"]
    assert int(go.calls[0][go.calls[0].index("-p") + 1]) <= 1600 // 384


def test_tests_are_compiled_by_go_test_after_what_they_import(cache: Cache, go: FakeGo, trees: Trees) -> None:
    targets = chosen(["e2e.test", "kubelet"])
    built = _builder(cache, trees).build(SOURCE, targets, Deadline(10))
    assert [call[0] for call in go.calls] == ["build", "build", "test"]
    assert "testing" in go.calls[1] and go.calls[2][1] == "-c" and go.calls[2][-1] == "./test/e2e"
    assert set(built) == {"e2e.test", "kubelet"}


def test_both_systems_and_progress_that_ends_where_it_said(cache: Cache, go: FakeGo, trees: Trees) -> None:
    told: list[tuple[int, int | None, str]] = []
    targets = chosen(["kubelet.exe", "kubelet", "kube-proxy"])
    _builder(cache, trees).build(SOURCE, targets, Deadline(10), lambda *row: told.append(row))
    done, of, _ = told[-1]
    assert done == of == 2 * 1 + 3 + 3  # k8s.io/api twice, three main packages, three links
    assert {row[1] for row in told if row[1] is not None} == {8}
    assert all(row[0] <= (row[1] or 0) or row[1] is None for row in told)
    assert any(row[2].startswith("compiling k8s.io/api") for row in told)


@pytest.mark.parametrize("name", ["kubelet.exe", "kubelet"])
def test_a_program_with_another_version_is_not_kept(cache: Cache, go: FakeGo, trees: Trees, name: str) -> None:
    go.version = "v0.0.0-master+$Format:%H$"
    with pytest.raises(ArtifactError, match="is not version"):
        _builder(cache, trees).build(SOURCE, [BY_NAME[name]], Deadline(10))
    assert not (cache.root / "builds").exists() and not (cache.root / "sha256").exists() and _left(cache) == []


def test_a_build_that_makes_no_program_says_so(cache: Cache, go: FakeGo, trees: Trees) -> None:
    strange = replace(BY_NAME["kubelet.exe"], name="other.exe")
    with pytest.raises(ArtifactError, match=r"made no other\.exe"):
        _builder(cache, trees).build(SOURCE, [strange], Deadline(10))


ERROR = "cmd/kubelet/app/change.go:3:9: undefined: Chnage"


def test_the_compilers_first_error_is_on_top_and_ends_the_build(cache: Cache, go: FakeGo, trees: Trees) -> None:
    go.fails = (["# k8s.io/kubernetes/cmd/kubelet/app", ERROR, "./cmd/kube-proxy"], 1)
    with pytest.raises(ArtifactError) as caught:
        _builder(cache, trees).build(SOURCE, WINDOWS, Deadline(10))
    assert caught.value.exit_code == 4
    assert caught.value.what.endswith(f"does not compile: {ERROR}")
    assert caught.value.details == ERROR
    assert go.stopped  # the next package's name says that all errors of the first are there
    assert _left(cache) == []


@pytest.mark.parametrize(
    ("lines", "says", "does"),
    [
        (["a.go:1:2: x", "link: write /c/a.out: no space left on device"], "the disk is full", "free some space"),
        (["write $WORK/b001/_pkg_.a: file too large"], "the disk is full", "free some space"),
        (["# k8s.io/kubernetes/cmd/kubelet", "/go/link: signal: killed"], "memory ran out", "fewer components"),
        (
            ["go: go.mod requires go >= 1.27.0 (running go 1.26.4; GOTOOLCHAIN=local)"],
            "requires go",
            "put Go 1.27.0 on",
        ),
        (["go: inconsistent vendoring in /src:"], "inconsistent vendoring", "vendor folder"),
        (["no required module provides package example.org/x; to add it:"], "no required module", "go.mod"),
        (["stat /src/cmd/none: directory not found"], "directory not found", "no such program"),
        (["go: x: module lookup disabled by GOPROXY=off"], "module lookup", "--offline"),
        (["something", "else"], "exit code 1", "look at what Go said"),
    ],
)
def test_what_go_says_becomes_one_clear_error(lines: list[str], says: str, does: str) -> None:
    error = compile_error(lines, ["kubelet.exe"], "1.36.4", Path("/cache"), 1)
    assert says in error.what and does in error.remedy and error.details


def test_a_stop_is_no_failure_of_the_source(cache: Cache, go: FakeGo, trees: Trees) -> None:
    go.fails = (["signal: terminated"], 1)
    stop = threading.Event()
    stop.set()
    with pytest.raises(ArtifactError, match=r"^stopped while building kubelet\.exe"):
        _builder(cache, trees).build(SOURCE, WINDOWS[:1], Deadline(10), stop=stop)
    assert _left(cache) == []


def test_a_full_disk_of_ours_is_an_error_of_the_build(
    cache: Cache, go: FakeGo, trees: Trees, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(cache.root))

    monkeypatch.setattr(Cache, "adopt", full)
    with pytest.raises(ArtifactError, match="No space left on device"):
        _builder(cache, trees).build(SOURCE, WINDOWS, Deadline(10))
    assert _left(cache) == [] and not (cache.root / "builds").exists()


def test_a_failure_of_one_system_ends_the_other(cache: Cache, go: FakeGo, trees: Trees) -> None:
    go.fails = ([ERROR], 1)
    with pytest.raises(ArtifactError, match="does not compile"):
        _builder(cache, trees).build(SOURCE, chosen(["kubelet.exe", "kubelet"]), Deadline(10))
    assert _left(cache) == []


def test_cached_packages_need_no_compiler() -> None:
    listing = Listing.parse(
        ["fmt\ttrue\tnot installed but available in build cache", "unsafe\tfalse\t", "a\ttrue\tbuild ID mismatch"]
    )
    assert listing.every == {"fmt", "unsafe", "a"} and listing.stale == {"a"}


def test_what_compilers_are_at_work_on_is_not_done() -> None:
    told: list[tuple[int, int | None, str]] = []
    progress = Progress(lambda *row: told.append(row), parallel=2)
    progress.say("reading")
    progress.expect("windows", {"a", "b", "c", "d"}, "windows call", ["kubelet.exe"])
    for name in ("a", "b", "c"):
        progress.started("windows", name, lambda: ["kubelet.exe"])
    progress.started("windows", "d", lambda: ["kubelet.exe"])
    progress.finished("windows", "windows call")
    progress.say("built")
    assert told == [
        (0, None, "reading"),
        (0, 5, "compiling a"),
        (0, 5, "compiling b"),
        (1, 5, "compiling c"),
        (2, 5, "linking kubelet.exe"),
        (5, 5, "built"),
    ]


def test_a_change_that_others_do_not_see_makes_less_work_than_was_feared() -> None:
    told: list[tuple[int, int | None, str]] = []
    progress = Progress(lambda *row: told.append(row), parallel=1)
    progress.expect("windows", {"a", "b", "c"}, "windows call", ["kubelet.exe"])
    progress.started("windows", "a", lambda: ["kubelet.exe"])
    progress.finished("windows", "windows call")
    progress.say("built")
    assert told[-1] == (2, 2, "built")


def test_targets_by_project() -> None:
    targets: Sequence[Target] = chosen(["kubelet.exe", "containerd.exe", "kubelet"])
    assert {project: len(found) for project, found in by_project(targets).items()} == {"kubernetes": 2, "containerd": 1}
