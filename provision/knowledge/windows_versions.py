"""Windows Server versions: builds, registry values that nodes need, updates that break them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WindowsVersion = Literal["2019", "2022", "2025"]


@dataclass(frozen=True)
class RegistryValue:
    """One DWORD below HKLM that must have this value, and why."""

    key: str
    name: str
    value: int
    why: str


@dataclass(frozen=True)
class BadUpdate:
    """Builds ``first`` up to, not including, ``mended`` (both revisions of the version's build)."""

    first: int
    mended: int
    update: str
    mended_by: str
    why: str


@dataclass(frozen=True, kw_only=True)
class WindowsRow:
    """One Windows Server version.

    Attributes:
        build: the build number; the revision after it counts updates.
        least_revision: the oldest revision on which Kubernetes' CNIs work.
        listed: Kubernetes' documentation still names it as supported.
        registry: values to be set before the first reboot.
        bad: updates known to break nodes.
    """

    version: WindowsVersion
    build: int
    least_revision: int
    listed: bool
    registry: tuple[RegistryValue, ...]
    bad: tuple[BadUpdate, ...] = ()
    sources: tuple[str, ...]


_HNS = "SYSTEM\\CurrentControlSet\\Services\\hns\\State"
_OVERRIDES = "SYSTEM\\CurrentControlSet\\Policies\\Microsoft\\FeatureManagement\\Overrides"
_IMAGE_BUILDER = "kubernetes-sigs/image-builder images/capi/ansible/windows/roles/systemprep/tasks/main.yml"

_EVERY = (RegistryValue(_HNS, "EnableCompartmentNamespace", 1, "SMB names resolve inside containers"),)
# Not on 2022, says WMCO docs/byoh-instance-pre-requisites.md.
_STATIC = RegistryValue(_HNS, "DeviceLessNicDisabled", 1, "a static address survives the making of a vSwitch")

WINDOWS: dict[str, WindowsRow] = {
    row.version: row
    for row in (
        WindowsRow(
            version="2025",
            build=26100,
            # KB5066835 of 2025-10-14, the update that the SIG note in rancher/rancher#50915 asks for.
            least_revision=6899,
            listed=True,
            registry=(
                *_EVERY,
                _STATIC,
                RegistryValue(_OVERRIDES, "520997518", 1, "less contention on the VFP lock"),
            ),
            sources=(
                _IMAGE_BUILDER,
                "rancher/rancher#50915: VXLAN needs the update of October 2025",
                "kubernetes.io, Windows OS support, 2026",
            ),
        ),
        WindowsRow(
            version="2022",
            build=20348,
            least_revision=169,
            listed=True,
            registry=(
                *_EVERY,
                RegistryValue(_OVERRIDES, "1114842764", 0, "switches a faulty change of April 2025 off"),
            ),
            bad=(
                BadUpdate(
                    2582,
                    2762,
                    "KB5040437",
                    "KB5044281",
                    "containers lose their network with Calico",
                ),
            ),
            sources=(
                _IMAGE_BUILDER,
                "projectcalico/calico#8529, #9019; microsoft/Windows-Containers#516",
                "tigera/docs requirements: 20348.169 or later",
            ),
        ),
        WindowsRow(
            version="2019",
            build=17763,
            least_revision=1432,
            listed=False,
            registry=(
                *_EVERY,
                _STATIC,
                RegistryValue(_HNS, "HNSControlFlag", 80, "HNS fixes that are off by default"),
                RegistryValue(
                    "SYSTEM\\CurrentControlSet\\Services\\wcifs",
                    "WcifsSOPCountDisabled",
                    0,
                    "an image file system fix that is off by default",
                ),
            ),
            sources=(_IMAGE_BUILDER, "tigera/docs requirements: 17763.1432 or later", "kubernetes/website#55058"),
        ),
    )
}


def windows(version: str) -> WindowsRow:
    """The row of a Windows Server version (``2022``); KeyError for one that is not known."""
    return WINDOWS[version]


def known_bad(build: int, revision: int) -> BadUpdate | None:
    """The known-bad update that a machine of this build and revision has; None when it has none."""
    for row in WINDOWS.values():
        if row.build == build:
            return next((bad for bad in row.bad if bad.first <= revision < bad.mended), None)
    return None
