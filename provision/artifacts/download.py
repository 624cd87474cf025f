"""Getting a file over HTTP or from a folder: resumed, retried, counted. The only door to HTTP for artifacts."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests

from provision import clock
from provision.artifacts.base import OnBytes
from provision.clock import Deadline
from provision.errors import ArtifactError

T = TypeVar("T")

_ATTEMPTS = 5
_CONNECT, _READ = 10.0, 60.0  # seconds
_PIECE = 1 << 18
# Answers that asking again does not change.
_FINAL = frozenset({400, 401, 403, 404, 405, 410})


def mirrored(url: str, mirrors: Mapping[str, str]) -> str:
    """The URL with the longest base that ``mirrors`` names replaced; a mirror may be a folder."""
    for base in sorted(mirrors, key=len, reverse=True):
        if url.startswith(base):
            return mirrors[base].rstrip("/") + "/" + url[len(base) :].lstrip("/")
    return url


class _Again(Exception):
    """The attempt failed in a way that another may mend."""


def text(url: str, deadline: Deadline, *, proxy: str | None = None) -> str:
    """A small text file (a publisher's checksums).

    Args:
        proxy: URL of an HTTP proxy; None leaves it to the environment's variables.

    Raises:
        ArtifactError: it cannot be had, or is a web page instead.
    """
    return _attempts(url, deadline, lambda: _small(url, proxy))


def file(
    url: str,
    target: Path,
    deadline: Deadline,
    on_bytes: OnBytes | None = None,
    stop: threading.Event | None = None,
    *,
    proxy: str | None = None,
) -> None:
    """Fetch a file into ``target``, going on from the bytes that are already there.

    Args:
        proxy: as for `text`.

    Raises:
        ArtifactError: it cannot be had, is a web page instead, or was cut short too often; what came is
            kept in ``target`` for the next try.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    local = _local_file(url)
    if local is not None:
        shutil.copyfile(local, target)
        return
    _attempts(url, deadline, lambda: _stream(url, target, deadline, on_bytes, stop, proxy))


def _local_file(url: str) -> Path | None:
    """The file that a URL of a mirrored folder means; None for what HTTP has to get."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        return None
    local = Path(url2pathname(parts.path)) if parts.scheme == "file" else Path(url)
    if not local.is_file():
        raise ArtifactError(f"{local} does not exist", remedy="look at `mirrors` in the settings")
    return local


def _attempts(url: str, deadline: Deadline, attempt: Callable[[], T]) -> T:
    last = ""
    for number in range(_ATTEMPTS):
        if number:
            clock.sleep(min(0.5 * 2**number, deadline.remaining()))
        if deadline.expired:
            break
        try:
            return attempt()
        except (_Again, requests.RequestException) as error:
            last = str(error)
    raise ArtifactError(
        f"cannot fetch {url}",
        details=f"last of several tries: {last}",
        remedy="look at the network, at `network.proxy` and at `mirrors` in the settings, then run this again",
    )


def _small(url: str, proxy: str | None) -> str:
    local = _local_file(url)
    if local is not None:
        return local.read_text()
    with requests.get(url, timeout=(_CONNECT, _READ), proxies=_proxies(proxy)) as answer:
        _judge(url, answer)
        return answer.text


def _stream(
    url: str,
    target: Path,
    deadline: Deadline,
    on_bytes: OnBytes | None,
    stop: threading.Event | None,
    proxy: str | None,
) -> None:
    have = target.stat().st_size if target.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    limits = (_CONNECT, _READ)
    with requests.get(url, headers=headers, stream=True, timeout=limits, proxies=_proxies(proxy)) as answer:
        if answer.status_code == 416:
            # What is there is not the beginning of what is published (or already all of it): once more.
            target.unlink()
            raise _Again("the part that was there does not fit")
        _judge(url, answer)
        resumed = answer.status_code == 206
        have = have if resumed else 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        with target.open("ab" if resumed else "wb") as out:
            for piece in answer.iter_content(_PIECE):
                out.write(piece)
                have += len(piece)
                if on_bytes:
                    on_bytes(have, total)
                if stop is not None and stop.is_set():
                    raise ArtifactError(f"stopped while fetching {url}", remedy="run it again: it goes on from here")
                deadline.check(f"{have} of {total} bytes of {url}")
    if total is not None and have != total:
        raise _Again(f"cut short: {have} of {total} bytes")


def _proxies(proxy: str | None) -> dict[str, str] | None:
    return {"http": proxy, "https": proxy} if proxy else None


def _judge(url: str, answer: requests.Response) -> None:
    if answer.status_code in _FINAL:
        raise ArtifactError(
            f"{url}: the server says {answer.status_code} {answer.reason}",
            remedy="does this version exist? look at the settings and at `mirrors`",
        )
    if answer.status_code not in (200, 206):
        raise _Again(f"the server says {answer.status_code} {answer.reason}")
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        raise ArtifactError(
            f"{url}: a web page came instead of the file",
            details=f"Content-Type: {kind}",
            remedy="a login page or proxy stands between; look at `network.proxy` and `mirrors`",
        )
