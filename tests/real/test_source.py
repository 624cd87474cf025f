"""Sources from remotes, with real git over its real protocol, against a small repository shaped like Kubernetes."""

from __future__ import annotations

import http.server
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import pytest

from provision.app.made import Makers
from provision.build import source_git
from provision.build.base import Source
from provision.build.source import Sources
from provision.clock import Deadline
from provision.errors import ArtifactError, DeadlineExceeded, HostError
from provision.settings.model import Network, Settings
from tests.http_servers import Server
from tests.kubernetes_like import Repo, make
from tests.needs import need
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    need("git", "git")
    return make(tmp_path_factory.mktemp("remote") / "kubernetes")


class Heard(list[str]):
    """What was said."""

    def __call__(self, line: str) -> None:
        self.append(line)

    @property
    def text(self) -> str:
        return "\n".join(self)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def sources(tmp_path: Path, heard: Heard) -> Sources:
    return Sources(tmp_path / "cache", heard)


def soon() -> Deadline:
    return Deadline(PATIENCE, "the test")


def resolve(sources: Sources, repo: Repo, word: str, compatibility: str | None = None) -> Source:
    return sources.resolve("kubernetes", repo.url, word, soon(), compatibility=compatibility)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


# What a word means


@pytest.mark.parametrize(
    ("word", "commit", "version"),
    [
        ("master", "master", "1.37.0-alpha.1.5+{}"),
        ("release-1.36", "release-1.36", "1.36.4-1+{}"),
        ("v1.36.4", "v1.36.4", "1.36.4"),
        ("v1.37.0-alpha.1", "v1.37.0-alpha.1", "1.37.0-alpha.1"),
        ("refs/tags/v1.36.0", "v1.36.0", "1.36.0"),
        ("pull/7", "pull", "1.37.0-alpha.1.4+{}"),
        ("{parent}", "parent", "1.37.0-alpha.1.3+{}"),
        ("{first:.9}", "first", "1.37.0-alpha.1.1+{}"),
    ],
)
def test_a_word(sources: Sources, repo: Repo, word: str, commit: str, version: str) -> None:
    found = resolve(sources, repo, word.format(**repo.commits))
    whole = repo.commits[commit]
    assert found == Source(
        project="kubernetes",
        remote=repo.url,
        commit=whole,
        tree=repo.git("rev-parse", f"{whole}^{{tree}}"),
        dirty=False,
        version=version.format(whole[:14]),
        committed=int(repo.git("log", "-1", "--format=%ct", whole)),
        go="1.26.4",
    )
    with sources.files(found, soon()) as folder:
        assert names(folder) == repo.git("ls-tree", "-r", "--name-only", whole).split("\n")
        assert f'" {commit}"' in (folder / "cmd/kubelet/app/change.go").read_text() or commit == "master"
        assert (folder / "Makefile").is_symlink()
        assert os.access(folder / "hack/lib/version.sh", os.X_OK)


def test_a_tag_that_is_called_like_a_branch_is_taken_aloud(sources: Sources, tmp_path: Path, heard: Heard) -> None:
    fork = make(tmp_path / "fork")
    fork.git("tag", "master", fork.commits["v1.36.0"])
    assert resolve(sources, fork, "master").commit == fork.commits["v1.36.0"]
    assert "master is a tag and a branch of" in heard.text
    heard.clear()
    assert resolve(sources, fork, "heads/master").commit == fork.commits["master"]
    assert "is a tag and a branch" not in heard.text


def test_no_tag_behind(sources: Sources, repo: Repo) -> None:
    with pytest.raises(ArtifactError) as refused:
        resolve(sources, repo, "imported")
    assert "kubernetes.compatibility" in refused.value.remedy
    assert "the source itself says 1.36" in refused.value.details
    found = resolve(sources, repo, "imported", "1.36.4")
    assert found.version == f"1.36.4-0+{repo.commits['untagged'][:14]}"


