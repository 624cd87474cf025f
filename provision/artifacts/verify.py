"""What came is what was wanted: whole archives whose members stay inside, programs for the right system.

Looked at on the host, once, before a file is adopted into the cache; on machines nothing is unpacked that was not
looked at here.  A publisher's digest says that a file is the published one; this says that it can be used.
"""

from __future__ import annotations

import errno
import gzip
import posixpath
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from provision.artifacts.base import ArtifactSpec, Os
from provision.errors import ArtifactError

# Largest that a release's archive unpacks to, with room: kubernetes-test of one platform is below 1 GiB.
_UNPACKED = 4 << 30
_MEMBERS = 50_000
# gzip reaches about 1000 on zeros; programs reach 3 to 5. Small archives may compress as well as they like.
_RATIO, _SMALL = 100, 64 << 20
_PIECE = 1 << 20
# What ELF and PE call the processor. Sources: the ELF specification's e_machine, Microsoft's PE format.
_ELF = {"amd64": 62, "arm64": 183}
_PE = {"amd64": 0x8664, "arm64": 0xAA64}
_AGAIN = "run it again; if it stays so, look at `mirrors`, or at the file itself at its publisher's"


@dataclass(frozen=True)
class _Member:
    """One entry of an archive; ``link`` is where a link leads, ``odd`` what is neither file, folder nor link."""

    name: str
    size: int
    is_file: bool
    link: str | None = None
    odd: str = ""


def require_usable(spec: ArtifactSpec, path: Path, *, programs: bool = True) -> None:
    """The file is the kind of file that its spec says.

    Args:
        programs: look at programs, too; a rehearsal's stand-ins are none.

    Raises:
        ArtifactError: an archive is damaged, dangerous or lacks its member; a program is for another system.
    """
    kind = archive_kind(spec.url)
    if kind == "tar.gz":
        _judge_archive(spec, path, _tar_members(spec, path, programs=programs))
    elif kind == "zip":
        _judge_archive(spec, path, _zip_members(spec, path, programs=programs))
    elif programs and spec.os is not None and spec.maker is None:
        with path.open("rb") as stream:
            _judge_program(spec, spec.name, stream.read(4096), spec.os)


def archive_kind(url: str) -> str | None:
    """``tar.gz`` or ``zip`` by a URL's ending; None for what is no archive (an image's is judged by its maker)."""
    if url.endswith((".tar.gz", ".tgz")):
        return "tar.gz"
    return "zip" if url.endswith(".zip") else None


def _judge_archive(spec: ArtifactSpec, path: Path, members: Iterator[_Member]) -> None:
    packed = path.stat().st_size
    found, unpacked = 0, 0
    links: set[str] = set()
    wanted = spec.member is None
    for number, member in enumerate(members, 1):
        name = _inside(spec, member.name)
        if any(parent in links for parent in _parents(name)):
            raise _bad(spec, f"its member {member.name!r} is written through a link")
        if member.odd:
            raise _bad(spec, f"its member {member.name!r} is {member.odd}, not a file")
        if member.link is not None:
            _inside(spec, member.link, by=member.name)
            links.add(name)
        unpacked += member.size
        if unpacked > _UNPACKED or number > _MEMBERS or (unpacked > _SMALL and unpacked > _RATIO * packed):
            raise _bad(
                spec,
                "it unpacks to far more than such an archive holds",
                f"{packed} bytes hold at least {unpacked} bytes in {number} members",
            )
        if member.is_file:
            found += 1
            wanted = wanted or (name == spec.member and member.size > 0)
    if not found:
        raise _bad(spec, "it is an archive without a file")
    if not wanted:
        raise _bad(spec, f"it has no file {spec.member}", f"{found} other files are in it")


def _parents(name: str) -> Iterator[str]:
    while name := posixpath.dirname(name):
        yield name


def _inside(spec: ArtifactSpec, path: str, *, by: str = "") -> str:
    """The plain form of a member's path; what leaves the folder into which it is unpacked is refused."""
    told = f"its member {by!r} links out of its folder, to {path!r}" if by else f"its member {path!r} climbs out"
    if path.startswith("/") or "\\" in path or re.match("[A-Za-z]:", path) or "\0" in path:
        raise _bad(spec, told)
    plain = posixpath.normpath(posixpath.join(posixpath.dirname(by), path) if by else path)
    if plain == ".." or plain.startswith("../"):
        raise _bad(spec, told)
    return plain


