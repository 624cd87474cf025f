"""One bare repository a remote, in the cache: the whole trees of the commits that were asked for, and nothing else.

Each commit is fetched alone (``--depth=1``), as a difference to those that are here: a second commit costs what
changed.  A fetched commit has a ref of its own (``refs/at/COMMIT``), written when all its objects are there; so
whatever has a ref is whole, after a kill as well.  Nothing is ever fetched in passing, and the history, which needs
no trees, is kept apart (`provision.build.source_history`).
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provision.artifacts.web import shown
from provision.build.source_folder import ensure
from provision.build.source_git import REMOTE, Git, RemoteFailed, unreachable
from provision.clock import Deadline
from provision.errors import ArtifactError

_PERCENT = re.compile(r"^(Receiving objects|Resolving deltas): +\d+% \((\d+)/(\d+)\)(?:, ([\d.]+ \w+))?")
# What a server says that does not give out a commit without a ref, or has none such.
_NO_SINGLE = re.compile(r"unadvertised object|not our ref|no such remote ref|couldn't find remote ref", re.IGNORECASE)
_ASKED = "refs/asked/now"
_NO_SHALLOW = re.compile(r"does not support (shallow|--depth)|dumb http transport", re.IGNORECASE)


def no_single(said: str) -> bool:
    """Whether a remote said that it does not give out a single commit, or has none such."""
    return _NO_SINGLE.search(said) is not None


def folder_name(where: str) -> str:
    """The name of what belongs to a remote or a checkout: readable, and unlike any other's."""
    readable = (
        re.sub(r"[^A-Za-z0-9.-]+", "-", Path(where.rstrip("/")).name.removesuffix(".git")).strip("-.") or "source"
    )
    return f"{readable[:40]}-{hashlib.sha256(where.encode(errors='surrogateescape')).hexdigest()[:12]}"


@dataclass(frozen=True)
class Ref:
    """A name on the remote and the commit it means (or, of an odd tag, another object)."""

    name: str
    commit: str