def test_a_fork_whose_tags_are_older_than_its_source(sources: Sources, tmp_path: Path) -> None:
    fork = make(tmp_path / "fork")
    fork.git("tag", "v1.30.0", fork.commits["v1.36.0"])
    for tag in ("v1.36.0", "v1.36.4", "v1.37.0-alpha.1"):
        fork.git("tag", "-d", tag)
    with pytest.raises(ArtifactError, match=r"the nearest tag is v1\.30\.0, 6 commits behind; .* says 1\.36"):
        resolve(sources, fork, "master")
    assert resolve(sources, fork, "master", "1.37").version.startswith("1.37.0-0+")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("mastre", "near it: master"),
        ("", "has no branch or tag ''"),
        ("v1.36", "near it: v1.36.4, v1.36.0"),
        ("deadbee", "write all 40 digits"),
        ("d" * 40, "has no commit dddd"),
        ("pull/99", "has no refs/pull/99/head"),
    ],
)
def test_no_such_thing(sources: Sources, repo: Repo, word: str, said: str) -> None:
    with pytest.raises(ArtifactError) as refused:
        resolve(sources, repo, word)
    assert said in str(refused.value)
    assert repo.url in str(refused.value)


def test_a_short_commit_of_several(sources: Sources, tmp_path: Path) -> None:
    many = make(tmp_path / "many")
    # Of so many commits some agree in seven digits; they are the same ones each time.
    commits = (f"commit refs/heads/n\ncommitter a <a@b> {1767300000 + n} +0000\ndata 0\n" for n in range(30000))
    script = tmp_path / "import"
    script.write_text("".join(commits))
    with script.open("rb") as stream:
        subprocess.run(["git", "-C", str(many.path), "fast-import", "--quiet"], stdin=stream, check=True)
    ordered = sorted(many.git("rev-list", "n").split("\n"))
    twins = next(pair for pair in pairwise(ordered) if pair[0][:7] == pair[1][:7])
    with pytest.raises(ArtifactError, match="is the beginning of 2 commits") as refused:
        resolve(sources, many, twins[0][:7])
    assert twins[0] in refused.value.details
    assert twins[1] in refused.value.details


def test_other_projects_are_called_as_git_describes_them(sources: Sources, repo: Repo, tmp_path: Path) -> None:
    other = make(tmp_path / "containerd")
    head = other.commits["master"]
    assert sources.resolve("hcsshim", other.url, "master", soon()).version == f"1.37.0-alpha.1-5-g{head[:14]}"
    other.git("tag", "v2.0.0", other.commits["parent"])
    assert sources.resolve("hcsshim", other.url, "master", soon()).version == f"2.0.0-2-g{head[:14]}"
    # containerd's own build asks for annotated tags only.
    assert sources.resolve("containerd", other.url, "master", soon()).version == f"1.37.0-alpha.1-5-g{head[:14]}"
    assert sources.resolve("containerd", other.url, "imported", soon()).version == other.commits["untagged"][:14]


# What comes over the line


def test_the_second_commit_costs_what_differs_and_the_same_one_nothing(sources: Sources, repo: Repo) -> None:
    resolve(sources, repo, repo.commits["second"])
    first = sources.fetched_bytes
    resolve(sources, repo, repo.commits["parent"])
    second = sources.fetched_bytes - first
    assert 0 < second < first / 5
    again = Sources(sources.root, print)
    with refusing_to_connect():
        assert resolve(again, repo, repo.commits["parent"]).commit == repo.commits["parent"]
    assert again.fetched_bytes == 0


@contextmanager
def refusing_to_connect() -> Iterator[None]:
    before = source_git.Git.remote
    source_git.Git.remote = lambda *_, **__: pytest.fail("a connection")  # type: ignore[method-assign]
    try:
        yield
    finally:
        source_git.Git.remote = before  # type: ignore[method-assign]


