"""One file on its way: what is here, what is asked for, and whether the answer goes on from it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import requests
from urllib3.exceptions import HTTPError

from provision.artifacts.base import OnBytes
from provision.artifacts.retry import unless_stopped
from provision.artifacts.space import Room
from provision.artifacts.web import Again, Web, is_page, page_came, shown
from provision.clock import Deadline
from provision.errors import ArtifactError

_PIECE = 1 << 18
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
UNEXPECTED = "look at `mirrors` in the settings: what answers there is not what its publisher has"


def discard(part: Path) -> None:
    """Throw away what came of a file, and what is known of it."""
    for path in (part, _mark(part)):
        path.unlink(missing_ok=True)


def finished(part: Path) -> None:
    """Forget what was known of a part that has become a file."""
    _mark(part).unlink(missing_ok=True)


def _number(said: object) -> int | None:
    return said if isinstance(said, int) else None


def _mark(part: Path) -> Path:
    return part.with_name(part.name + ".json")


@dataclass
class Transfer:
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
            known = self._known()
            # A server need not know how long the file is in all (RFC 9110, 14.4): then what it said first stays.
            total = _number(known.get("total")) if match[3] == "*" else int(match[3])
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
            raise ArtifactError(f"{self.what}: {shown(self.url)} is empty", remedy=UNEXPECTED)
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
                    unless_stopped(self.url, self.stop)
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
