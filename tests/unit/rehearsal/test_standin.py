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


def test_a_program_that_go_has_built_says_the_same_by_its_headers_and_its_stamp() -> None:
    """Laid out as Go's linker does: headers, the build's information aligned to 16 bytes, and the stamped text."""
    info = b"path\tk8s.io/kubernetes/cmd/kubelet\nbuild\t-compiler=gc\n"
    mark = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
    module = mark + info + mark
    kept = b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + b"\x08" + b"go1.26.4" + bytes([len(module)])
    body = b"v1.38.0-alpha.0.12+abcdef0\0".ljust(32, b"\0")
    elf = (b"\x7fELF\x02\x01".ljust(18, b"\0") + b"\x3e\0").ljust(64, b"\0")
    pe = (b"MZ".ljust(60, b"\0") + b"\x40\0\0\0" + b"PE\0\0\x64\x86".ljust(24, b"\0") + b"\x0b\x02").ljust(96, b"\0")
    wanted = ("kubelet", "v1.38.0-alpha.0.12+abcdef0")
    assert read_standin(elf + body + kept + module) == StandIn(*wanted, "linux", "amd64")
    assert read_standin(pe + body + kept + module) == StandIn(*wanted, "windows", "amd64")
    assert read_standin(pe[:66] + b"\0\0" + pe[68:] + body) is None  # no information of Go's
    assert read_standin(pe[:88] + b"\x0b\x01" + pe[90:] + body + kept + module) is None  # PE32, not PE32+
    assert read_standin(b"MZ") is None
