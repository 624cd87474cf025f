"""Downloads against a real HTTP server on loopback: resumed, retried, refused; nothing wrong is kept."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from provision import clock
from provision.artifacts.base import ArtifactSpec
from provision.artifacts.cache import Cache
from provision.artifacts.lock import ArtifactLock
from provision.artifacts.store import ArtifactStore
from provision.clock import Deadline
from provision.errors import ArtifactError
from tests.http_servers import Server

BODY = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(BODY).hexdigest()


@dataclass
class Origin:
    """A server that plays the given answers in turn; the last one stays."""

    script: list[str]
    url: str = ""
    ranges: list[str | None] = field(default_factory=list)
    checksum: str = f"{DIGEST}  file.bin\n"


@pytest.fixture
def origin() -> Iterator[Origin]:
    made = Origin(["good"])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            if self.path.endswith(".sha256"):
                self.answer(200, made.checksum.encode())
                return
            wanted = self.headers.get("Range")
            made.ranges.append(wanted)
            what = made.script.pop(0) if len(made.script) > 1 else made.script[0]
            start = int(wanted.split("=")[1].rstrip("-")) if wanted else 0
            if what == "good":
                self.answer(206 if start else 200, BODY[start:], start=start)
            elif what == "no-ranges":
                self.answer(200, BODY)
            elif what == "cut":
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(BODY) - start))
                self.say_range(start)
                self.end_headers()
                self.wfile.write(BODY[start : start + 524_288])
                self.close_connection = True
            elif what == "html":
                self.answer(200, b"<html>sign in</html>", "text/html; charset=utf-8")
            elif what == "flipped":
                self.answer(200, b"X" + BODY[1:])
            elif what == "nowhere":
                self.send_response(302)
                self.send_header("Location", "http://[::nowhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif what == "unknown-length":
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/*")
                self.send_header("Content-Length", str(len(BODY) - start))
                self.end_headers()
                self.wfile.write(BODY[start:])
            elif what == "bad-range":
                self.answer(416 if start else 200, b"" if start else BODY)
            else:
                self.answer(int(what), b"")

        def say_range(self, start: int) -> None:
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")

        def answer(self, code: int, body: bytes, kind: str = "application/octet-stream", start: int = 0) -> None:
            self.send_response(code)
            self.say_range(start)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sleep", lambda _: None)


def store(tmp_path: Path, origin: Origin, offline: bool = False) -> ArtifactStore:
    spec = ArtifactSpec(
        name="file.bin", version="1", url="https://up/file.bin", checksum_url="https://up/file.bin.sha256"
    )
    lock = ArtifactLock(tmp_path / "artifacts.lock.yaml")
    return ArtifactStore(
        [spec], Cache(tmp_path / "cache"), lock, mirrors=lambda: {"https://up/": origin.url}, offline=offline
    )


def kept(tmp_path: Path) -> list[str]:
    folder = tmp_path / "cache" / "sha256"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("script", [["good"], ["503", "good"], ["no-ranges"], ["cut", "good"], ["cut", "no-ranges"]])
def test_a_file_arrives_and_is_pinned(tmp_path: Path, origin: Origin, script: list[str]) -> None:
    origin.script = script
    made = store(tmp_path, origin)
    path = made.fetch("file.bin", Deadline(30))
    assert path.read_bytes() == BODY
    assert made.facts().digests == {"file.bin": DIGEST}
    assert made.facts().cached == {"file.bin"}


@pytest.mark.parametrize("how", ["good", "unknown-length"])
def test_a_cut_download_goes_on_where_it_stopped(tmp_path: Path, origin: Origin, how: str) -> None:
    origin.script = ["cut", how]
    store(tmp_path, origin).fetch("file.bin", Deadline(30))
    assert origin.ranges == [None, "bytes=524288-"]


def test_a_part_that_does_not_fit_is_fetched_anew(tmp_path: Path, origin: Origin) -> None:
    origin.script = ["cut", "bad-range", "good"]
    assert store(tmp_path, origin).fetch("file.bin", Deadline(30)).read_bytes() == BODY


def test_the_second_time_costs_no_request(tmp_path: Path, origin: Origin) -> None:
    store(tmp_path, origin).fetch("file.bin", Deadline(30))
    before = len(origin.ranges)
    store(tmp_path, origin, offline=True).fetch("file.bin", Deadline(30))
    assert len(origin.ranges) == before


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (["404"], "the server says 404"),
        (["403"], "the server says 403"),
        (["500"], "the server says 500"),
        (["html"], "a web page came instead"),
        (["flipped"], "is not the one expected"),
        (["cut"], "cut short|cannot fetch"),
        (["nowhere"], "leads to, no address that can be asked"),
    ],
)
def test_what_is_wrong_is_refused_and_not_kept(tmp_path: Path, origin: Origin, script: list[str], says: str) -> None:
    origin.script = script
    if script == ["cut"]:
        origin.script = ["cut", "500"]
    made = store(tmp_path, origin)
    with pytest.raises(ArtifactError) as caught:
        made.fetch("file.bin", Deadline(30))
    assert re.search(says, str(caught.value))
    assert caught.value.remedy
    assert kept(tmp_path) == []
    assert made.facts().digests == {}


def test_a_pinned_file_that_changed_upstream_is_refused(tmp_path: Path, origin: Origin) -> None:
    made = store(tmp_path, origin)
    made.fetch("file.bin", Deadline(30)).unlink()
    origin.script = ["flipped"]
    origin.checksum = f"{hashlib.sha256(b'X' + BODY[1:]).hexdigest()}  file.bin\n"
    with pytest.raises(ArtifactError, match="is not the one expected") as caught:
        made.fetch("file.bin", Deadline(30))
    assert "artifacts.lock.yaml pins" in caught.value.details


@pytest.mark.parametrize("damaged", [BODY[:1000], b"X" + BODY[1:]])
@pytest.mark.parametrize("refreshed", [True, False])
def test_what_was_damaged_in_the_cache_is_pinned_by_no_other_cluster(
    tmp_path: Path, origin: Origin, damaged: bytes, refreshed: bool
) -> None:
    path = store(tmp_path, origin).fetch("file.bin", Deadline(30))
    path.chmod(0o644)
    path.write_bytes(damaged)
    (tmp_path / "artifacts.lock.yaml").unlink()  # another cluster's has never been written
    another = store(tmp_path, origin)
    if refreshed:
        entry = another.published_now("file.bin", Deadline(30))
        assert entry is not None and (entry.sha256, entry.size) == (DIGEST, len(BODY))
    assert another.fetch("file.bin", Deadline(30)).read_bytes() == BODY
    assert another.lock.entries["file.bin"].size == len(BODY)


def test_what_is_made_again_takes_the_place_of_what_was_damaged(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    mine = tmp_path / "mine"
    mine.write_bytes(BODY)
    path = cache.keep(mine, DIGEST)
    path.chmod(0o644)
    path.write_bytes(BODY[:1000])
    assert cache.keep(mine, DIGEST).read_bytes() == BODY


def test_offline_opens_nothing_and_says_what_is_missing(tmp_path: Path, origin: Origin) -> None:
    with pytest.raises(ArtifactError, match="--offline") as caught:
        store(tmp_path, origin, offline=True).fetch("file.bin", Deadline(30))
    assert "https://up/file.bin" in caught.value.remedy
    assert origin.ranges == []


def test_two_at_once_fetch_once(tmp_path: Path, origin: Origin) -> None:
    stores = [store(tmp_path, origin) for _ in range(4)]
    threads = [threading.Thread(target=s.fetch, args=("file.bin", Deadline(30))) for s in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(origin.ranges) == 1
    assert kept(tmp_path) == [DIGEST]
