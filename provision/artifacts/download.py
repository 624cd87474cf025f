"""Getting a file over HTTP or from a folder: resumed, retried, counted. The only door to HTTP for artifacts."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from urllib3.exceptions import HTTPError

from provision import clock
from provision.artifacts.base import OnBytes
from provision.artifacts.space import FULL, Room, refused
from provision.artifacts.web import LONGEST_WAIT, Again, Web, is_page, page_came, shown
from provision.clock import Deadline
from provision.errors import ArtifactError

T = TypeVar("T")

# In a row without a new byte; a connection that breaks every ten megabytes still ends.
_ATTEMPTS = 5
_PIECE = 1 << 18
_TEXT = 1 << 20  # bytes of a checksum or version file, at the most
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_USUAL = Web()
_UNEXPECTED = "look at `mirrors` in the settings: what answers there is not what its publisher has"


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
    data = _there(path).read_bytes() if path else _attempts(url, deadline, lambda: _small(url, web))
    if is_page(data):
        raise page_came(url, f"it begins with {data[:60].decode(errors='replace').strip()!r}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{shown(url)} is no text", details=repr(data[:40]), remedy=_UNEXPECTED) from error


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
    wanted = _Transfer(url, target, deadline, on_bytes, stop, web, size, room, what or target.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path = local(url)
        if path is not None:
            wanted.copy(_there(path))
        else:
            _attempts(url, deadline, wanted.attempt, stop, lambda: wanted.have)
    except OSError as error:
        if error.errno in FULL:
            discard(target)
        raise refused(wanted.what, target.parent, error) from error


def discard(part: Path) -> None:
    """Throw away what came of a file, and what is known of it."""
    for path in (part, _mark(part)):
        path.unlink(missing_ok=True)


def finished(part: Path) -> None:
    """Forget what was known of a part that has become a file."""
    _mark(part).unlink(missing_ok=True)


def _mark(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _there(path: Path) -> Path:
    if not path.is_file():
        raise ArtifactError(f"{path} does not exist", remedy="look at `mirrors` in the settings")
    return path


@dataclass
class _Transfer:
    """One file on its way; `have` is how many bytes of it are here."""

    url: str
    target: Path
    deadline: Deadline
    on_bytes: OnBytes | None
    stop: threading.Event | None
    web: Web
    size: int | None
    room: Room | None
    what: str
    have: int = 0

    def attempt(self) -> None:
        """Fetch what is missing.

        Raises:
            Again: it broke off; another attempt goes on.
        """
        self.have = self.target.stat().st_size if self.target.exists() else 0
        with self.web.get(self.url, self._asking()) as answer:
            if answer.status_code == 416:
                self._anew("what is here is longer than what is published")
            total = self._agree(answer)
            try:
                self._write(answer.raw.stream(_PIECE, decode_content=False), total, "ab" if self.have else "wb")
            except HTTPError as error:
                raise Again(f"cut short: {self.have} of {total or 'unknown'} bytes") from error
            if total is not None and self.have != total:
                raise Again(f"cut short: {self.have} of {total} bytes")

    def copy(self, source: Path) -> None:
        """Copy it from a mirrored folder, from the start."""
        discard(self.target)
        total = source.stat().st_size
        self._fits(total)
        with source.open("rb") as stream:
            self._write(iter(lambda: stream.read(_PIECE), b""), total, "wb")

    def _asking(self) -> dict[str, str]:
        if not self.have:
            return {}
        known = self._known().get("validator")
        return {"Range": f"bytes={self.have}-"} | ({"If-Range": str(known)} if known else {})

    def _agree(self, answer: requests.Response) -> int | None:
        """Whether this answer goes on from what is here; returns the bytes of the whole file, if known."""
        etag = answer.headers.get("ETag", "")
        length = answer.headers.get("Content-Length", "")
        if answer.status_code == 206:
            match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if match is None or not self.have or int(match[1]) != self.have:
                self._anew("the server sent another part than the one asked for")
            total = None if match[3] == "*" else int(match[3])
            known = self._known()
            if known.get("etag", etag) != etag or known.get("total", total) != total:
                self._anew("the file at the publisher's has changed since its first part came")
        else:
            self.have = 0
            total = int(length) if length.isdecimal() else None
        self._fits(total)
        if answer.status_code != 206:
            # A weak tag promises no equal bytes, so it may not stand in If-Range (RFC 9110, 13.1.5).
            strong = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
            row = {"validator": strong, "etag": etag, "total": total}
            _mark(self.target).write_text(json.dumps({key: value for key, value in row.items() if value}))
        return total

    def _fits(self, total: int | None) -> None:
        if total == 0:
            discard(self.target)
            raise ArtifactError(f"{self.what}: {shown(self.url)} is empty", remedy=_UNEXPECTED)
        if self.size is not None and total is not None and total != self.size:
            discard(self.target)
            raise ArtifactError(
                f"{self.what}: the file from {shown(self.url)} is not the one expected",
                details=f"it has {total} bytes, artifacts.lock.yaml pins {self.size}",
                remedy="nothing was kept; run `invoke lock` if its publisher has replaced it on purpose, "
                "else look at `mirrors`",
            )

    def _write(self, pieces: Iterable[bytes], total: int | None, mode: str) -> None:
        claim = self.room.claim(self.what, total - self.have) if self.room and total else nullcontext(lambda _: None)
        with claim as left:
            checked = self._no_page(iter(pieces)) if mode == "wb" else pieces
            with self.target.open(mode) as out:
                for piece in checked:
                    out.write(piece)
                    self.have += len(piece)
                    left((total or self.have) - self.have)
                    if self.on_bytes:
                        self.on_bytes(self.have, total)
                    _unless_stopped(self.url, self.stop)
                    self.deadline.check(f"{self.have} of {total or 'unknown'} bytes of {shown(self.url)}")
        if self.have == 0:
            self._fits(0)

    def _no_page(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        first = next(pieces, b"")
        if is_page(first):
            discard(self.target)
            raise page_came(self.url, f"it begins with {first[:60].decode(errors='replace').strip()!r}")
        if first:
            yield first
        yield from pieces

    def _known(self) -> dict[str, object]:
        try:
            found = json.loads(_mark(self.target).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _anew(self, why: str) -> NoReturn:
        discard(self.target)
        raise Again(why)


def _small(url: str, web: Web) -> bytes:
    with web.get(url) as answer:
        try:
            data: bytes = answer.raw.read(_TEXT + 1, decode_content=True)
        except HTTPError as error:
            raise Again("cut short") from error
    if len(data) > _TEXT:
        raise ArtifactError(f"{shown(url)} is too large for a text file", remedy=_UNEXPECTED)
    return data


def _attempts(
    url: str,
    deadline: Deadline,
    attempt: Callable[[], T],
    stop: threading.Event | None = None,
    progress: Callable[[], int] = lambda: 0,
) -> T:
    failures, best = 0, progress()
    seen: list[str] = []
    while True:
        try:
            return attempt()
        except Again as error:
            last = error
        if str(last) not in seen:
            seen.append(str(last))
        failures = 1 if progress() > best else failures + 1
        best = max(best, progress())
        # Not at the same moment as all others whose connection broke with ours.
        wait = max(last.wait or 0.0, 0.5 * 2**failures * random.uniform(0.7, 1.0))
        if failures >= _ATTEMPTS or wait > min(LONGEST_WAIT, deadline.remaining()):
            break
        _pause(url, wait, stop)
    if last.wait and last.wait > LONGEST_WAIT:
        seen.append(f"it asks us to wait {last.wait:.0f} s")
    raise ArtifactError(
        f"cannot fetch {shown(url)}",
        details=f"{failures} tries in a row without a new byte: {'; '.join(seen[-5:])}",
        remedy="look at the network, at `network.proxy` and at `mirrors` in the settings, then run this again: "
        "it goes on from what came",
    ) from last


def _pause(url: str, seconds: float, stop: threading.Event | None) -> None:
    while seconds > 0:
        _unless_stopped(url, stop)
        clock.sleep(min(0.2, seconds))
        seconds -= 0.2


def _unless_stopped(url: str, stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise ArtifactError(f"stopped while fetching {shown(url)}", remedy="run it again: it goes on from here")