def test_history_comes_without_files_and_no_further_than_the_minor(sources: Sources, repo: Repo) -> None:
    resolve(sources, repo, "master")
    (piece,) = sources.root.glob("git/*/history/*.git")
    assert piece.name == "v1.37.0-alpha.1.git"
    argv = ["git", "--git-dir", str(piece), "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]
    kinds = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert kinds == ["commit"] * 5


def test_bytes_are_said_and_right(sources: Sources, repo: Repo, heard: Heard) -> None:
    resolve(sources, repo, "v1.36.0")
    (pack,) = sources.root.glob("git/*/objects/pack/*.pack")
    assert abs(sources.fetched_bytes - pack.stat().st_size) <= 64
    assert f"{sources.fetched_bytes / 1024:.1f} KiB fetched for v1.36.0" in heard.text


def test_a_remote_without_filters(sources: Sources, tmp_path: Path, heard: Heard) -> None:
    plain = make(tmp_path / "plain", filters=False)
    assert resolve(sources, plain, "master").version.startswith("1.37.0-alpha.1.5+")
    assert "serves no partial clones" in heard.text


@pytest.mark.parametrize("word", ["master", "{second}", "{parent:.10}", "pull/7"])
def test_a_remote_that_gives_out_only_its_refs(
    sources: Sources, tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    # Version 2 of the protocol gives out anything; an old server speaks no other than version 0.
    monkeypatch.setitem(source_git._FETCHING, "protocol.version", "0")
    old = make(tmp_path / "old", filters=False)
    asked = word.format(**old.commits)
    found = resolve(sources, old, asked)
    assert found.version.startswith("1.37.0-alpha.1.")
    assert ("fetching all of its branches" in heard.text) == ("second" in word or "parent" in word)
    with sources.files(found, soon()) as folder:
        assert (folder / "go.mod").is_file()


def test_a_remote_that_is_only_files_behind_http(sources: Sources, repo: Repo, tmp_path: Path, heard: Heard) -> None:
    subprocess.run(["git", "clone", "-q", "--bare", str(repo.path), str(tmp_path / "dumb.git")], check=True)
    subprocess.run(["git", "--git-dir", str(tmp_path / "dumb.git"), "update-server-info"], check=True)
    with serving(partial(Files, directory=str(tmp_path))) as url:
        found = sources.resolve("kubernetes", f"{url}/dumb.git", "master", soon())
    assert found.version == f"1.37.0-alpha.1.5+{repo.commits['master'][:14]}"
    assert "fetching all of its branches" in heard.text


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class Closed(Files):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="private"')
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving(handler: object) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


# Remotes that do not answer


def test_nothing_there(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        sources.resolve("kubernetes", (tmp_path / "none").as_uri(), "master", soon())


def test_a_password_wanted_is_an_error_and_never_a_question(sources: Sources, no_proxy: None) -> None:
    with serving(Closed) as url, pytest.raises(ArtifactError, match="cannot be read") as refused:
        sources.resolve("kubernetes", url.replace("//", "//me:secret@") + "/x.git", "master", soon())
    assert "secret" not in str(refused.value)


def test_a_remote_that_says_nothing_ends_at_the_deadline(sources: Sources, no_proxy: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        with pytest.raises(DeadlineExceeded):
            sources.resolve("kubernetes", url, "master", Deadline(1.5, "resolving"))


def test_a_stop_is_heard(sources: Sources, no_proxy: None) -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        asked: list[socket.socket] = []  # kept open: git waits for an answer

        def stop_when_asked() -> None:
            asked.append(server.accept()[0])
            stop.set()

        threading.Thread(target=stop_when_asked, daemon=True).start()
        with pytest.raises(ArtifactError, match="was stopped"):
            sources.resolve("kubernetes", url, "master", soon(), stop=stop)
    asked[0].close()


def test_offline_only_this_computer_is_asked(repo: Repo, tmp_path: Path, no_proxy: None) -> None:
    with serving(Files) as url:
        remote = f"{url}/x.git"
        sources = Sources(tmp_path / "cache", print, offline=True)
        with pytest.raises(ArtifactError, match="--offline forbids to ask"):
            sources.resolve("kubernetes", remote, "master", soon())
        assert resolve(sources, repo, "master").commit == repo.commits["master"]


def test_an_outer_git_does_not_reach_in(sources: Sources, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    monkeypatch.setenv("GIT_WORK_TREE", "/nowhere/tree")
    with sources.files(resolve(sources, repo, "master"), soon()) as folder:
        assert (folder / "go.mod").is_file()


def test_a_users_own_settings_of_a_remote_are_not_ours(
    sources: Sources, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = '[remote "origin"]\n\turl = /nowhere\n\tfetch = +refs/*:refs/*\n\ttagOpt = --tags\n\tprune = true\n'
    (tmp_path / "gitconfig").write_text(own)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    assert resolve(sources, repo, "master").commit == repo.commits["master"]


class Counting(Files):
    """A proxy that notes what it is asked, and has nothing."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)


def test_files_that_have_to_be_fetched_again_come_by_the_proxy_and_not_offline(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    source = replace(resolve(Sources(tmp_path / "one", print), repo, "master"), remote="http://git.test/k.git")
    with serving(Counting) as url:
        network = Network(proxy=url)
        for offline in (True, False):
            Counting.asked.clear()
            settings = Settings(network=network)
            makers = Makers(
                settings, tmp_path / str(offline), offline=offline, rehearsed=False, ask=str, lock=pytest.fail
            )
            with pytest.raises(ArtifactError) as refused, makers.sources(print).files(source, soon()):
                pytest.fail("it has the files")
            assert ("--offline forbids to ask" in refused.value.what) == offline
            assert bool(Counting.asked) != offline
            assert all(path.startswith("http://git.test/k.git/") for path in Counting.asked)


def test_a_git_that_does_not_hear_us_is_not_asked(
    sources: Sources, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    old = tmp_path / "bin" / "git"
    old.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho git version 2.25.1\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    with pytest.raises(HostError, match=r"git is too old to build from source: git version 2\.25\.1"):
        resolve(sources, repo, "master")
    with pytest.raises(HostError, match="is too old"):
        sources.capture("kubernetes", repo.path, soon())
    assert set((tmp_path / "asked").read_text().split()) == {"version"}


# Killed runs, and several at once


def test_what_a_killed_run_left_is_no_hindrance(sources: Sources, repo: Repo) -> None:
    resolve(sources, repo, "v1.36.0")
    (bare,) = sources.root.glob("git/*.git")
    (bare / "shallow.lock").write_text("")
    (bare / "objects" / "pack" / "tmp_pack_x").write_text("half")
    (bare / "refs" / "at" / (repo.commits["master"] + ".lock")).write_text("")
    resolve(sources, repo, "master")
    assert not list(bare.rglob("*.lock"))
    assert not list(bare.rglob("tmp_*"))


def test_killed_at_any_moment_the_next_run_is_right(repo: Repo, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from provision.build.source import Sources; "
        "from provision.clock import Deadline\n"
        "sources = Sources(Path(sys.argv[1]), lambda line: None)\n"
        "for word in sys.argv[3:]:\n"
        "    with sources.files(sources.resolve('kubernetes', sys.argv[2], word, Deadline(120)), Deadline(120)): pass\n"
    )
    words = ["v1.36.0", "release-1.36", "master", "pull/7"]
    pause = random.Random(7)
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "cache"), repo.url, *words])
        try:
            child.wait(timeout=0.3 + pause.random() * 0.5)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
    sources = Sources(tmp_path / "cache", print)
    for word in words:
        found = resolve(sources, repo, word)
        with sources.files(found, soon()) as folder:
            assert names(folder) == repo.git("ls-tree", "-r", "--name-only", found.commit).split("\n")
    (bare,) = sources.root.glob("git/*.git")
    subprocess.run(["git", "--git-dir", str(bare), "fsck", "--connectivity-only"], check=True, capture_output=True)


def test_a_disk_without_room_leaves_nothing_behind(repo: Repo, tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from provision.build.source import Sources; "
        "from provision.clock import Deadline\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))\n"
        "sources = Sources(Path(sys.argv[1]), print)\n"
        "source = sources.resolve('kubernetes', sys.argv[2], sys.argv[3], Deadline(120))\n"
        "with sources.files(source, Deadline(120)): pass\n"
    )
    cache = tmp_path / "cache"
    argv = [sys.executable, "-c", program, str(cache), repo.url, repo.commits["master"]]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert "provision.errors.ArtifactError" in done.stderr
    assert not list(cache.rglob("tmp_*")) + list(cache.rglob("shallow.lock"))
    sources = Sources(cache, print)
    source = resolve(sources, repo, repo.commits["master"])
    # The pack is here now, and no connection is needed; it is the files' turn.
    done = subprocess.run(argv, capture_output=True, text=True)
    assert "cannot be laid out" in done.stderr
    assert [path.name for path in cache.glob("worktrees/kubernetes/1/*")] == []
    with sources.files(source, soon()) as folder:
        assert (folder / "go.mod").is_file()


@pytest.mark.parametrize("lost", ["HEAD", "described/kubernetes/*"])
def test_what_a_power_failure_emptied_is_made_again(sources: Sources, repo: Repo, lost: str) -> None:
    source = resolve(sources, repo, "master")
    (bare,) = sources.root.glob("git/*.git")
    (file,) = bare.glob(lost)
    file.write_text("")
    assert resolve(sources, repo, source.commit) == source
    with sources.files(source, soon()) as folder:
        assert (folder / "go.mod").is_file()


def test_nothing_is_left_outside_of_the_cache(
    sources: Sources, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "nowhere"  # with a folder for temporary files there, making one would fail
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    source = resolve(sources, repo, "master")
    (bare,) = sources.root.glob("git/*.git")
    (bare / "events").write_text('{"event":"data","key":"total_bytes","value":"1000000000"}\n')  # a killed run's
    before = sources.fetched_bytes
    resolve(sources, repo, "v1.36.4")
    assert 0 < sources.fetched_bytes - before < 10**9 and not (bare / "events").exists()
    assert source.commit == repo.commits["master"]


def test_two_runs_at_once(repo: Repo, tmp_path: Path) -> None:
    found: dict[str, str] = {}

    def work(word: str) -> None:
        sources = Sources(tmp_path / "cache", lambda line: None)
        source = resolve(sources, repo, word)
        with sources.files(source, soon()) as folder:
            found[word] = (folder / "cmd/kubelet/app/change.go").read_text()

    words = ["v1.36.0", "v1.36.4", "release-1.36", "pull/7"]
    threads = [threading.Thread(target=work, args=(word,)) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {word: text.split('"')[1].strip() for word, text in found.items()} == {
        "v1.36.0": "v1.36.0",
        "v1.36.4": "v1.36.4",
        "release-1.36": "release-1.36",
        "pull/7": "pull",
    }


# The files


def test_the_folder_is_used_again_and_is_always_right(sources: Sources, repo: Repo) -> None:
    old, new = resolve(sources, repo, "v1.36.0"), resolve(sources, repo, "master")
    with sources.files(old, soon()) as folder:
        kept = (folder / "go.mod").stat()
        (folder / "left.o").write_text("by a build")
        (folder / "vendor" / "left").mkdir()
        (folder / "README.md").write_text("changed by a build")
        (folder / "go.work").unlink()
    with sources.files(new, soon()) as again:
        assert again == folder
        assert names(again) == repo.git("ls-tree", "-r", "--name-only", new.commit).split("\n")
        assert (again / "README.md").read_text().startswith("# A small repository")
        assert (again / "go.mod").stat().st_mtime_ns == kept.st_mtime_ns


def test_two_builds_have_two_folders(sources: Sources, repo: Repo) -> None:
    source = resolve(sources, repo, "master")
    with sources.files(source, soon()) as one, sources.files(source, soon()) as two:
        assert one != two


def test_more_builds_than_folders_wait(sources: Sources, repo: Repo, heard: Heard) -> None:
    source = resolve(sources, repo, "master")
    with (
        sources.files(source, soon()),
        sources.files(source, soon()),
        sources.files(source, soon()),
        sources.files(source, soon()),
        pytest.raises(ArtifactError, match="another run has been at work"),
        sources.files(source, Deadline(0.3, "waiting")),
    ):
        pytest.fail("a fifth folder")
    assert "waiting for another build" in heard.text


def test_a_folder_left_in_the_middle_is_made_anew(sources: Sources, repo: Repo) -> None:
    source = resolve(sources, repo, "master")
    with sources.files(source, soon()) as folder:
        pass
    (folder.parent / "holds").unlink()
    (folder.parent / "index.lock").write_text("")
    (folder / "go.mod").write_text("half")
    (folder.parent / "index").write_bytes((folder.parent / "index").read_bytes()[:100])
    with sources.files(source, soon()) as again:
        assert (again / "go.mod").read_text().startswith("module k8s.io/kubernetes")


def test_files_of_a_pinned_source_are_fetched_when_the_cache_has_them_not(repo: Repo, tmp_path: Path) -> None:
    source = resolve(Sources(tmp_path / "one", print), repo, "pull/7")
    elsewhere = Sources(tmp_path / "two", print)
    with elsewhere.files(source, soon()) as folder:
        assert '" pull"' in (folder / "cmd/kubelet/app/change.go").read_text()
    assert elsewhere.fetched_bytes > 0


# The count of commits


def test_counts_are_those_of_git_itself(tmp_path: Path) -> None:
    """A history with what real ones have: merges of old branches, release branches, merges into branches."""
    need("git", "git")
    chance = random.Random(20)
    folder = tmp_path / "history"
    folder.mkdir()
    repo = Repo(folder, {})
    repo.git("init", "-q", "-b", "master")
    (folder / ".go-version").write_text("1.26.4\n")
    repo.git("add", ".")
    tree = repo.git("write-tree")
    when = 1767225600

    def commit(*parents: str) -> str:
        nonlocal when
        when += 60
        argv = [part for parent in parents for part in ("-p", parent)]
        return repo.git("commit-tree", *argv, "-m", f"at {when}", tree, date=when)

    main = [commit()]
    everyone = list(main)
    branch = ""
    minor = 30
    repo.git("tag", "-a", "-m", "x", f"v1.{minor}.0-alpha.0", main[0])
    for number in range(60):
        what = chance.random()
        if what < 0.5:  # a pull request, from some time ago, that may have taken the main line in
            side = commit(chance.choice(main[-8:]))
            if chance.random() < 0.5:
                side = commit(side, main[-1])
            last = commit(side)
            main.append(commit(main[-1], last))
            everyone += [side, last, main[-1]]
        elif what < 0.8:
            main.append(commit(main[-1]))
            everyone.append(main[-1])
        elif branch:
            branch = commit(branch)
            everyone.append(branch)
        if number % 11 == 5:
            repo.git("tag", "-a", "-m", "x", f"v1.{minor}.0-alpha.{number}", main[-1])
        if number % 20 == 19:
            branch = commit(main[-1])
            repo.git("tag", "-a", "-m", "x", f"v1.{minor}.0", branch)
            minor += 1
            repo.git("tag", "-a", "-m", "x", f"v1.{minor}.0-alpha.0", main[-1])
            everyone.append(branch)
    repo.git("update-ref", "refs/heads/master", main[-1])
    repo.git("update-ref", "refs/heads/release", branch)
    repo.git("config", "uploadpack.allowFilter", "true")
    sources = Sources(tmp_path / "cache", lambda line: None)
    for one in chance.sample(everyone, 25):
        expected = repo.git("describe", "--tags", "--match=v*", "--abbrev=14", one)
        found = resolve(sources, repo, one).version
        distance = expected.rpartition("-g")[0].rpartition("-")[2] if "-g" in expected else "0"
        ours = found.partition("+")[0].replace("-", ".").rpartition(".")[2] if "+" in found else "0"
        assert (one, ours) == (one, distance), expected
