"""What a state of a source is called: the version that the project's own build would stamp, and its Go release.

Sources: Kubernetes' hack/lib/version.sh (``git describe --tags --match='v*' --abbrev=14`` made a semantic version);
containerd's Makefile (``git describe --match 'v[0-9]*' --dirty='.m' --always``, annotated tags only); hcsshim stamps
none, and is called as containerd is; the Go modules reference (``go`` and ``toolchain`` lines).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from provision.build.base import Project
from provision.errors import ArtifactError

_TAG = re.compile(r"^v(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$")
_SEMANTIC = re.compile(r"^(\d+)\.(\d+)(\.\d+)?(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$")
_BASE = re.compile(r"^v?(\d+)\.(\d+)(?:\.(\d+))?$")
_GO = re.compile(r"^(?:go)?(1\.\d+(?:\.\d+|(?:rc|beta)\d+)?)$")
_STATED = re.compile(r'DefaultKubeBinaryVersion\s*=\s*"(\d+)\.(\d+)"')
# Digits of a commit in a version, as Kubernetes has it. containerd lets git choose, by the size of the clone:
# the same commit would have several names.
DIGITS = 14


@dataclass(frozen=True)
class Tag:
    """A release's tag on a remote.

    Attributes:
        commit: what it names, all 40 digits.
        annotated: it is an object of its own (containerd's build sees no others).
    """

    name: str
    commit: str
    annotated: bool

    @property
    def order(self) -> tuple[object, ...]:
        """As versions are ordered: 1.37.0-alpha.2 < 1.37.0-alpha.10 < 1.37.0-rc.0 < 1.37.0."""
        match = _TAG.match(self.name)
        assert match is not None
        major, minor, patch, before = match.groups()
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in (before or "").split("."))
        return (int(major), int(minor), int(patch), before is None, parts)

    @property
    def counts(self) -> bool:
        """Whether a version follows from it at a distance; from ``v1.36.4+mine``, which names a build, none does."""
        return "+" not in self.name

    @property
    def minor(self) -> tuple[int, int]:
        match = _TAG.match(self.name)
        assert match is not None
        return (int(match[1]), int(match[2]))


def release_tags(refs: Iterable[tuple[str, str]], project: Project) -> list[Tag]:
    """The tags that count, oldest version first.

    Args:
        refs: (name, digest) of all refs; a tag object is followed by the commit it names, as ``NAME^{}``.
    """
    plain: dict[str, str] = {}
    peeled: dict[str, str] = {}
    for name, digest in refs:
        if name.startswith("refs/tags/"):
            short = name.removeprefix("refs/tags/")
            if short.endswith("^{}"):
                peeled[short.removesuffix("^{}")] = digest
            else:
                plain[short] = digest
    tags = [Tag(name, peeled.get(name, digest), name in peeled) for name, digest in plain.items() if _TAG.match(name)]
    counted = [tag for tag in tags if tag.annotated] if annotated_only(project) else tags
    return sorted(counted, key=lambda tag: tag.order)


def annotated_only(project: Project) -> bool:
    """Whether this project's ``git describe`` is without ``--tags``."""
    return project == "containerd"


def version(project: Project, commit: str, tag: str, distance: int, *, dirty: bool) -> str:
    """What the project's own build would stamp, without ``v``.

    Raises:
        ArtifactError: that is no semantic version, or starts with 0.0.0.
    """
    if project != "kubernetes":
        text = tag
        if distance:
            text += f"-{distance}-g{commit[:DIGITS]}"
        return (text + (".m" if dirty else "")).removeprefix("v")
    text = tag
    if distance:
        # After a pre-release the distance is one more part of it, else it is the pre-release; a tag with more
        # dashes is left as git describes it.
        dashes = text.count("-")
        joint = {0: f"-{distance}+", 1: f".{distance}+"}.get(dashes)
        text += f"{joint}{commit[:DIGITS]}" if joint else f"-{distance}-g{commit[:DIGITS]}"
    text = (text + ("-dirty" if dirty else "")).removeprefix("v")
    if not _SEMANTIC.match(text) or text.startswith("0.0.0"):
        raise ArtifactError(
            f"the source would call itself {text}, and Kubernetes' build refuses such a version",
            remedy="set kubernetes.compatibility to the release that it behaves like, such as 1.36",
        )
    return text


def from_base(project: Project, commit: str, base: str, *, dirty: bool) -> str:
    """The version of a source that no tag describes: ``1.36.4-0+0123456789abcd``.

    It is what Kubernetes' build makes of a tag without a pre-release, at an unknown distance: kubeadm reads it, and
    it is a little older than 1.36.4, so nothing that asks for that release takes it for one.

    Raises:
        ArtifactError: ``base`` is no version.
    """
    match = _BASE.match(base)
    if match is None or (match[1], match[2]) == ("0", "0"):
        raise ArtifactError(
            f"{base} is no release", remedy="set kubernetes.compatibility to one, such as 1.36 or 1.36.4"
        )
    dirt = ("-dirty" if project == "kubernetes" else ".m") if dirty else ""
    return f"{match[1]}.{match[2]}.{match[3] or 0}-0+{commit[:DIGITS]}{dirt}"


def stated_minor(base_go: str) -> tuple[int, int] | None:
    """The minor that Kubernetes' own source states (component-base/version/base.go, since 1.31)."""
    match = _STATED.search(base_go)
    return (int(match[1]), int(match[2])) if match else None


def go_release(read: Callable[[str], str | None], where: str) -> str:
    """The Go release that a source asks for, such as ``1.26.4``.

    Args:
        read: the text of a file of the source, or None.

    Raises:
        ArtifactError: it does not say.
    """
    said = (read(".go-version") or "").strip()
    if said:
        match = _GO.match(said)
        if match is None:
            raise ArtifactError(f"{where}: .go-version names no Go release: {said[:40]!r}")
        return match[1]
    module = read("go.mod") or ""
    for line in ("toolchain", "go"):
        found = re.search(rf"^{line}[ \t]+(\S+)", module, re.MULTILINE)
        match = _GO.match(found[1]) if found else None
        if match is not None:
            return match[1]
    raise ArtifactError(
        f"{where} does not say which Go it is built with",
        details="neither .go-version nor the go line of go.mod is there",
        remedy="see that it is the source of a Go program, and its root",
    )