@dataclass
class Repository:
    """The commits of one remote. Whoever calls has it to itself (`host.lock.only_one`).

    Attributes:
        received: bytes of the packs that came in, so far.
    """

    git: Git
    remote: str
    path: Path
    say: Callable[[str], None]
    received: int = 0
    _refs: list[tuple[str, str]] | None = field(default=None, repr=False)

    def open(self, deadline: Deadline) -> None:
        """Make it when it is not there; clean up after a killed run."""
        ensure(self.git, self.path, deadline)

    def refs(self, deadline: Deadline) -> list[tuple[str, str]]:
        """(name, digest) of all branches and tags of the remote; asked once.

        Raises:
            ArtifactError: it cannot be read.
        """
        if self._refs is None:
            argv = ["ls-remote", "--heads", "--tags", REMOTE]
            try:
                done, _ = self.git.remote(argv, self.remote, deadline, repository=self.path)
            except RemoteFailed as error:
                raise unreachable(self.remote, error.said) from error
            rows = [line.split("\t", 1) for line in done.out.splitlines()]
            self._refs = [(row[1], row[0]) for row in rows if len(row) == 2]
        return self._refs

    def named(self, word: str, deadline: Deadline) -> Ref | None:
        """The branch or tag that a word names; a tag before a branch, as git has it.

        Raises:
            ArtifactError: the remote cannot be read.
        """
        known = dict(self.refs(deadline))
        for name in (word, f"refs/{word}", f"refs/tags/{word}", f"refs/heads/{word}"):
            if name in known:
                return Ref(name, known.get(f"{name}^{{}}", known[name]))
        return None

    def near(self, word: str, deadline: Deadline) -> list[str]:
        """Names of branches and tags that look like ``word``."""
        names = {name.split("/", 2)[2] for name, _ in self.refs(deadline) if not name.endswith("^{}")}
        if not word:
            return []
        close = difflib.get_close_matches(word, sorted(names), n=4, cutoff=0.6)
        return close + [name for name in sorted(names) if word in name and name not in close][: 4 - len(close)]

    # Commits

    def has(self, commit: str, deadline: Deadline) -> bool:
        """Whether this commit is here, with all its files."""
        return self.ask(["rev-parse", "-q", "--verify", f"refs/at/{commit}"], deadline) is not None

    def take(self, commit: str, deadline: Deadline, ref: str | None = None) -> str:
        """Fetch one commit with its files, if it is not here.

        Args:
            commit: all 40 digits; a tag object's will do.
            ref: a name of the remote's for it, for servers that give out nothing else.

        Returns:
            the commit.

        Raises:
            ArtifactError: the remote has it not, or cannot be read.
        """
        if self.has(commit, deadline):
            return commit
        try:
            self.fetch([commit], deadline)
        except RemoteFailed as error:
            if _NO_SHALLOW.search(error.said):
                self.take_all(commit, deadline)
            elif not no_single(error.said):
                raise unreachable(self.remote, error.said) from error
            elif ref is not None:
                moved = self.take_ref(ref, deadline)
                if moved != commit:
                    self.say(f"{shown(self.remote)}: {ref} has moved on to {moved[:12]}")
                return moved
            elif "not our ref" in error.said:
                raise self._absent(commit, error.said) from error
            else:
                self.take_all(commit, deadline)
        return self._keep(commit, deadline)

    def take_ref(self, ref: str, deadline: Deadline) -> str:
        """Fetch what a ref of the remote means now, with its files; returns the commit.

        Raises:
            ArtifactError: there is no such ref, or the remote cannot be read.
        """
        try:
            self.fetch([f"+{ref}:{_ASKED}"], deadline)
        except RemoteFailed as error:
            if no_single(error.said):
                raise ArtifactError(
                    f"{shown(self.remote)} has no {ref}", remedy="look at the remote and the word"
                ) from error
            raise unreachable(self.remote, error.said) from error
        return self._keep(ref, deadline)

    def fetch(self, specs: Sequence[str], deadline: Deadline, how: str | None = "--depth=1") -> None:
        """Fetch, say how far it is, and count the bytes.

        Args:
            specs: ``+FROM:TO``, or a digest alone.

        Raises:
            RemoteFailed: the remote said no.
        """
        argv = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", *([how] if how else []), REMOTE]
        argv += [spec if ":" in spec else f"+{spec}:{_ASKED}" for spec in specs]
        progress = Progress(self.say, f"fetching from {shown(self.remote)}")
        _, received = self.git.remote(argv, self.remote, deadline, repository=self.path, on_line=progress)
        self.received += received

    @property
    def whole(self) -> bool:
        """Whether all of the remote's history is here, because it gives out nothing less."""
        return (self.path / "refs" / "all").is_dir()

    def take_all(self, commit: str, deadline: Deadline) -> None:
        """Fetch every branch and tag, with all behind them, for the sake of one commit.

        Raises:
            ArtifactError: it is not among them, or the remote cannot be read.
        """
        self.say(f"{shown(self.remote)} gives out no single commits: fetching all of its branches and tags")
        # What came alone before would end the history there.
        how = "--unshallow" if (self.path / "shallow").is_file() else None
        try:
            self.fetch(["+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"], deadline, how)
        except RemoteFailed as error:
            raise unreachable(self.remote, error.said) from error
        if self.ask(["update-ref", _ASKED, commit], deadline) is None:
            raise self._absent(commit, "it is behind none of its branches and tags")

    def _keep(self, what: str, deadline: Deadline) -> str:
        """Give what was fetched last a ref of its own; ``what`` is its name for people."""
        commit = self.ask(["rev-parse", "-q", "--verify", f"{_ASKED}^{{commit}}"], deadline)
        if commit is None:
            raise ArtifactError(f"{what} of {shown(self.remote)} is no commit", remedy="name a commit, branch or tag")
        done = self.git.here(["update-ref", f"refs/at/{commit}", commit], deadline, repository=self.path)
        done.require(f"{self.path} cannot be written", "look at the disk, or take that folder away")
        return commit

    def _absent(self, commit: str, said: str) -> ArtifactError:
        return ArtifactError(
            f"{shown(self.remote)} has no commit {commit}",
            details=said,
            remedy="look for a typing error, or name the fork that has it as kubernetes.remote",
        )

    def ask(self, argv: Sequence[str], deadline: Deadline) -> str | None:
        """What git says of what is here; None when it fails."""
        return self.git.text(argv, deadline, repository=self.path)

    def read(self, treeish: str, name: str, deadline: Deadline) -> str | None:
        """The text of a file of a tree that is here; None when it has none such."""
        return self.ask(["cat-file", "blob", f"{treeish}:{name}"], deadline)


class Progress:
    """Says how far a fetch is, once every tenth of it."""

    def __init__(self, say: Callable[[str], None], what: str) -> None:
        self._say = say
        self._what = what
        self._last = ("", 0)

    def __call__(self, line: str) -> None:
        match = _PERCENT.match(line)
        if match is None:
            return
        phase, done, of = match[1], int(match[2]), int(match[3])
        tenth = 10 * done // of if of else 10
        # A small fetch is over before anybody has read of it.
        if of >= 1000 and tenth and (phase, tenth) != self._last:
            self._last = (phase, tenth)
            self._say(f"{self._what}: {phase.lower()} {done} of {of}" + (f", {match[4]}" if match[4] else ""))
