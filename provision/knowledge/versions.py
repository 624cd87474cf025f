"""Versions as the projects around Kubernetes write them: ``1.36``, ``v1.36.4``, ``1.38.0-alpha.0.12+abc``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_FORM = re.compile(
    r"v?(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)(?:\.(?P<patch>0|[1-9]\d*))?"
    r"(?:-(?P<pre>[0-9A-Za-z.-]+))?(?:\+(?P<build>[0-9A-Za-z.-]+))?"
)


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    """One version; ordered as Semantic Versioning orders them. A missing patch counts as 0.

    Attributes:
        patch: None when only major and minor were given.
        pre: the pre-release part (``alpha.0.12``), empty for a release.
        build: what stands after ``+``; it takes no part in the order.
    """

    major: int
    minor: int
    patch: int | None = None
    pre: str = ""
    build: str = ""

    @property
    def line(self) -> str:
        """Major and minor: ``1.36``."""
        return f"{self.major}.{self.minor}"

    @property
    def _key(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        # A release stands above its pre-releases; numbers below words, as semver.org's rule 11 says.
        words = tuple((not w.isdigit(), int(w) if w.isdigit() else 0, w) for w in self.pre.split(".") if w)
        return (self.major, self.minor, self.patch or 0, not self.pre, words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        patch = "" if self.patch is None else f".{self.patch}"
        return f"{self.line}{patch}{'-' + self.pre if self.pre else ''}{'+' + self.build if self.build else ''}"


def parse(text: str) -> Version:
    """The version in a text; a leading ``v`` is allowed.

    Raises:
        ValueError: the text is no version.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a version such as 1.36 or 1.36.4")
    patch = match["patch"]
    return Version(
        int(match["major"]),
        int(match["minor"]),
        None if patch is None else int(patch),
        match["pre"] or "",
        match["build"] or "",
    )
