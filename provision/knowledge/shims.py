"""Which hcsshim (the runhcs shim for Windows) a containerd release was made with."""

from __future__ import annotations

from provision.knowledge.base import row_for
from provision.knowledge.versions import parse

# Line of containerd -> (from this release on, hcsshim's version), the oldest first.
# Source: containerd/containerd, script/setup/runhcs-version at each tag (before 1.7.19: hcsshim's row in go.mod), as
# script/setup/install-runhcs-shim reads it; tags up to 2026-08-22.
HCSSHIM: dict[str, tuple[tuple[str, str], ...]] = {
    "1.7": (("1.7.0", "0.10.0-rc.7"), ("1.7.1", "0.10.0-rc.8"), ("1.7.6", "0.11.0"), ("1.7.7", "0.11.1"),
            ("1.7.9", "0.11.4"), ("1.7.17", "0.11.5"), ("1.7.19", "0.11.7")),
    "2.0": (("2.0.0", "0.12.9"),),
    "2.1": (("2.1.0", "0.13.0-rc.3"), ("2.1.1", "0.13.0")),
    "2.2": (("2.2.0", "0.14.0-rc.1"), ("2.2.3", "0.14.1")),
    "2.3": (("2.3.0", "0.15.0-rc.1"), ("2.3.3", "0.15.0-rc.3")),
}  # fmt: skip


def runhcs_version(containerd: str) -> str:
    """The version of hcsshim, without ``v``, that a containerd release (in full, without ``v``) names.

    A patch that is newer than the table has its line's last row.

    Raises:
        NotKnown: no row for that line.
        ValueError: the text is no version.
    """
    wanted = parse(containerd)
    rows = row_for("containerd", containerd, HCSSHIM)
    return [version for since, version in rows if parse(since) <= wanted or since == rows[0][0]][-1]
