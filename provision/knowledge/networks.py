"""CNIs: one row a released version, each with its sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from provision.knowledge.base import NotKnown
from provision.knowledge.versions import parse


@dataclass(frozen=True, kw_only=True)
class CniRow:
    """One version of a CNI.

    Attributes:
        project: ``calico``, ``antrea`` or ``flannel``, as in the settings.
        kubernetes: the minors that this version supports; empty when the project names none.
        windows: the Windows Server versions that the project says it supports.
    """

    project: str
    version: str
    kubernetes: tuple[str, ...]
    windows: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CalicoRow(CniRow):
    """Calico, installed by the Tigera operator.

    Attributes:
        operator: version of the operator that its manifest starts.
        crds_file: the file of its ``manifests`` folder with the operator's and Calico's CRDs.
    """

    operator: str
    crds_file: str


_CALICO_WINDOWS = "projectcalico/calico#11691: images for Windows Server 2019 and 2022 only, 2025 not claimed"
_CALICO_META = "projectcalico/calico metadata.mk and tigera/docs requirements of that version"

CALICO: dict[str, CalicoRow] = {
    row.version: row
    for row in (
        CalicoRow(
            project="calico",
            version="3.32.1",
            operator="1.42.3",
            kubernetes=("1.34", "1.35", "1.36"),
            windows=("2019", "2022"),
            crds_file="v1_crd_projectcalico_org.yaml",
            sources=(_CALICO_META, _CALICO_WINDOWS),
        ),
        CalicoRow(
            project="calico",
            version="3.31.7",
            operator="1.40.15",
            kubernetes=("1.32", "1.33", "1.34", "1.35"),
            windows=("2019", "2022"),
            crds_file="operator-crds.yaml",
            sources=(_CALICO_META, _CALICO_WINDOWS),
        ),
        CalicoRow(
            project="calico",
            version="3.30.7",
            operator="1.38.13",
            kubernetes=("1.31", "1.32", "1.33", "1.34", "1.35"),
            windows=("2019", "2022"),
            crds_file="operator-crds.yaml",
            sources=(_CALICO_META, _CALICO_WINDOWS, "that the CRD file has this name is taken from 3.31"),
        ),
    )
}

ANTREA: dict[str, CniRow] = {
    row.version: row
    for row in (
        CniRow(
            project="antrea",
            version="2.7.0",
            kubernetes=("1.33", "1.34", "1.35", "1.36"),
            windows=("2019", "2022", "2025"),
            sources=(
                "antrea-io/antrea docs/windows.md: Windows Server 2019 or higher",
                "antrea-io/antrea docs/versioning.md: the four minors maintained at release (2026-08-15)",
            ),
        ),
        CniRow(
            project="antrea",
            version="2.6.3",
            kubernetes=("1.32", "1.33", "1.34", "1.35"),
            windows=("2019", "2022", "2025"),
            sources=("antrea-io/antrea docs/windows.md and docs/versioning.md",),
        ),
    )
}

FLANNEL: dict[str, CniRow] = {
    row.version: row
    for row in (
        CniRow(
            project="flannel",
            version="0.28.9",
            kubernetes=(),
            windows=("2019", "2022", "2025"),
            sources=("rancher/rke2 charts, 2026-08-21; flannel names neither Kubernetes nor Windows versions",),
        ),
    )
}

CNIS: dict[str, Mapping[str, CniRow]] = {"calico": CALICO, "antrea": ANTREA, "flannel": FLANNEL}


def cni(project: str, version: str) -> CniRow:
    """The row of a CNI's version; a minor alone (``3.32``) or another patch of a known minor has that minor's row.

    Raises:
        NotKnown: no row; its ``nearest`` is the nearest version known.
        ValueError: the text is no version.
    """
    rows = CNIS[project]
    wanted = parse(version)
    by_line = {parse(row.version).line: row for row in rows.values()}
    if wanted.line in by_line:
        return by_line[wanted.line]
    newest, oldest = next(iter(rows)), list(rows)[-1]
    word = "too old" if wanted < parse(oldest) else "not known here"
    nearest = oldest if wanted < parse(oldest) else newest
    raise NotKnown(f"{project} {version} is {word} (known: {', '.join(rows)})", nearest)


def cni_patch(project: str, version: str) -> str:
    """The version in full: ``3.32`` is the latest patch known of that minor."""
    parsed = parse(version)
    return cni(project, version).version if parsed.patch is None else str(parsed)


def cni_for(project: str, minor: str) -> CniRow | None:
    """The newest version that supports a Kubernetes minor; None when there is none."""
    return next((row for row in CNIS[project].values() if not row.kubernetes or minor in row.kubernetes), None)


def calico(version: str) -> CalicoRow:
    """Calico's row of a version.

    Raises:
        NotKnown, ValueError: as `cni`.
    """
    row = cni("calico", version)
    assert isinstance(row, CalicoRow)
    return row
