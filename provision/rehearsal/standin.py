"""Stand-ins: what the rehearsal has instead of programs.

A stand-in is a file whose first line says which program, version and platform it stands for; the rest
is padding that looks like nothing.  The models run a stand-in as that program and refuse everything else,
so that a wrong file in the right place fails as a wrong binary would.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

MARK = "hybrid stand-in: "
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
    """What these bytes stand for; None when they are no stand-in, or a cut or corrupted one."""
    match = _LINE.match(data)
    if match is None:
        return None
    line = match.group(0)
    rest = data[len(line) :]
    if not rest or rest != hashlib.shake_256(line).digest(len(rest)):
        return None
    found = {key: value.decode() for key, value in match.groupdict().items()}
    return StandIn(**found)
