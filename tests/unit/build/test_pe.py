"""What is a program for a system, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.artifacts.base import Os
from provision.build.pe import check_program, stamped_version
from provision.errors import ArtifactError
from tests.unit.build.programs import elf, pe


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "program"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "version",
    [
        "1.36.4",
        "1.37.0-alpha.2.45+0123456789abcd",
        "1.36.4-1+0123456789abcd-dirty",
        "2.3.4-5-g0123456789abcd.m",
        "2.3.4.m",
    ],
)
@pytest.mark.parametrize("os", ["windows", "linux"])
def test_the_stamped_version_is_found(tmp_path: Path, os: Os, version: str) -> None:
    make = pe if os == "windows" else elf
    path = _file(tmp_path, make(f"v{version}"))
    assert check_program(path, os) == version
    assert check_program(path, os, "amd64", version) == version
    assert check_program(path, os, "amd64", f"v{version}") == version


def test_a_program_without_a_version_has_none(tmp_path: Path) -> None:
    assert check_program(_file(tmp_path, pe(None)), "windows") is None


def test_the_version_that_is_there_twice_is_the_programs_own(tmp_path: Path) -> None:
    # A dependency's stamp is there once, Kubernetes' own twice.
    path = _file(tmp_path, pe("v1.36.4", body=b"\0v0.9.1\0"))
    assert check_program(path, "windows") == "1.36.4"
    assert check_program(path, "windows", version="0.9.1") == "0.9.1"


def test_texts_that_only_contain_a_version_are_no_stamp() -> None:
    assert stamped_version(b"\0gov1.2.3\0see v1.2.3 for more\0") is None
    assert stamped_version(b"k8s.io/api@v1.2.3\0xv1.36.4") is None


@pytest.mark.parametrize(
    ("data", "os", "says"),
    [
        (b"", "windows", "empty or cut off"),
        (b"MZ", "windows", "empty or cut off"),
        (b"MZ" + b"\0" * 200, "windows", "no PE header"),
        (elf(), "windows", "it is a Linux program"),
        (pe(), "linux", "it is a Windows program"),
        (b"#!/bin/sh\nexit 0\n", "linux", "it is a script"),
        (b"<html>404</html>", "windows", "HTML"),
        (b"\x1f\x8b\x08\0", "linux", "a gzip archive"),
        (b"PK\x03\x04", "windows", "a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "windows", "a pointer to a large file"),
        (pe(machine=0xAA64), "windows", "it is for arm64"),
        (pe(machine=0x14C), "windows", "it is for machine 0x14c"),
        (pe(magic=0x10B), "windows", "not PE32+"),
        (pe(flags=0x2022), "windows", "a library"),
        (pe()[:-40], "windows", "cut off"),
        (elf(machine=183), "linux", "it is for arm64"),
        (elf(bits=1), "linux", "not 64-bit"),
        (elf(kind=1), "linux", "an object file"),
        (elf()[:-8], "linux", "cut off"),
    ],
)
def test_what_is_no_program_is_refused(tmp_path: Path, data: bytes, os: Os, says: str) -> None:
    path = _file(tmp_path, data)
    with pytest.raises(ArtifactError) as caught:
        check_program(path, os)
    assert says in str(caught.value) and str(path) in caught.value.what and caught.value.remedy


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, pe("v1.36.3"))
    with pytest.raises(ArtifactError, match=r"is not version 1\.36\.4: it says 1\.36\.3"):
        check_program(path, "windows", version="1.36.4")
    with pytest.raises(ArtifactError, match="no version is stamped"):
        check_program(_file(tmp_path, pe(None)), "windows", version="1.36.4")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        check_program(tmp_path / "none.exe", "windows")
