"""Getting a file over HTTP (`web` is its only door) or from a folder: resumed, retried, counted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from urllib3.exceptions import HTTPError

from provision.artifacts.base import OnBytes
from provision.artifacts.retry import attempts
from provision.artifacts.space import FULL, Room, refused
from provision.artifacts.transfer import UNEXPECTED, Transfer, discard
from provision.artifacts.web import Again, Web, is_page, page_came, shown
from provision.clock import Deadline
from provision.errors import ArtifactError

_TEXT = 1 << 20  # bytes of a checksum or version file, at the most
_USUAL = Web()


def mirrored(url: str, mirrors: Mapping[str, str]) -> str:
    """The URL with the longest base that ``mirrors`` names replaced; a mirror may be a folder."""
    for base in sorted(mirrors, key=len, reverse=True):
        if url.startswith(base):
            return mirrors[base].rstrip("/") + "/" + url[len(base) :].lstrip("/")
    return url


def local(url: str) -> Path | None:
    """The file that a URL of a mirrored folder means, there or not; None for what HTTP has to get."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        return None
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else Path(url)


def text(url: str, deadline: Deadline, *, web: Web = _USUAL) -> str:
    """A small text file (a publisher's checksums, or what a word means).

    Raises:
        ArtifactError: it cannot be had, is a web page instead, or no text.
    """
    path = local(url)
    data = _there(path).read_bytes() if path else attempts(url, deadline, lambda: _small(url, web))
    if is_page(data):
        raise page_came(url, f"it begins with {data[:60].decode(errors='replace').strip()!r}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{shown(url)} is no text", details=repr(data[:40]), remedy=UNEXPECTED) from error


def length(url: str, *, web: Web = _USUAL) -> int | None:
    """How many bytes a file has; None where its server does not say. Nothing of it is fetched.

    Raises:
        ArtifactError: it is not there, or is a web page.
    """
    path = local(url)
    if path is not None:
        return _there(path).stat().st_size
    try:
        with web.get(url) as answer:
            said = answer.headers.get("Content-Length", "")
            return int(said) if said.isdecimal() else None
    except Again:
        return None


def file(
    url: str,
    target: Path,
    deadline: Deadline,
    on_bytes: OnBytes | None = None,
    stop: threading.Event | None = None,
    *,
    web: Web = _USUAL,
    size: int | None = None,
    room: Room | None = None,
    what: str = "",
) -> None:
    """Fetch a file into ``target``, going on from the bytes that are already there.

    Args:
        stop: ends it between two pieces, or while it waits.
        size: bytes that the file must have, if that is known.
        room: where disk space is asked for before the file is fetched.
        what: the artifact's name, for errors.

    Raises:
        ArtifactError: it cannot be had, is a web page instead, or was cut short too often; what came is
            kept in ``target`` for the next try, where that can be of use.
        HostError: the disk is full or may not be written.
        DeadlineExceeded: with the bytes that came.
    """
    wanted = Transfer(url, target, deadline, on_bytes, stop, web, size, room, what or target.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path = local(url)
        if path is not None:
            wanted.copy(_there(path))
        else:
            attempts(url, deadline, wanted.attempt, stop, lambda: wanted.have)
    except OSError as error:
        if error.errno in FULL:
            discard(target)
        raise refused(wanted.what, target.parent, error) from error


def _there(path: Path) -> Path:
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist", remedy="look at `mirrors` in the settings")
    return path


def _small(url: str, web: Web) -> bytes:
    with web.get(url) as answer:
        try:
            data: bytes = answer.raw.read(_TEXT + 1, decode_content=True)
        except HTTPError as error:
            raise Again("cut short") from error
    if len(data) > _TEXT:
        raise ArtifactError(f"{shown(url)} is too large for a text file", remedy=UNEXPECTED)
    return data
