"""Which release tag is the nearest behind a commit, and the version that follows from it: pure.

Counted as ``git describe`` counts, over a graph of commits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from provision.build.base import Project
from provision.build.source_version import DIGITS, Tag, from_base, stated_minor, version
from provision.errors import ArtifactError

_BASE_GO = "staging/src/k8s.io/component-base/version/base.go"
# Commit -> its parents as the commit itself names them; a parent that is no key is beyond what is known.
Graph = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Described:
    """Where a commit is: so many commits after a tag."""

    tag: str
    distance: int


def graph_of(raw: str) -> dict[str, tuple[str, ...]]:
    """The graph in what ``git rev-list --format=raw`` prints: it hides no parent, whatever border is set."""
    graph: dict[str, tuple[str, ...]] = {}
    commit = ""
    for line in raw.splitlines():
        # Lines of messages and of signatures are indented.
        if line.startswith("commit "):
            commit = line[7:]
            graph[commit] = ()
        elif line.startswith("parent "):
            graph[commit] += (line[7:],)
    return graph


def behind(commit: str, graph: Graph) -> set[str]:
    """A commit and all that is known behind it."""
    seen: set[str] = set()
    ahead = [commit]
    while ahead:
        here = ahead.pop()
        if here in graph and here not in seen:
            seen.add(here)
            ahead.extend(graph[here])
    return seen


def reaches(start: set[str], commit: str, graph: Graph) -> bool:
    """Whether ``commit`` is one of these, or a parent of one."""
    return commit in start or any(commit in graph[one] for one in start)


def nearest(commit: str, graph: Graph, tags: Sequence[Tag], anchor: Tag | None) -> Described | None:
    """The tag with the fewest commits between it and this commit; of several at one place, the newest version.

    Args:
        graph: all behind ``commit`` that is not behind ``anchor``, whole; all there is, without an anchor.
        anchor: counts only when it is behind; a tag that is beside it is passed over, as its count is not known.
    """
    mine = behind(commit, graph)
    found: list[tuple[int, Described]] = []
    for number, tag in enumerate(sorted(tags, key=lambda tag: tag.order, reverse=True)):
        if not tag.counts and tag.commit != commit:
            continue
        if tag.commit in mine:
            theirs = behind(tag.commit, graph)
            if anchor is None or reaches(theirs, anchor.commit, graph):
                found.append((number, Described(tag.name, len(mine - theirs))))
        elif anchor is not None and tag.commit == anchor.commit and reaches(mine, anchor.commit, graph):
            found.append((number, Described(tag.name, len(mine))))
    return min(found, key=lambda row: (row[1].distance, row[0]))[1] if found else None


def open_ends(graph: Graph) -> set[str]:
    """Parents of merges that are not known and may yet be on our side of the border.

    A server that ends a history at a tag ends it at every merge with one parent behind the tag; the other parent's
    side, which git counts, is not sent. A commit with a single parent, which is not known, has it behind the tag.
    """
    merges = (parents for parents in graph.values() if len(parents) > 1)
    return {parent for parents in merges for parent in parents if parent not in graph}


def named(
    project: Project,
    where: str,
    commit: str,
    described: Described | None,
    compatibility: str | None,
    read: Callable[[str], str | None],
    *,
    dirty: bool,
) -> str:
    """The version: by the nearest tag, unless that is older than what the source says of itself.

    Args:
        where: the repository, for people.
        compatibility: the release that it behaves like, when no tag says so.
        read: the text of a file of the source, or None.

    Raises:
        ArtifactError: neither says it, or it is no version that Kubernetes' build takes.
    """
    stated = stated_minor(read(_BASE_GO) or "") if project == "kubernetes" else None
    if described is not None:
        match = re.match(r"v(\d+)\.(\d+)", described.tag)
        tagged = (int(match[1]), int(match[2])) if match else (0, 0)
        if stated is None or tagged >= stated:
            try:
                return version(project, commit, described.tag, described.distance, dirty=dirty)
            except ArtifactError:
                if not compatibility:
                    raise
    if compatibility:
        return from_base(project, commit, compatibility, dirty=dirty)
    if project != "kubernetes":
        return commit[:DIGITS] + (".m" if dirty else "")
    line = f"{stated[0]}.{stated[1]}" if stated else ""
    seen = (
        f"the nearest tag is {described.tag}, {described.distance} commits behind"
        if described
        else "no tag is behind it"
    )
    raise ArtifactError(
        f"no tag of {where} says which version {commit[:12]} is",
        details=seen + (f"; the source itself says {line}" if line else ""),
        remedy=f"set kubernetes.compatibility to the release that it behaves like, such as {line or '1.36'}, "
        "or fetch Kubernetes' tags into that repository (`git fetch --tags`)",
    )
