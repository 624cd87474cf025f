"""Programs are looked into before they may be used: the right kind for their system, whole, and what was stamped.

Sources: Microsoft's PE format (signature at the offset in 0x3c; COFF header; magic 0x20b of PE32+), System V ABI's ELF
header.  Go's linker keeps the value of each ``-X name=value`` as text that ends with a NUL; all other texts of a Go
program lie packed without one.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections import Counter
from pathlib import Path

from provision.artifacts.base import Os
from provision.errors import ArtifactError

_PE_MACHINES = {"amd64": 0x8664, "arm64": 0xAA64}
_ELF_MACHINES = {"amd64": 62, "arm64": 183}
_PE32_PLUS = 0x20B
_EXECUTABLE, _DLL = 0x0002, 0x2000
_SYSTEMS = {"windows": "Windows", "linux": "Linux"}

_VERSION = rb"v\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?(?:\.m)?"
_STAMPED = re.compile(rb"(?<![!-~])(" + _VERSION + rb")\0")

Data = bytes | mmap.mmap


class _Unfit(Exception):
    """What is wrong with a program, in one line."""


def check_program(path: Path, os: Os, arch: str = "amd64", version: str | None = None) -> str | None:
    """See that a file is a whole program for a system, with the right version stamped into it.

    Args:
        os: the system that it is for.
        arch: ``amd64`` or ``arm64``.
        version: what must be stamped into it, with or without ``v``; None: anything, or nothing.

    Returns:
        the stamped version without ``v``; None when there is none.

    Raises:
        ArtifactError: it is something else; the error says what it is and where it lies.
    """
    remedy = f"take a file that was built for {_SYSTEMS[os]} {arch}, whole; `invoke build` makes one"
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            (_check_pe if os == "windows" else _check_elf)(data, arch)
            stamps = _stamps(data)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}", remedy=remedy) from error
    except (_Unfit, ValueError, struct.error) as error:
        why = str(error) if isinstance(error, _Unfit) else "it is empty or cut off"
        raise ArtifactError(
            f"{path} is no program for {_SYSTEMS[os]} {arch}: {why}",
            details=f"it begins with {_beginning(path)}",
            remedy=remedy,
        ) from error
    found = _usual(stamps)
    if version is None:
        return found
    wanted = version.removeprefix("v")
    if wanted not in stamps:
        raise ArtifactError(
            f"{path} is not version {wanted}: " + (f"it says {found}" if found else "no version is stamped into it"),
            remedy="build it again, with the version's linker flags",
        )
    return wanted


def stamped_version(data: Data) -> str | None:
    """The version that a Go program's build stamped into it, without ``v``; None when there is none."""
    return _usual(_stamps(data))


def _stamps(data: Data) -> Counter[str]:
    return Counter(match[1].decode().removeprefix("v") for match in _STAMPED.finditer(data))


def _usual(stamps: Counter[str]) -> str | None:
    """Kubernetes stamps its version twice (component-base and client-go); anything else is there once."""
    return stamps.most_common(1)[0][0] if stamps else None


def _beginning(path: Path) -> str:
    with path.open("rb") as stream:
        return repr(stream.read(24))[1:]


def _check_pe(data: Data, arch: str) -> None:
    if data[:2] != b"MZ":
        raise _Unfit(_other(data) or "it has no MZ header")
    (offset,) = struct.unpack_from("<I", data, 0x3C)
    if data[offset : offset + 4] != b"PE\0\0":
        raise _Unfit("it has no PE header")
    machine, sections, _, _, _, optional_size, flags = struct.unpack_from("<HHIIIHH", data, offset + 4)
    _same_machine(machine, _PE_MACHINES, arch)
    (magic,) = struct.unpack_from("<H", data, offset + 24)
    if magic != _PE32_PLUS:
        raise _Unfit(f"it is not PE32+ (its magic is {magic:#x})")
    if not flags & _EXECUTABLE or flags & _DLL:
        raise _Unfit("it is a library, not a program")
    table = offset + 24 + optional_size
    for number in range(sections):
        size, start = struct.unpack_from("<II", data, table + 40 * number + 16)
        _inside(data, start + size)


def _check_elf(data: Data, arch: str) -> None:
    if data[:4] != b"\x7fELF":
        raise _Unfit(_other(data) or "it has no ELF header")
    if data[4] != 2 or data[5] != 1:
        raise _Unfit("it is not 64-bit, little-endian")
    kind, machine = struct.unpack_from("<HH", data, 16)
    _same_machine(machine, _ELF_MACHINES, arch)
    if kind not in (2, 3):  # executable, or position-independent
        raise _Unfit("it is an object file, not a program")
    segments_at, sections_at = struct.unpack_from("<QQ", data, 32)
    segment_size, segments, section_size, sections = struct.unpack_from("<HHHH", data, 54)
    _inside(data, sections_at + section_size * sections)
    for number in range(segments):
        start, _, _, size = struct.unpack_from("<QQQQ", data, segments_at + segment_size * number + 8)
        _inside(data, start + size)


def _same_machine(found: int, machines: dict[str, int], arch: str) -> None:
    if found != machines[arch]:
        names = {number: name for name, number in machines.items()}
        raise _Unfit(f"it is for {names.get(found, f'machine {found:#x}')}")


def _inside(data: Data, end: int) -> None:
    if end > len(data):
        raise _Unfit(f"it is cut off: {len(data)} bytes of at least {end}")


def _other(data: Data) -> str:
    """What a file of the wrong kind is, where that can be seen."""
    kinds = {b"MZ": "it is a Windows program", b"\x7fELF": "it is a Linux program", b"#!": "it is a script"}
    archives = {b"\x1f\x8b": "it is a gzip archive", b"PK": "it is a zip archive"}
    pages = {b"<": "it is a page of HTML or XML", b"version https://git-lfs": "it is a pointer to a large file"}
    return next((said for start, said in (kinds | archives | pages).items() if data[: len(start)] == start), "")
