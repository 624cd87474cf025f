"""One pass over an archive of images: every file hashed, small documents kept, memory flat."""

from __future__ import annotations

import hashlib
import tarfile
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from provision.errors import ArtifactError

_PIECE = 1 << 20
_SIP = 1 << 14  # decompresses to 17 MB at the most
_DOCUMENT = 4 << 20  # bytes; no registry takes a longer manifest (distribution's limit)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
ANEW = "get or export the archive anew; `ctr -n k8s.io images export --platform OS/ARCH FILE NAME` makes one"


@dataclass(frozen=True)
class Blob:
    """A file in an archive.

    Attributes:
        size: bytes.
        sha256: of the file as it is, hex.
        diff: of its content once decompressed; None for zstd, which Python 3.11 cannot read.
        content: the file itself, if it is short and may be JSON.
    """

    size: int
    sha256: str
    diff: str | None
    content: bytes | None


def wrong(path: Path, what: str, details: str = "", remedy: str = ANEW) -> ArtifactError:
    """The complaint about an archive."""
    return ArtifactError(f"{path}: {what}", details=details, remedy=remedy)


def scan(path: Path, stop: threading.Event | None = None) -> dict[str, Blob]:
    """All files of a tar archive (compressed or not) by name; links stand for the files that they name.

    Raises:
        ArtifactError: it is no tar, is cut short, or has members that no archive of images has.
    """
    files: dict[str, Blob] = {}
    links: dict[str, str] = {}
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                name = _safe(path, member.name)
                if member.isdir():
                    continue
                if name in files or name in links:
                    raise wrong(path, f"it holds {name} twice")
                if member.issym() or member.islnk():
                    # A symbolic link is relative to its own place, a hard link to the archive's top.
                    base = PurePosixPath(name).parent if member.issym() else PurePosixPath()
                    links[name] = _safe(path, _joined(base, member.linkname))
                    continue
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None:
                    raise wrong(path, f"{name} is neither a file nor a folder nor a link")
                files[name] = _measured(path, name, stream, member.size, stop)
    except tarfile.ReadError as error:
        short = "unexpected end" in str(error)
        raise wrong(path, "the archive is cut short" if short else "it is no tar archive", str(error)) from error
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise wrong(path, "the archive is damaged or cut short", str(error)) from error
    except OSError as error:
        if error.errno is not None:  # the file system's own trouble; gzip's and lzma's have no number
            raise
        raise wrong(path, "the archive is damaged or cut short", str(error)) from error
    for name, target in links.items():
        if target not in files:
            raise wrong(path, f"{name} is a link to {target}, which is not in the archive")
        files[name] = files[target]
    return files


def _safe(path: Path, name: str) -> str:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name:
        raise wrong(path, f"a member climbs out of the archive: {name}", remedy="do not use this archive")
    return str(parts)


def _joined(base: PurePosixPath, target: str) -> str:
    """A link's target as seen from the archive's top; what climbs above it keeps its dots and is refused."""
    if target.startswith("/"):
        return target
    parts: list[str] = list(base.parts)
    for part in PurePosixPath(target).parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _measured(path: Path, name: str, stream: IO[bytes], size: int, stop: threading.Event | None) -> Blob:
    whole, inside = hashlib.sha256(), None
    kept: list[bytes] | None = [] if size <= _DOCUMENT else None
    first = stream.read(_PIECE)
    kind, piece = first[:4], first
    if kind.startswith(_GZIP):
        inside = _Inside()
    if kind.lstrip()[:1] not in (b"{", b"["):
        kept = None
    while piece:
        if stop is not None and stop.is_set():
            raise ArtifactError(f"stopped while reading {path}", remedy="run it again")
        whole.update(piece)
        if kept is not None:
            kept.append(piece)
        if inside is not None:
            try:
                inside.update(piece)
            except zlib.error as error:
                raise wrong(path, f"{name} is compressed and damaged", str(error)) from error
        piece = stream.read(_PIECE)
    digest = whole.hexdigest()
    if inside is not None and not inside.complete:
        raise wrong(path, f"{name} is compressed and cut short")
    diff = inside.hexdigest() if inside is not None else None if kind == _ZSTD else digest
    return Blob(size, digest, diff, b"".join(kept) if kept is not None else None)


class _Inside:
    """The digest of what a gzip stream holds, without holding it; several members in a row are one content."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._inflate = zlib.decompressobj(31)

    def update(self, data: bytes) -> None:
        """The next bytes of the stream."""
        for start in range(0, len(data), _SIP):
            rest = data[start : start + _SIP]
            while rest:
                if self._inflate.eof:
                    if not rest.strip(b"\0"):
                        break  # padding
                    self._inflate = zlib.decompressobj(31)
                self._hash.update(self._inflate.decompress(rest))
                rest = self._inflate.unused_data

    @property
    def complete(self) -> bool:
        """Whether the stream came to its end."""
        return self._inflate.eof

    def hexdigest(self) -> str:
        """SHA-256 of the content so far, hex."""
        return self._hash.hexdigest()
