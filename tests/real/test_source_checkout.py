"""A user's checkout is captured as it lies there, and is afterwards, byte by byte, as it was."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from provision.build.base import Source
from provision.build.source import Sources
from provision.build.source_checkout import Store
from provision.build.source_git import Git
from provision.clock import Deadline
from provision.errors import ArtifactError, HostError, ProvisionError
from provision.host.commands import Completed
from tests.kubernetes_like import Repo, make
from tests.needs import need
from tests.waiting import PATIENCE


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    need("git", "git")
    return make(tmp_path / "my checkout")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sources(tmp_path: Path, said: list[str]) -> Sources:
    return Sources(tmp_path / "cache", said.append)


def soon() -> Deadline:
    return Deadline(PATIENCE, "the test")


def capture(sources: Sources, path: Path) -> Source:
    return sources.capture("kubernetes", path, soon())


State = dict[str, tuple[object, ...]]


def state(folder: Path) -> State:
    """All that a folder is: names, kinds, rights, places on the disk, times of content and of record, content."""
    found: State = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        about = path.lstat()
        content: object = None
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        times = (about.st_mtime_ns, about.st_ctime_ns)
        found[str(path.relative_to(folder))] = (about.st_mode, about.st_ino, about.st_size, *times, content)
    return found


def untidy(repo: Repo) -> None:
    """What a person has in a checkout in the middle of work."""
    root = repo.path
    (root / "cmd/kubelet/app/change.go").write_text('package app\n\nconst Change = " mine"\n')
    (root / "pkg/say/staged.go").write_text("package say\n")
    repo.git("add", "pkg/say/staged.go")
    (root / "pkg/say/staged.go").write_text("package say\n\n// and changed again\n")
    (root / "README.md").unlink()
    (root / "with space.go").write_text("package main\n")
    (root / "schön-中.go").write_text("package main\n")
    (root / "two\nlines.txt").write_text("x")
    (root / "link").symlink_to("go.mod")
    (root / "nowhere").symlink_to("not there")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "hack/lib/version.sh").chmod(0o644)
    (root / "_output").mkdir()
    (root / "_output/kubelet").write_text("ignored")
    (root / "kept.test").write_text("ignored by a pattern")
    (root / ".git/info/exclude").write_text("/private\n")
    (root / "private").write_text("ignored by this clone")


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def test_all_that_git_does_not_ignore(sources: Sources, repo: Repo) -> None:
    before = names(repo.path / "cmd")
    untidy(repo)
    source = capture(sources, repo.path)
    assert source.dirty
    assert source.commit == repo.commits["master"]
    assert source.version == f"1.37.0-alpha.1.5+{source.commit[:14]}-dirty"
    assert source.remote == str(repo.path)
    assert source.go == "1.26.4"
    with sources.files(source, soon()) as folder:
        files = names(folder)
        new = {"with space.go", "schön-中.go", "two\nlines.txt", "link", "nowhere", "run.sh", "pkg/say/staged.go"}
        assert new <= files
        assert files.isdisjoint({"README.md", "_output/kubelet", "kept.test", "private"})
        assert names(folder / "cmd") == before
        assert '" mine"' in (folder / "cmd/kubelet/app/change.go").read_text()
        assert "changed again" in (folder / "pkg/say/staged.go").read_text()
        assert (folder / "link").readlink() == Path("go.mod")
        assert (folder / "nowhere").readlink() == Path("not there")
        assert os.access(folder / "run.sh", os.X_OK)
        assert not (folder / "hack/lib/version.sh").stat().st_mode & 0o111
        assert not (folder / ".git").exists()


def test_the_same_state_is_the_same_value(sources: Sources, repo: Repo) -> None:
    clean = capture(sources, repo.path)
    assert not clean.dirty
    fetched = sources.resolve("kubernetes", repo.url, "master", soon())
    assert (clean.tree, clean.version, clean.committed) == (fetched.tree, fetched.version, fetched.committed)
    (repo.path / "new.go").write_text("package main\n")
    first = capture(sources, repo.path)
    assert capture(sources, repo.path / "cmd" / "kubelet") == first
    (repo.path / "new.go").unlink()
    assert capture(sources, repo.path) == clean


# The promise: nothing in the checkout changes


def test_nothing_of_the_checkout_changes(sources: Sources, repo: Repo) -> None:
    untidy(repo)
    # An object that git would find to be there already, and whose time it would renew if it could.
    (repo.path / "was-there.txt").write_text("once added\n")
    repo.git("add", "was-there.txt")
    repo.git("rm", "-q", "--cached", "was-there.txt")
    for path in (repo.path / ".git").rglob("*"):
        if path.is_file():
            os.utime(path, (1_700_000_000, 1_700_000_000))
    before = state(repo.path)
    source = capture(sources, repo.path)
    with sources.files(source, soon()) as folder:
        assert not folder.is_relative_to(repo.path)
        assert (folder / "was-there.txt").is_file()
        (folder / "go.mod").write_text("changed by a build")
    assert capture(sources, repo.path) == source
    assert state(repo.path) == before


def test_nothing_changes_when_it_fails(sources: Sources, repo: Repo, tmp_path: Path) -> None:
    untidy(repo)
    (repo.path / ".git/index").write_bytes(b"DIRC, and no more of it")
    before = state(repo.path)
    with pytest.raises(ArtifactError, match="cannot be captured"):
        capture(sources, repo.path)
    (tmp_path / "full").write_text("")
    with pytest.raises((HostError, OSError)):
        capture(Sources(tmp_path / "full", print), repo.path)
    stop = threading.Event()
    stop.set()
    with pytest.raises(ArtifactError, match="was stopped"):
        sources.capture("kubernetes", repo.path, soon(), stop=stop)
    with pytest.raises(ProvisionError):
        sources.capture("kubernetes", repo.path, Deadline(0, "capturing"))
    assert state(repo.path) == before


def test_nothing_changes_when_it_is_killed(repo: Repo, tmp_path: Path) -> None:
    untidy(repo)
    before = state(repo.path)
    program = (
        "import sys; from pathlib import Path; from provision.build.source import Sources; "
        "from provision.clock import Deadline\n"
        "sources = Sources(Path(sys.argv[1]), lambda line: None)\n"
        "while True:\n"
        "    with sources.files(sources.capture('kubernetes', Path(sys.argv[2]), Deadline(120)), Deadline(120)): pass\n"
    )
    chance = random.Random(3)
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "cache"), str(repo.path)])
        try:
            child.wait(timeout=0.3 + chance.random() * 0.4)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert state(repo.path) == before
    sources = Sources(tmp_path / "cache", print)
    with sources.files(capture(sources, repo.path), soon()) as folder:
        assert '" mine"' in (folder / "cmd/kubelet/app/change.go").read_text()
    assert state(repo.path) == before


def test_no_program_of_the_checkout_is_run(sources: Sources, repo: Repo, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\nexec cat\n")
    program.chmod(0o755)
    for key in ("filter.mine.clean", "filter.mine.smudge", "filter.mine.process", "core.fsmonitor", "diff.external"):
        repo.git("config", key, str(program))
    repo.git("config", "filter.mine.required", "true")
    hooks = repo.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-index-change", "post-checkout", "fsmonitor-watchman", "pre-commit"):
        (hooks / hook).symlink_to(program)
    (repo.path / ".gitattributes").write_text("*.go filter=mine\n")
    (repo.path / "new.go").write_text("package main\n")
    with sources.files(capture(sources, repo.path), soon()) as folder:
        assert (folder / "new.go").read_text() == "package main\n"
    assert not ran.exists()


def test_no_program_of_a_submodule_is_run(sources: Sources, repo: Repo, said: list[str], tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "third_party/other")
    repo.git("commit", "-q", "-m", "with another repository in it")
    ran = tmp_path / "ran"
    (tmp_path / "program").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (tmp_path / "program").chmod(0o755)
    inner = Repo(repo.path / "third_party/other", {})
    inner.git("config", "core.fsmonitor", str(tmp_path / "program"))
    (inner.path / "README.md").write_text("changed")
    before = state(repo.path)
    source = capture(sources, repo.path)
    assert not source.dirty
    assert not ran.exists()
    assert any("third_party/other is a git repository of its own and is left out" in line for line in said)
    assert state(repo.path) == before


# Checkouts of all kinds


@pytest.mark.parametrize("how", ["assume-unchanged", "skip-worktree"])
def test_changes_that_git_was_told_to_look_away_from_are_built(sources: Sources, repo: Repo, how: str) -> None:
    repo.git("update-index", f"--{how}", "cmd/kubelet/app/change.go", "README.md")
    (repo.path / "cmd/kubelet/app/change.go").write_text("package app\n\n// mine\n")
    before = state(repo.path)
    source = capture(sources, repo.path)
    assert source.dirty
    with sources.files(source, soon()) as folder:
        assert "mine" in (folder / "cmd/kubelet/app/change.go").read_text()
    assert state(repo.path) == before


def test_another_branch_while_it_is_captured_does_not_name_it(
    sources: Sources, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured = Store.capture

    def changed(self: Store, *given: Any, **more: Any) -> str:
        tree = captured(self, *given, **more)
        repo.git("checkout", "-q", "release-1.36")
        return tree

    monkeypatch.setattr(Store, "capture", changed)
    source = capture(sources, repo.path)
    assert (source.commit, source.dirty) == (repo.commits["master"], False)
    assert source.version == f"1.37.0-alpha.1.5+{source.commit[:14]}"


def test_a_file_that_goes_while_it_is_captured(sources: Sources, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    (repo.path / ".change.go.swp").write_text("an editor's")
    asked = Git.here
    added: list[Completed] = []

    def here(self: Git, argv: Sequence[str], *given: Any, **more: Any) -> Completed:
        if argv[0] == "add" and not added:
            # Between listing it and reading it.
            (repo.path / ".change.go.swp").unlink()
            words = "fatal: unable to stat '.change.go.swp': No such file or directory\n"
            added.append(Completed(("git",), 128, "", words))
            return added[0]
        return asked(self, argv, *given, **more)

    monkeypatch.setattr(Git, "here", here)
    assert not capture(sources, repo.path).dirty
    assert added


def test_what_a_power_failure_emptied_is_written_again(sources: Sources, repo: Repo) -> None:
    source = capture(sources, repo.path)
    (note,) = sources.root.glob("git/captured-*/checkout.json")
    note.write_text("")
    with pytest.raises(ArtifactError), sources.files(source, soon()):
        pytest.fail("objects of the checkout are not in the store")
    assert capture(sources, repo.path) == source
    with sources.files(source, soon()) as folder:
        assert (folder / "go.mod").is_file()


@pytest.mark.parametrize(("tag", "distant"), [("v1.37.0-alpha.2+mine", False), ("vendor-2", True)])
def test_a_checkout_is_called_as_its_commit_is(sources: Sources, repo: Repo, tag: str, distant: bool) -> None:
    repo.git("tag", "-a", "-m", "x", tag, "master")
    one = capture(sources, repo.path)
    assert one.version == sources.resolve("kubernetes", repo.url, "master", soon()).version
    assert ("alpha.1.5+" in one.version) == distant
    repo.git("commit", "-q", "--allow-empty", "-m", "one more")
    two = capture(sources, repo.path)
    assert two.version == sources.resolve("kubernetes", repo.url, "master", soon()).version
    assert two.version == f"1.37.0-alpha.1.6+{two.commit[:14]}"


def test_a_linked_worktree(sources: Sources, repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "release-1.36")
    (tmp_path / "linked" / "new.go").write_text("package main\n")
    before = state(repo.path), state(tmp_path / "linked")
    source = capture(sources, tmp_path / "linked")
    assert source.version == f"1.36.4-1+{repo.commits['release-1.36'][:14]}-dirty"
    with sources.files(source, soon()) as folder:
        assert (folder / "new.go").is_file()
        assert '" release-1.36"' in (folder / "cmd/kubelet/app/change.go").read_text()
    assert (state(repo.path), state(tmp_path / "linked")) == before


def test_in_the_middle_of_a_merge(sources: Sources, repo: Repo, said: list[str]) -> None:
    with pytest.raises(HostError):
        repo.git("merge", "-q", "release-1.36")
    before = state(repo.path)
    with sources.files(capture(sources, repo.path), soon()) as folder:
        assert "<<<<<<<" in (folder / "cmd/kubelet/app/change.go").read_text()
    assert any("middle of a merge" in line for line in said)
    assert state(repo.path) == before


@pytest.mark.parametrize("committed", [True, False])
def test_a_repository_in_the_checkout_is_left_out(
    sources: Sources, repo: Repo, said: list[str], committed: bool
) -> None:
    inner = Repo(repo.path / "tools" / "[odd] name", {})
    inner.path.mkdir(parents=True)
    inner.git("init", "-q")
    (inner.path / "file").write_text("x")
    if committed:
        inner.git("add", ".")
        inner.git("commit", "-q", "-m", "x")
    (repo.path / "tools" / "mine").write_text("x")
    before = state(repo.path)
    with sources.files(capture(sources, repo.path), soon()) as folder:
        assert names(folder / "tools") == {"mine"}
        assert not (folder / "tools" / "[odd] name").exists()
    assert any("repository of its own" in line for line in said)
    assert state(repo.path) == before


@pytest.mark.parametrize("index", ["false", "true"])
def test_a_sparse_checkout_is_taken_whole(sources: Sources, repo: Repo, index: str) -> None:
    whole = capture(sources, repo.path)
    repo.git("config", "index.sparse", index)
    repo.git("sparse-checkout", "set", "--cone", *(["--sparse-index"] if index == "true" else []), "cmd", "staging")
    assert not (repo.path / "vendor").exists()
    before = state(repo.path)
    assert capture(sources, repo.path).tree == whole.tree
    (repo.path / "cmd" / "new.go").write_text("package main\n")
    with sources.files(capture(sources, repo.path), soon()) as folder:
        assert (folder / "cmd/new.go").is_file()
        assert (folder / "vendor/modules.txt").is_file()
    (repo.path / "cmd" / "new.go").unlink()
    assert state(repo.path).keys() == before.keys()
    assert state(repo.path / ".git") == {
        name.removeprefix(".git/"): row for name, row in before.items() if name.startswith(".git/")
    } | {".": before[".git"]}


def test_a_split_index(sources: Sources, repo: Repo) -> None:
    repo.git("update-index", "--split-index")
    assert list(repo.path.glob(".git/sharedindex.*"))
    (repo.path / "new.go").write_text("package main\n")
    repo.git("add", "new.go")
    before = state(repo.path)
    with sources.files(capture(sources, repo.path), soon()) as folder:
        assert (folder / "new.go").is_file()
        assert (folder / "go.mod").is_file()
    assert state(repo.path) == before


def test_line_endings_as_the_checkout_has_them(sources: Sources, repo: Repo) -> None:
    clean = capture(sources, repo.path)
    # By the attributes all text has LF in the repository, whatever an editor writes here.
    path = repo.path / "cmd/kubelet/kubelet.go"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert capture(sources, repo.path).tree == clean.tree


def test_a_shallow_clone_needs_a_release_named(sources: Sources, repo: Repo, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", "--depth=1", repo.url, str(tmp_path / "shallow")], check=True)
    with pytest.raises(ArtifactError, match=r"kubernetes\.compatibility"):
        capture(sources, tmp_path / "shallow")
    source = sources.capture("kubernetes", tmp_path / "shallow", soon(), compatibility="1.37")
    assert source.version == f"1.37.0-0+{repo.commits['master'][:14]}"


def test_a_partial_clone_fetches_nothing_behind_the_users_back(sources: Sources, repo: Repo, tmp_path: Path) -> None:
    partial = tmp_path / "partial"
    subprocess.run(["git", "clone", "-q", "--filter=blob:none", repo.url, str(partial)], check=True)
    before = state(partial)
    with sources.files(capture(sources, partial), soon()) as folder:
        assert (folder / "go.mod").is_file()
    assert state(partial) == before
    bare = tmp_path / "sparse"
    subprocess.run(["git", "clone", "-q", "--filter=blob:none", "--sparse", repo.url, str(bare)], check=True)
    before = state(bare)
    elsewhere = Sources(tmp_path / "elsewhere", print)  # the other has a folder with just these files
    source = capture(elsewhere, bare)
    with pytest.raises(ArtifactError, match="partial clone"), elsewhere.files(source, soon()):
        pytest.fail("files that are not there")
    assert state(bare) == before


def test_a_cache_in_the_checkout_is_not_captured(repo: Repo) -> None:
    clean = capture(Sources(repo.path.parent / "cache", print), repo.path)
    inside = Sources(repo.path / "cache", print)
    assert capture(inside, repo.path).tree == clean.tree
    assert capture(inside, repo.path).tree == clean.tree


def test_a_pinned_state_that_is_gone(sources: Sources, repo: Repo, tmp_path: Path) -> None:
    untidy(repo)
    source = capture(sources, repo.path)
    with (
        pytest.raises(ArtifactError, match="no longer in the cache"),
        Sources(tmp_path / "other", print).files(source, soon()),
    ):
        pytest.fail("files that are not there")


@pytest.mark.parametrize("kind", ["missing", "file", "plain", "bare", "unborn"])
def test_no_checkout(sources: Sources, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "file":
        path.write_text("")
    elif kind != "missing":
        path.mkdir()
    if kind in ("bare", "unborn"):
        subprocess.run(["git", "init", "-q", *(["--bare"] if kind == "bare" else []), str(path)], check=True)
    with pytest.raises(ArtifactError) as refused:
        capture(sources, path)
    assert str(path) in refused.value.what
    assert refused.value.remedy
