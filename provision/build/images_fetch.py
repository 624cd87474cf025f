"""Documents and blobs of one image: from the registry's mirrors, then itself, each some times, resumed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from provision import clock
from provision.artifacts.download import mirrored
from provision.artifacts.web import shown
from provision.build.images_http import Access, Conversation, Failed, is_loopback
from provision.build.images_names import Reference
from provision.build.images_oci import INDEXES, MANIFESTS
from provision.clock import Deadline
from provision.errors import ArtifactError

_ATTEMPTS, _ATTEMPTS_OF_A_MIRROR = 5, 2  # where another address follows, a dead one is not waited for
_PIECE = 1 << 18
_DOCUMENT = 4 << 20  # bytes; no registry takes a longer manifest
_LONGEST_PAUSE = 30.0  # seconds that a registry may ask us to wait between two tries
_ACCEPT = ", ".join(sorted(INDEXES | MANIFESTS))
_LOOK = "look at `mirrors`, `network.registries` and `network.proxy` in the settings"
T = TypeVar("T")


class _Again(Exception):
    """The attempt failed in a way that another may mend; ``pause`` in seconds is what the server asks for."""

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(why)
        self.pause = pause


class Fetching:
    """Fetches what belongs to one image; for one thread.

    Args:
        image: its tag and digest do not matter here.
        offline: everything asked for is refused, naming it.
    """

    def __init__(
        self, image: Reference, access: Access, deadline: Deadline, stop: threading.Event | None, *, offline: bool
    ) -> None:
        self.image = image
        self.deadline = deadline
        self._access = access
        self._stop = stop
        self._offline = offline
        self._talk = Conversation(image, access)

    def close(self) -> None:
        """End its connections."""
        self._talk.close()

    def document(self, wanted: str) -> tuple[bytes, str]:
        """A manifest or index by tag or digest, unchecked, and the digest that the registry says it has (or nothing).

        Raises:
            ArtifactError: no address has it, lets us in, or can be reached.
        """
        return self._in_turn(f"manifests/{wanted}", self._document)

    def blob(self, digest: str, size: int, part: Path, progress: Callable[[int], None]) -> None:
        """A blob of a size, unchecked, into ``part``; goes on from the bytes there. Errors as `document`."""
        part.parent.mkdir(parents=True, exist_ok=True)
        self._in_turn(f"blobs/{digest}", lambda url: self._blob(url, size, part, progress))

    def _in_turn(self, what: str, attempt: Callable[[str], T]) -> T:
        if self._offline:
            raise ArtifactError(
                f"{self.image} is not in the cache, and --offline forbids to fetch it",
                details=f"lacking: {what}",
                remedy="run once without --offline, or give the image as an archive in `images.archives`",
            )
        host = self.image.api_host
        own = f"{'http' if is_loopback(host) else 'https'}://{host}"
        said: list[str] = []
        for base in self._access.registries.get(self.image.host, ()):
            try:
                return self._attempts(self._url(base, what), attempt, _ATTEMPTS_OF_A_MIRROR)
            except ArtifactError as error:
                self._go_on()
                said.append(error.what)
        try:
            return self._attempts(self._url(own, what), attempt, _ATTEMPTS)
        except ArtifactError as error:
            error.details = "\n".join([*said, error.details]).strip()
            raise

    def _url(self, base: str, what: str) -> str:
        return mirrored(f"{base.rstrip('/')}/v2/{self.image.path}/{what}", self._access.mirrors())

    def _attempts(self, url: str, attempt: Callable[[str], T], times: int) -> T:
        last, pause = "", 0.0
        for number in range(times):
            if number:
                clock.sleep(min(max(0.5 * 2**number, pause), self.deadline.remaining()))
            self.deadline.check(last)
            self._go_on()
            try:
                return attempt(url)
            except (_Again, Failed) as error:
                last, pause = str(error), getattr(error, "pause", 0.0)
        raise ArtifactError(
            f"{self.image}: {shown(url)} cannot be fetched",
            details=f"last of several tries: {last}",
            remedy=f"look at the network; {_LOOK}; then run this again",
        )

    def _document(self, url: str) -> tuple[bytes, str]:
        local = self._local(url)
        if local is not None:
            return local.read_bytes(), ""
        with self._talk.get(url, {"Accept": _ACCEPT}, self.deadline) as answer:
            self._judge(url, answer.status_code, answer.reason, answer.headers)
            data = b""
            for piece in answer.iter_content(_PIECE):
                data += piece
                if len(data) > _DOCUMENT:
                    raise ArtifactError(f"{self.image}: {shown(url)} answers with more than a manifest", remedy=_LOOK)
            return data, answer.headers.get("Docker-Content-Digest", "")

    def _blob(self, url: str, size: int, part: Path, progress: Callable[[int], None]) -> None:
        local = self._local(url)
        if local is not None:
            shutil.copyfile(local, part)
            return
        have = part.stat().st_size if part.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._talk.get(url, headers, self.deadline) as answer:
            if answer.status_code == 416:
                part.unlink()
                raise _Again("the part that was there does not fit")
            self._judge(url, answer.status_code, answer.reason, answer.headers)
            have = have if answer.status_code == 206 else 0
            with part.open("ab" if have else "wb") as out:
                try:
                    for piece in answer.iter_content(_PIECE):
                        out.write(piece)
                        have += len(piece)
                        if have > size:
                            break
                        progress(have)
                        self._go_on()
                        self.deadline.check(f"{have} of {size} bytes of {self.image}")
                except Failed as error:
                    raise _Again(f"cut short: {have} of {size} bytes") from error
        if have > size:
            part.unlink()
            raise ArtifactError(f"{self.image}: {shown(url)} answers with more than its {size} bytes", remedy=_LOOK)
        if have < size:
            raise _Again(f"cut short: {have} of {size} bytes")

    def _local(self, url: str) -> Path | None:
        """The file that a URL of a mirrored folder means; None for what HTTP has to get."""
        parts = urlsplit(url)
        if parts.scheme not in ("", "file"):
            return None
        local = Path(url2pathname(parts.path)) if parts.scheme else Path(url)
        if not local.is_file():
            raise ArtifactError(f"{self.image}: {local} does not exist", remedy="look at `mirrors` in the settings")
        return local

    def _judge(self, url: str, status: int, reason: str, headers: Mapping[str, str]) -> None:
        if status in (400, 404, 405, 410):
            raise ArtifactError(
                f"{self.image} is not there: {urlsplit(shown(url)).netloc} says {status} {reason}",
                details=shown(url),
                remedy=f"does this version exist? {_LOOK}",
            )
        if status not in (200, 206):
            pause = 0.0
            with suppress(ValueError):  # it may be a date, too: then our own pauses have to do
                pause = min(float(headers.get("Retry-After", "0")), _LONGEST_PAUSE)
            raise _Again(f"the server says {status} {reason}", pause)
        kind = headers.get("Content-Type", "")
        if kind.startswith("text/html"):
            raise ArtifactError(
                f"{self.image}: a web page came from {urlsplit(shown(url)).netloc} instead of the image",
                details=f"Content-Type: {kind}",
                remedy=f"a login page or proxy stands between; {_LOOK}",
            )

    def _go_on(self) -> None:
        if self._stop is not None and self._stop.is_set():
            raise ArtifactError(f"stopped while fetching {self.image}", remedy="run it again: it goes on from here")
