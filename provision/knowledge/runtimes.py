"""containerd lines: one row a line, each with its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provision.knowledge.base import NotKnown, row_for
from provision.knowledge.releases import KubernetesRow
from provision.knowledge.versions import parse


@dataclass(frozen=True, kw_only=True)
class ContainerdRow:
    """One line of containerd.

    Attributes:
        latest: the latest patch known, without ``v``.
        config_version: of config.toml.
        pause: tag of the pause image that it uses unless told otherwise.
        bin_dirs: the CNI section takes the list ``bin_dirs``; before it the single ``bin_dir``.
        ends: end of support, ISO date or empty when none was announced.
    """

    line: str
    latest: str
    config_version: Literal[2, 3]
    pause: str
    bin_dirs: bool
    ends: str
    sources: tuple[str, ...]


_RELEASES = "containerd/containerd RELEASES.md and tags, 2026-08-22"
_CONFIG = "containerd/containerd internal/cri/config/config.go of that line"

CONTAINERD: dict[str, ContainerdRow] = {
    row.line: row
    for row in (
        ContainerdRow(
            line="2.3",
            latest="2.3.4",
            config_version=3,
            pause="3.10.2",
            bin_dirs=True,
            ends="2028-04-30",
            sources=(_RELEASES, _CONFIG),
        ),
        ContainerdRow(
            line="2.2",
            latest="2.2.7",
            config_version=3,
            pause="3.10.1",
            bin_dirs=True,
            ends="",
            sources=(_RELEASES, _CONFIG),
        ),
        ContainerdRow(
            line="2.1",
            latest="2.1.9",
            config_version=3,
            pause="3.10",
            bin_dirs=True,
            ends="2026-08-22",
            sources=(_RELEASES, _CONFIG, "end of life was seen on 2026-08-22; the day itself is not recorded"),
        ),
        ContainerdRow(
            line="2.0",
            latest="2.0.11",
            config_version=3,
            pause="3.10",
            bin_dirs=False,
            ends="",
            sources=(_RELEASES, _CONFIG),
        ),
        ContainerdRow(
            line="1.7",
            latest="1.7.34",
            config_version=2,
            pause="3.8",
            bin_dirs=False,
            ends="2026-09-30",
            sources=(_RELEASES, "containerd/containerd v1.7.34 pkg/cri/config/config_windows.go"),
        ),
    )
}


def containerd(version: str) -> ContainerdRow:
    """The row of a containerd version.

    Raises:
        NotKnown: no row; its ``nearest`` is the nearest line known.
        ValueError: the text is no version.
    """
    return row_for("containerd", version, CONTAINERD)


def containerd_patch(version: str) -> str:
    """The version in full: ``2.3`` is the latest patch known of that line."""
    parsed = parse(version)
    return containerd(version).latest if parsed.patch is None else str(parsed)


def containerd_for(release: KubernetesRow, version: str) -> None:
    """Refuse a containerd that is too old for a Kubernetes release.

    Raises:
        NotKnown: with the version to take instead.
    """
    best = CONTAINERD[next(iter(release.containerd))].latest
    try:
        line = containerd(version).line
    except NotKnown as unknown:
        raise NotKnown(unknown.what, best) from unknown
    least = release.containerd.get(line)
    if least is None:
        wanted = ", ".join(f"{minimum}+" for minimum in release.containerd.values())
        raise NotKnown(f"containerd {version} does not support Kubernetes {release.minor}, which needs {wanted}", best)
    if parse(version).patch is not None and parse(version) < parse(least):
        raise NotKnown(
            f"containerd {version} is too old for Kubernetes {release.minor}, which needs {least} or later of {line}",
            CONTAINERD[line].latest,
        )
