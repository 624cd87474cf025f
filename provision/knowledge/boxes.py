"""Vagrant boxes: which one a provider gets for an OS when the settings name none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Os = Literal["linux", "windows"]
VAGRANT_PROVIDERS = ("virtualbox", "vmware_desktop", "hyperv", "libvirt")


@dataclass(frozen=True, kw_only=True)
class BoxRow:
    """One box.

    Attributes:
        providers: those it is published for.
        windows_version: for Windows boxes.
        user, password: what the box's publisher set; throw-away, no secrets.
    """

    name: str
    os: Os
    providers: tuple[str, ...]
    windows_version: str = ""
    user: str = "vagrant"
    password: str = "vagrant"  # noqa: S105 - published with the box
    sources: tuple[str, ...]


_GUSZTAV = ("gusztavvargadr/packer, release of 2026-02-07, work in July 2026",)

# The first row that fits is the default.
BOXES: tuple[BoxRow, ...] = (
    BoxRow(
        name="bento/ubuntu-24.04",
        os="linux",
        providers=("virtualbox", "vmware_desktop"),
        sources=("chef/bento README and builds.yml, 2026-06-26; hyperv and libvirt are experimental there",),
    ),
    BoxRow(
        name="gusztavvargadr/ubuntu-server-2404-lts",
        os="linux",
        providers=("virtualbox", "vmware_desktop", "hyperv", "libvirt"),
        sources=_GUSZTAV,
    ),
    BoxRow(
        name="gusztavvargadr/windows-server-2022-standard-core",
        os="windows",
        windows_version="2022",
        providers=("virtualbox", "vmware_desktop", "hyperv", "libvirt"),
        sources=_GUSZTAV,
    ),
    BoxRow(
        name="gusztavvargadr/windows-server-2025-standard-core",
        os="windows",
        windows_version="2025",
        providers=("virtualbox", "vmware_desktop", "hyperv", "libvirt"),
        sources=_GUSZTAV,
    ),
)

# Boxes that once were the right choice, and what became of them.
STALE: Mapping[str, str] = {
    "sig-windows-dev-tools/windows-2019": "last built in 2023",
    "mloskot/sig-windows-dev-tools-windows-2019": "last built in 2023",
    "mloskot/sig-windows-dev-tools-ubuntu-2204": "last built in 2023",
    "roboxes/ubuntu2004": "its maintainer has been absent since 2024",
    "generic/ubuntu2204": "its maintainer has been absent since 2024",
    "StefanScherer/windows_2019": "last built in 2021",
    "StefanScherer/windows_2022": "last built in 2022",
    "jborean93/WindowsServer2019": "no commit since October 2023",
    "jborean93/WindowsServer2022": "no commit since October 2023",
}


def box(provider: str, os: Os, windows_version: str = "") -> BoxRow | None:
    """The default box; None when no maintained box is published for that provider and OS."""
    return next(
        (
            row
            for row in BOXES
            if row.os == os and provider in row.providers and (os == "linux" or row.windows_version == windows_version)
        ),
        None,
    )


def stale(name: str) -> str:
    """Why a box should no longer be used; empty when nothing is known against it."""
    return STALE.get(name, "")
