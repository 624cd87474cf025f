"""Sources from git: what a word means, which version that is, and its files to build.

`Sources` is the front: `resolve` for a commit, branch, tag or pull request of a remote, `capture` for a user's own
checkout, `files` for either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock

from provision.artifacts.web import shown
from provision.build import source_checkout
from provision.build.base import Project, Source
from provision.build.source_describe import Described, named
from provision.build.source_folder import clear_locks
from provision.build.source_git import Git
from provision.build.source_history import History
from provision.build.source_repo import Repository, folder_name
from provision.build.source_version import go_release, release_tags
from provision.build.source_worktree import Worktrees
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.host.files import write_atomically
from provision.host.lock import only_one

_FULL = re.compile(r"^[0-9a-f]{40}$")
_SHORT = re.compile(r"^[0-9a-f]{7,39}$")
_PULL = re.compile(r"^pull/(\d+)(?:/head)?$")


class Sources:
    """The sources in a cache; safe to use from several threads and several runs at once.

    Args:
        cache_root: of the cache; ours are ``git/`` and ``worktrees/`` in it.
        say: told what takes time, in one line.
        ca: a PEM file with certificates for remotes.
        proxy: URL of a proxy for remotes; None leaves it to the environment and git's configuration.
        offline: never open a connection; commits that are here, and checkouts, do without.

    Attributes:
        fetched_bytes: of all packs that came from remotes so far (lists of names, some kilobytes, are not counted).
    """

    def __init__(
        self,
        cache_root: Path,
        say: Callable[[str], None],
        *,
        ca: Path | None = None,
        proxy: str | None = None,
        offline: bool = False,
    ) -> None:
        self.root = cache_root
        self.say = say
        self.fetched_bytes = 0
        self._git = Git(proxy=proxy, ca=ca, offline=offline)
        self._counting = Lock()

    def resolve(
        self,
        project: Project,
        remote: str,
        word: str,
        deadline: Deadline,
        *,
        compatibility: str | None = None,
        stop: Event | None = None,
    ) -> Source:
        """What a word means on a remote now; its files are in the cache afterwards.

        A full commit that was resolved before opens no connection.

        Args:
            remote: URL of a git repository, or the path of one.
            word: a commit (7 to 40 digits), a branch, a tag, or ``pull/12345``.
            compatibility: the release that it behaves like, when no tag says so.

        Raises:
            ArtifactError: there is no such thing, it is ambiguous, the remote cannot be read, or no tag says which
                version it is.
            DeadlineExceeded, HostError: it took too long; there is no git.
        """
        git = replace(self._git, stop=stop)
        path = self._repository_path(remote)
        with self._repository(git, remote, path, deadline) as repository:
            source = self._resolve(project, remote, word.strip(), deadline, repository, compatibility)
            if repository.received:
                self.say(f"{shown(remote)}: {_size(repository.received)} fetched for {word}")
            return source

    @contextmanager
    def _repository(self, git: Git, remote: str, path: Path, deadline: Deadline) -> Iterator[Repository]:
        """A remote's copy, for the caller alone; what fails leaves nothing of its own behind."""
        with self._alone(path, deadline, f"the copy of {shown(remote)} in the cache"):
            repository = Repository(git, _absolute(remote), path, self.say)
            try:
                repository.open(deadline)
                yield repository
            except BaseException:
                for place in (path, *path.glob("history/*.git")):
                    clear_locks(place)
                raise
            finally:
                with self._counting:
                    self.fetched_bytes += repository.received

    def _alone(self, folder: Path, deadline: Deadline, what: str) -> AbstractContextManager[None]:
        """Two runs never change ``folder`` at once."""
        lock = folder.with_name(f"{folder.name}.lock")
        return only_one(lock, deadline, what, lambda: self.say(f"waiting for another run: {what} is in use"))

    def _resolve(
        self,
        project: Project,
        remote: str,
        word: str,
        deadline: Deadline,
        repository: Repository,
        compatibility: str | None,
    ) -> Source:
        history = History(repository)
        commit, ref = self._commit(project, word, deadline, repository, history)

        def read(name: str) -> str | None:
            return repository.read(commit, name, deadline)

        note = repository.path / "described" / project / commit
        described = _noted(note) if _FULL.match(word) else None
        if described is None:
            tags = release_tags(repository.refs(deadline), project)
            described = history.describe(commit, ref, tags, deadline)
            if described is not None:
                write_atomically(note, json.dumps({"tag": described.tag, "distance": described.distance}))
        tree = repository.ask(["rev-parse", f"{commit}^{{tree}}"], deadline)
        when = repository.ask(["log", "-1", "--no-show-signature", "--format=%ct", commit], deadline)
        if tree is None or when is None:
            raise ArtifactError(f"{repository.path} is damaged", remedy="take that folder away and run it again")
        return Source(
            project=project,
            remote=remote,
            commit=commit,
            tree=tree,
            dirty=False,
            version=named(project, shown(remote), commit, described, compatibility, read, dirty=False),
            committed=int(when),
            go=go_release(read, f"{shown(remote)} at {commit[:12]}"),
        )

    def _commit(
        self, project: Project, word: str, deadline: Deadline, repository: Repository, history: History
    ) -> tuple[str, str | None]:
        """The commit, fetched, and the remote's name for it if there is one."""
        pull = _PULL.match(word)
        if pull or (word.startswith("refs/") and not word.startswith(("refs/heads/", "refs/tags/"))):
            ref = f"refs/pull/{pull[1]}/head" if pull else word
            return repository.take_ref(ref, deadline), ref
        if _FULL.match(word.lower()):
            return repository.take(word.lower(), deadline), None
        named = repository.named(word, deadline) if word else None
        if named is not None:
            if {f"refs/tags/{word}", f"refs/heads/{word}"} <= dict(repository.refs(deadline)).keys():
                where = shown(repository.remote)
                self.say(f"{word} is a tag and a branch of {where}: the tag is taken; heads/{word} is the branch")
            return repository.take(named.commit, deadline, named.name), named.name
        if not _SHORT.match(word.lower()):
            near = repository.near(word, deadline)
            raise ArtifactError(
                f"{shown(repository.remote)} has no branch or tag {word!r}",
                details=f"near it: {', '.join(near)}" if near else "",
                remedy="name a branch, a tag, a pull request (pull/12345) or a commit (7 to 40 digits)",
            )
        tags = release_tags(repository.refs(deadline), project)
        found = history.known(word.lower(), tags, deadline)
        if len(found) == 1:
            return repository.take(found[0], deadline), None
        if found:
            raise ArtifactError(
                f"{word} is the beginning of {len(found)} commits of {shown(repository.remote)}",
                details="\n".join(found[:10]),
                remedy="write more of its digits",
            )
        raise ArtifactError(
            f"no commit of {shown(repository.remote)} that begins with {word} is known",
            details="looked at: the tips of all branches and tags, and the branches of the three newest minor releases",
            remedy="write all 40 digits (`git rev-parse` or the commit's page gives them), or pull/NUMBER",
        )

    def capture(
        self,
        project: Project,
        path: Path,
        deadline: Deadline,
        *,
        compatibility: str | None = None,
        stop: Event | None = None,
    ) -> Source:
        """What lies in a user's checkout now: tree, index, and untracked files that git does not ignore.

        The checkout is not changed in any way, and no program that it configures is run.

        Args:
            path: the checkout, or a folder in it.
            compatibility: the release that it behaves like, when no tag says so.

        Raises:
            ArtifactError: there is no checkout, a file cannot be read, or no tag says which version it is.
            DeadlineExceeded, HostError: it took too long; there is no git.
        """
        git = replace(self._git, stop=stop)
        checkout = source_checkout.find(git, path, deadline)
        place = self._store_path(str(checkout.root))
        with self._alone(place, deadline, f"the capture of {checkout.root}"):
            store = source_checkout.Store(git, place, self.say)
            tree = store.capture(checkout, deadline, outside=self.root)

            def read(name: str) -> str | None:
                argv = ["cat-file", "blob", f"{tree}:{name}"]
                done = git.here(argv, deadline, repository=place, env=store.reading())
                return done.out if done.code == 0 else None

            described = checkout.describe(project, deadline)
            dirty = tree != checkout.tree
            return Source(
                project=project,
                remote=str(checkout.root),
                commit=checkout.commit,
                tree=tree,
                dirty=dirty,
                version=named(
                    project, str(checkout.root), checkout.commit, described, compatibility, read, dirty=dirty
                ),
                committed=checkout.committed,
                go=go_release(read, str(checkout.root)),
            )

    @contextmanager
    def files(self, source: Source, deadline: Deadline, *, stop: Event | None = None) -> Iterator[Path]:
        """The source's files, in a folder that is the caller's alone until the end; what it adds there is lost.

        The folder has no ``.git``.  It is kept and used again, at the same path where it can be.

        Raises:
            ArtifactError: the files cannot be had or laid out.
            DeadlineExceeded, HostError: it took too long; there is no git.
        """
        git = replace(self._git, stop=stop)
        store = source_checkout.Store(git, self._store_path(source.remote), self.say)
        captured = git.here(["cat-file", "-e", source.tree], deadline, repository=store.path, env=store.reading())
        env: dict[str, str | None] = {}
        if captured.code == 0:
            repository = store.path
            env = {**store.reading()}
        elif source.dirty:
            raise ArtifactError(
                f"the captured state of {source.remote} is no longer in the cache",
                details=f"tree {source.tree}",
                remedy="build from the checkout as it is now",
            )
        else:
            repository = self._fetched(source, git, deadline)
        trees = Worktrees(git, self.root / "worktrees" / source.project, self.say)
        with trees.holding(source.tree, repository, deadline, env) as folder:
            yield folder

    def _fetched(self, source: Source, git: Git, deadline: Deadline) -> Path:
        path = self._repository_path(source.remote)
        with self._repository(git, source.remote, path, deadline) as repository:
            repository.take(source.commit, deadline)
            tree = repository.ask(["rev-parse", f"{source.commit}^{{tree}}"], deadline)
        if tree != source.tree:
            raise ArtifactError(
                f"{shown(source.remote)} at {source.commit[:12]} is not what was resolved",
                details=f"tree {tree}, not {source.tree}",
                remedy="resolve it again: `invoke lock`",
            )
        return path

    def _repository_path(self, remote: str) -> Path:
        return self.root / "git" / f"{folder_name(_absolute(remote))}.git"

    def _store_path(self, root: str) -> Path:
        return self.root / "git" / f"captured-{folder_name(root)}.git"


def _noted(note: Path) -> Described | None:
    try:
        return Described(**json.loads(note.read_text()))
    except (OSError, ValueError, TypeError):
        return None  # never noted, or lost in a power failure: it is counted again


def _absolute(remote: str) -> str:
    """A remote that is a folder here, by its whole path: git is run from elsewhere."""
    local = Path(remote).expanduser()
    return str(local.absolute()) if local.is_dir() else remote


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 1024:.1f} KiB"
