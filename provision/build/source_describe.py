"""Which release tag is the nearest behind a commit, as ``git describe`` counts: pure, over a graph of commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provision.build.source_version import Tag

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
