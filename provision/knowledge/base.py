"""What the tables share: looking a row up, and the one complaint when there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from provision.knowledge.versions import Version, parse

R = TypeVar("R")


class NotKnown(LookupError):
    """No row for this version.

    Attributes:
        what: the complaint, naming the range that is known.
        nearest: the nearest version that is known, as it would be written into the settings.
    """

    def __init__(self, what: str, nearest: str) -> None:
        super().__init__(what)
        self.what = what
        self.nearest = nearest


def nearest_line(version: Version, lines: Sequence[str]) -> str:
    """The line (``1.36``) that is nearest to a version: the oldest for all that is older, and so on."""
    return min(lines, key=lambda line: (abs(_ordinal(parse(line)) - _ordinal(version)), -_ordinal(parse(line))))


def _ordinal(version: Version) -> int:
    return version.major * 1000 + version.minor


def row_for(project: str, text: str, rows: Mapping[str, R]) -> R:
    """The row of a version's line.

    Args:
        project: as it stands in the complaint.
        rows: line (``1.36``) -> row.

    Raises:
        NotKnown: no row for that line; too old, too new, or skipped.
        ValueError: the text is no version.
    """
    version = parse(text)
    if version.line in rows:
        return rows[version.line]
    lines = sorted(rows, key=lambda line: _ordinal(parse(line)))
    nearest = nearest_line(version, lines)
    if version < parse(lines[0]):
        what = f"{project} {text} is too old: the oldest that is known here is {lines[0]}"
    elif version > parse(lines[-1]):
        what = f"{project} {text} is newer than all that is known here (up to {lines[-1]})"
    else:
        what = f"{project} {text} is not known here (known: {', '.join(lines)})"
    raise NotKnown(what, nearest)
