"""Which hcsshim belongs to a containerd release."""

from __future__ import annotations

import pytest

from provision.knowledge import NotKnown, runhcs_version
from provision.knowledge.runtimes import CONTAINERD
from provision.knowledge.shims import HCSSHIM


@pytest.mark.parametrize(
    ("containerd", "hcsshim"),
    [
        ("1.7.18", "0.11.5"),
        ("1.7.34", "0.11.7"),
        ("2.1.0", "0.13.0-rc.3"),
        ("2.1.9", "0.13.0"),
        ("2.3.2", "0.15.0-rc.1"),
        ("2.3.4", "0.15.0-rc.3"),
        ("2.3.99", "0.15.0-rc.3"),  # newer than the table: its line's last row
        ("2.0.0-rc.1", "0.12.9"),  # before its line's first release
    ],
)
def test_a_release_names_its_shim(containerd: str, hcsshim: str) -> None:
    assert runhcs_version(containerd) == hcsshim


def test_every_line_that_is_known_has_rows() -> None:
    assert set(HCSSHIM) == set(CONTAINERD)


def test_another_line_is_not_guessed() -> None:
    with pytest.raises(NotKnown, match=r"containerd 1\.6\.0 is too old"):
        runhcs_version("1.6.0")
