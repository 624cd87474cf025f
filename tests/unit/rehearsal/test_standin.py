"""Stand-ins say what they stand for, and damage shows."""

from __future__ import annotations

import pytest

from provision.rehearsal.standin import StandIn, read_standin, standin


def test_what_is_written_is_read() -> None:
    data = standin("kubelet", "v1.36.4", "windows", "amd64")
    assert read_standin(data) == StandIn("kubelet", "v1.36.4", "windows", "amd64")
    assert data == standin("kubelet", "v1.36.4", "windows", "amd64")


@pytest.mark.parametrize("damage", [lambda d: d[:40] + b"x" + d[41:], lambda d: d[:-3] + b"abc", lambda d: b"MZ" + d])
def test_damage_shows(damage: object) -> None:
    assert read_standin(damage(standin("runc", "v1.3.0", "linux"))) is None  # type: ignore[operator]


def test_an_impossible_name_is_refused() -> None:
    with pytest.raises(ValueError, match="stand-in"):
        standin("a b", "1", "linux")
