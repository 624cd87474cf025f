"""Stand-ins: what the rehearsal has instead of programs.

A stand-in is a file whose first line says which program, version and platform it stands for; the rest
is padding that looks like nothing.  A real program that Go has built (for a build is real in a rehearsal, too) says
the same: its headers the platform, what Go keeps in it the program, and its stamp the version.  The models run either
as that program and refuse everything else, so that a wrong file in the right place fails as a wrong binary would.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass

from provision.build.pe import stamped_version

MARK = "hybrid stand-in: "
UNSTAMPED = "unstamped"
"""The version of a real program that shows none."""
_LINE = re.compile(
    rb"hybrid stand-in: (?P<program>[\w.-]+) (?P<version>[\w.+-]+) (?P<os>linux|windows)/(?P<arch>[a-z0-9]+)\n"
)

# Big enough that a transfer comes in several pieces, small enough that 33 machines fit a laptop.
PADDING = 96 * 1024


@dataclass(frozen=True)
class StandIn:
    """What a file stands for; ``program`` has no ``.exe``, ``version`` is as the publisher writes it."""

    program: str
    version: str
    os: str
    arch: str


def standin(program: str, version: str, os: str, arch: str = "amd64", *, size: int = PADDING) -> bytes:
    """The bytes of a stand-in; always the same for the same arguments.

    Args:
        program: name without ``.exe``.
        os: ``linux`` or ``windows``.
        size: bytes of padding.
    """
    line = f"{MARK}{program} {version} {os}/{arch}\n".encode()
    if not _LINE.fullmatch(line):
        raise ValueError(f"not a stand-in: {line!r}")
    return line + hashlib.shake_256(line).digest(size)


def read_standin(data: bytes) -> StandIn | None:
    """What these bytes stand for; None when they are no program, or a cut or corrupted one."""
    match = _LINE.match(data)
    if match is None:
        return _read_program(data)
    line = match.group(0)
    rest = data[len(line) :]
    if not rest or rest != hashlib.shake_256(line).digest(len(rest)):
        return None
    found = {key: value.decode() for key, value in match.groupdict().items()}
    return StandIn(**found)


# Real programs, by the SHA-256 of their bytes: they are tens of megabytes, and run often.
_KNOWN: dict[bytes, StandIn | None] = {}
# Where Go keeps what a program was built from (debug/buildinfo: magic, pointer size, flags; then two texts with
# their lengths in front, the second between 16 bytes of a mark on each side).
_BUILD_INFO = b"\xff Go buildinf:"
_INLINE = 2


def _read_program(data: bytes) -> StandIn | None:
    platform = _platform(data)
    if platform is None:
        return None
    digest = hashlib.sha256(data).digest()
    if digest not in _KNOWN:
        name = _main_package(data).rpartition("/")[2]
        version = stamped_version(data)
        # Programs that show no version (kube-log-runner) are stamped with none.
        _KNOWN[digest] = StandIn(name, f"v{version}" if version else UNSTAMPED, *platform) if name else None
    return _KNOWN[digest]


def _platform(data: bytes) -> tuple[str, str] | None:
    """System and architecture by the headers; None for anything but 64-bit PE and ELF."""
    try:
        if data[:2] == b"MZ":
            (offset,) = struct.unpack_from("<I", data, 0x3C)
            machine, magic = struct.unpack_from("<4xH18xH", data, offset)
            if data[offset : offset + 4] != b"PE\0\0" or magic != 0x20B:
                return None
            return ("windows", {0x8664: "amd64", 0xAA64: "arm64"}.get(machine, "other"))
        if data[:6] == b"\x7fELF\x02\x01":
            return ("linux", {62: "amd64", 183: "arm64"}.get(struct.unpack_from("<H", data, 18)[0], "other"))
    except struct.error:
        pass
    return None


def _main_package(data: bytes) -> str:
    """The path of the main package that Go built; empty when it cannot be read."""
    at = data.find(_BUILD_INFO)
    while at >= 0 and at % 16:  # it is aligned; the same text may stand elsewhere, as it does in Go itself
        at = data.find(_BUILD_INFO, at + 1)
    if at < 0 or not data[at + 15] & _INLINE:
        return ""
    try:
        _, after = _text(data, at + 32)
        module, _ = _text(data, after)
    except IndexError:
        return ""
    found = re.search(rb"^path\t(\S+)$", module[16:-16], re.MULTILINE)
    return found[1].decode() if found else ""


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    """A text with its length as a variable-length number before it, and where it ends."""
    length = shift = 0
    while data[at] & 0x80:
        length |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
    length |= data[at] << shift
    return data[at + 1 : at + 1 + length], at + 1 + length
