"""Small files with the headers of programs, for tests."""

from __future__ import annotations

import struct


def pe(
    version: str | None = "v1.36.4",
    *,
    machine: int = 0x8664,
    magic: int = 0x20B,
    flags: int = 0x0022,
    times: int = 2,
    body: bytes = b"",
) -> bytes:
    """A PE program with one section, which holds the version as Go's linker keeps it."""
    text = body + b"".join(b"\0" * 8 + version.encode() + b"\0" for _ in range(times)) if version else body
    text += b"\0" * (-len(text) % 16 + 16)
    optional = struct.pack("<H", magic) + b"\0" * 238
    head = b"MZ" + b"\0" * 58 + struct.pack("<I", 0x40)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), flags)
    start = len(head) + len(coff) + len(optional) + 40
    section = struct.pack("<8sIIII", b".text", len(text), 0x1000, len(text), start) + b"\0" * 16
    return head + coff + optional + section + text


def elf(version: str | None = "v1.36.4", *, machine: int = 62, bits: int = 2, kind: int = 2) -> bytes:
    """An ELF program with one segment and an empty table of sections."""
    text = b"\0" * 8 + version.encode() + b"\0" if version else b""
    text += b"\0" * 16
    size = 64 + 56 + len(text)
    head = b"\x7fELF" + bytes([bits, 1, 1]) + b"\0" * 9
    head += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, size, 0, 64, 56, 1, 64, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 0x1000) + text
