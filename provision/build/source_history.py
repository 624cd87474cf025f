"""Where a commit is: how many commits after which release tag. Commits only, no trees, no files.

A remote gives out what is behind a commit and not behind a tag in one answer (``--shallow-exclude``).  Such a piece
of history is kept for each *anchor*, the first tag of a minor release: all that was fetched with one anchor ends at
one border, so a piece grows by what is new, and counts over it stay true.  The anchor is behind the commit if, and
only if, some commit of the piece has it as its parent; if none has, the next older minor's is tried.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.artifacts.web import shown
from provision.build.source_describe import Described, behind, graph_of, nearest, open_ends
from provision.build.source_folder import ensure
from provision.build.source_git import REMOTE, RemoteFailed, unreachable
from provision.build.source_repo import Progress, Repository, no_single
from provision.build.source_version import Tag
from provision.clock import Deadline
from provision.host.files import write_atomically

_NOTHING_LEFT = "no commits selected for shallow requests"
_UNFILTERED = "filtering not recognized by server"


@dataclass
class History:
    """The pieces of history of one remote, in its repository's folder."""

    repository: Repository

    def describe(self, commit: str, ref: str | None, tags: Sequence[Tag], deadline: Deadline) -> Described | None:
        """The nearest tag behind a commit, as ``git describe`` counts; None when none is.

        Args:
            ref: the remote's name for it, for servers that give out nothing else.
            tags: of the remote.

        Raises:
            ArtifactError: the remote cannot be read.
        """
        if any(tag.commit == commit for tag in tags):
            return nearest(commit, {commit: ()}, tags, None)
        for anchor in anchors(tags):
            if self.repository.whole:
                break
            if not self._reach(anchor, commit, ref, deadline):
                continue  # the commit is older than this minor
            graph = self._closed(anchor, deadline)
            found = nearest(commit, graph, tags, anchor)
            if found is not None:
                return found
            if any(not graph[one] for one in behind(commit, graph)):
                return None  # its history began without any tag behind it
        if self.repository.whole:
            return nearest(commit, self._graph(self.repository.path, [commit], deadline), tags, None)
        return None

    def known(self, prefix: str, tags: Sequence[Tag], deadline: Deadline) -> list[str]:
        """All commits that begin with these digits: tips, what was fetched before, the branches of three minors.

        Raises:
            ArtifactError: the remote cannot be read.
        """
        refs = self.repository.refs(deadline)
        peeled = {name.removesuffix("^{}") for name, _ in refs if name.endswith("^{}")}
        found = {digest for name, digest in refs if digest.startswith(prefix) and name not in peeled}
        places = [self.repository.path]
        newest = anchors(tags)[:3]
        if newest:
            anchor = newest[-1]
            wanted = [name for name, _ in refs if name.startswith("refs/heads/") and not _older(name, anchor)]
            try:
                self._fetch(anchor, [f"+{name}:{name}" for name in wanted], deadline)
            except RemoteFailed as error:
                if _NOTHING_LEFT not in error.said:
                    raise unreachable(self.repository.remote, error.said) from error
            places.append(self._piece(anchor))
        for place in places:
            found |= self._matching(place, prefix, deadline)
        return sorted(found)

    # A piece

    def _piece(self, anchor: Tag) -> Path:
        return self.repository.path / "history" / f"{anchor.name}.git"

    def _reach(self, anchor: Tag, commit: str, ref: str | None, deadline: Deadline) -> bool:
        """See that a commit is in a piece; False when it is behind the anchor."""
        place = f"refs/at/{commit}"
        ensure(self.repository.git, self._piece(anchor), deadline)
        if self._ask(self._piece(anchor), ["rev-parse", "-q", "--verify", place], deadline) is not None:
            return True
        try:
            self._fetch(anchor, [f"+{commit}:{place}"], deadline)
        except RemoteFailed as error:
            if _NOTHING_LEFT in error.said:
                return False
            if no_single(error.said) and ref is not None:
                return self._reach_by(anchor, f"+{ref}:{place}", deadline)
            if "--shallow-exclude" in error.said or no_single(error.said):
                self.repository.take_all(commit, deadline)
                return False
            raise unreachable(self.repository.remote, error.said) from error
        return True

    def _reach_by(self, anchor: Tag, spec: str, deadline: Deadline) -> bool:
        try:
            self._fetch(anchor, [spec], deadline)
        except RemoteFailed as error:
            if _NOTHING_LEFT in error.said:
                return False
            raise unreachable(self.repository.remote, error.said) from error
        return True

    def _fetch(self, anchor: Tag, specs: Sequence[str], deadline: Deadline) -> None:
        owner, piece = self.repository, self._piece(anchor)
        ensure(owner.git, piece, deadline)
        argv = ["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--filter=tree:0"]
        argv += [f"--shallow-exclude=refs/tags/{anchor.name}", REMOTE, *specs]
        progress = Progress(owner.say, f"history from {shown(owner.remote)}")
        done, received = owner.git.remote(argv, owner.remote, deadline, repository=piece, on_line=progress)
        owner.received += received
        if _UNFILTERED in done.err:
            owner.say(f"{shown(owner.remote)} serves no partial clones: its history came with all its files")

    def _closed(self, anchor: Tag, deadline: Deadline) -> dict[str, tuple[str, ...]]:
        """The graph of a piece, with the sides of merges at its border that the server left out."""
        piece = self._piece(anchor)
        note = piece / "beyond"  # what turned out to be behind the anchor
        beyond = {anchor.commit, *(note.read_text().split() if note.is_file() else ())}
        while True:
            graph = self._graph(piece, ["--all"], deadline)
            ends = open_ends(graph) - beyond
            if not ends:
                return graph
            for end in sorted(ends):
                # One at a time: asked for together with others, what is behind the anchor would come whole.
                if not self._reach(anchor, end, None, deadline):
                    beyond.add(end)
            write_atomically(note, "".join(f"{end}\n" for end in sorted(beyond)))

    def _graph(self, place: Path, what: Sequence[str], deadline: Deadline) -> dict[str, tuple[str, ...]]:
        return graph_of(self._ask(place, ["rev-list", "--format=raw", *what], deadline) or "")

    def _matching(self, place: Path, prefix: str, deadline: Deadline) -> set[str]:
        digests = (self._ask(place, ["rev-parse", f"--disambiguate={prefix}"], deadline) or "").split()
        return {digest for digest in digests if self._ask(place, ["cat-file", "-t", digest], deadline) == "commit"}

    def _ask(self, place: Path, argv: Sequence[str], deadline: Deadline) -> str | None:
        return self.repository.git.text(argv, deadline, repository=place)


def anchors(tags: Sequence[Tag]) -> list[Tag]:
    """The first tag of each minor, newest minor first."""
    first: dict[tuple[int, int], Tag] = {}
    for tag in sorted(tags, key=lambda tag: tag.order):
        first.setdefault(tag.minor, tag)
    return [first[minor] for minor in sorted(first, reverse=True)]


def _older(branch: str, anchor: Tag) -> bool:
    """Whether a branch's name says that it belongs to a release before the anchor's."""
    match = re.search(r"(\d+)\.(\d+)$", branch)
    return match is not None and (int(match[1]), int(match[2])) < anchor.minor
