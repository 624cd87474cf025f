"""Stand-ins say what they stand for, and damage shows."""

from __future__ import annotations

import pytest

from provision.rehearsal.standin import StandIn, read_standin, standin
from tests.go_programs import go_program


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


@pytest.mark.parametrize(("name", "os"), [("kubelet.exe", "windows"), ("kube-apiserver", "linux")])
def test_a_program_that_go_has_built_says_the_same_by_its_headers_and_its_stamp(name: str, os: str) -> None:
    version = "1.38.0-alpha.0.12+abcdef0"
    data = go_program(name, version)
    assert read_standin(data) == StandIn(name.removesuffix(".exe"), f"v{version}", os, "amd64")
    assert read_standin(data[:200]) is None
    assert read_standin(data.replace(b"\xff Go buildinf:", b"\xff Go buildinfo")) is None


def test_a_32_bit_program_and_no_program_are_none() -> None:
    data = go_program("kubelet.exe", "1.36.0")
    assert read_standin(data.replace(b"\x0b\x02", b"\x0b\x01", 1)) is None
    assert read_standin(b"MZ") is None and read_standin(b"\x7fELF\x02\x01") is None


def test_a_program_that_shows_no_version_is_that_program() -> None:
    found = read_standin(go_program("kube-log-runner.exe", "1.36.0"))
    assert found == StandIn("kube-log-runner", "unstamped", "windows", "amd64")