def _tar_members(spec: ArtifactSpec, path: Path, *, programs: bool) -> Iterator[_Member]:
    with path.open("rb") as raw:
        start = raw.read(4)
        raw.seek(0)
        if start[:2] != b"\x1f\x8b":
            seen = "a zip archive" if start == b"PK\x03\x04" else f"something that begins with {start!r}"
            raise _bad(spec, "it is no tar.gz archive", f"it is {seen}")
        try:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                # A stream: what follows is read once, whole, so that the checksum at gzip's end is checked.
                with tarfile.open(fileobj=cast(BinaryIO, unpacked), mode="r|") as tar:
                    for info in tar:
                        if programs and info.isreg() and posixpath.normpath(info.name) == spec.member and spec.os:
                            stream = tar.extractfile(info)
                            _judge_program(spec, info.name, stream.read(4096) if stream else b"", spec.os)
                        yield _of_tar(info)
                left = 0
                while piece := unpacked.read(_PIECE):
                    left += len(piece)
                    if left > _SMALL:
                        raise _bad(spec, "it goes on long after its archive's end")
        except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError) as error:
            cut = isinstance(error, EOFError) or "unexpected end" in str(error)
            raise _bad(spec, "its archive is cut short" if cut else "its archive is damaged", str(error)) from error


def _of_tar(info: tarfile.TarInfo) -> _Member:
    if info.isreg():
        return _Member(info.name, info.size, True)
    if info.isdir():
        return _Member(info.name, 0, False)
    if info.issym():
        return _Member(info.name, 0, False, link=info.linkname)
    if info.islnk():
        # A hard link names another member from the archive's root, not from beside itself.
        up = "../" * posixpath.normpath(info.name).count("/")
        return _Member(info.name, 0, False, link=info.linkname if info.linkname.startswith("/") else up + info.linkname)
    odd = "a device" if info.ischr() or info.isblk() else "a pipe" if info.isfifo() else "of an unknown kind"
    return _Member(info.name, 0, False, odd=odd)


def _zip_members(spec: ArtifactSpec, path: Path, *, programs: bool) -> Iterator[_Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                mode = info.external_attr >> 16
                if info.flag_bits & 1:
                    raise _bad(spec, f"its member {info.filename!r} is encrypted")
                if stat.S_ISLNK(mode):
                    yield _Member(info.filename, 0, False, link=archive.read(info)[:4096].decode(errors="replace"))
                    continue
                yield _Member(info.filename, info.file_size, not info.is_dir())
                with archive.open(info) as stream:
                    start = stream.read(4096)
                    if programs and spec.os and posixpath.normpath(info.filename) == spec.member:
                        _judge_program(spec, info.filename, start, spec.os)
                    while stream.read(_PIECE):
                        """To its end, where its checksum is checked."""
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, struct.error) as error:
        raise _bad(spec, "its archive is damaged", str(error)) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's beginning; all else is the disk's own trouble
            raise
        raise _bad(spec, "its archive is damaged", "a part of it is said to lie outside of it") from error


def _judge_program(spec: ArtifactSpec, name: str, start: bytes, os: Os) -> None:
    """The first bytes of a program say for which system and processor it was made."""
    seen = _made_for(start)
    if seen != f"{os}/{spec.arch}":
        raise _bad(spec, f"{name} is no program for {os}/{spec.arch}", f"it is {seen or 'no program'}")


def _made_for(start: bytes) -> str | None:
    if start[:4] == b"\x7fELF" and len(start) >= 20:
        # Byte 4: 2 is 64 bits; byte 5: 1 is little-endian.
        machine = struct.unpack_from("<H", start, 18)[0]
        named = {number: arch for arch, number in _ELF.items()} if start[4:6] == b"\x02\x01" else {}
        return f"linux/{named.get(machine, f'ELF machine {machine}')}"
    if start[:2] == b"MZ" and len(start) >= 64:
        at = struct.unpack_from("<I", start, 60)[0]
        if start[at : at + 4] == b"PE\0\0" and len(start) >= at + 6:
            machine = struct.unpack_from("<H", start, at + 4)[0]
            return (
                f"windows/{ {number: arch for arch, number in _PE.items()}.get(machine, f'PE machine {machine:#x}') }"
            )
    return None


def _bad(spec: ArtifactSpec, what: str, details: str = "") -> ArtifactError:
    return ArtifactError(
        f"{spec.name} {spec.version}: {what}",
        details="\n".join(filter(None, (details, f"it came from {spec.url} and was thrown away"))),
        remedy=_AGAIN,
    )
