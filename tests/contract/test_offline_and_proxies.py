"""--offline opens no socket at all; proxies, their exceptions and mirrored folders are as the user says."""

from __future__ import annotations

import hashlib
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision import clock
from provision.artifacts.base import ArtifactSpec
from provision.artifacts.cache import Cache
from provision.artifacts.lock import ArtifactLock
from provision.artifacts.store import ArtifactStore
from provision.artifacts.web import Web
from provision.clock import Deadline
from provision.errors import ArtifactError

from .publisher import Publisher, good, publishing, sums

BODY = b"words of a manifest\n" * 100


def spec(name: str, *, checksum: bool = True) -> ArtifactSpec:
    url = f"https://up.test/v1/{name}"
    return ArtifactSpec(name=name, version="1", url=url, checksum_url=f"{url}.sha256" if checksum else None)


SPECS = [spec("one.yaml"), spec("two.yaml", checksum=False), spec("three.yaml")]
IMAGE = ArtifactSpec(
    name="pause.tar", version="3.10", url="image:registry/pause:3.10?platform=linux/amd64", checksum_url=None
)
BUILT = ArtifactSpec(name="kubelet.exe", version="1.37.0-a", url="build:kubernetes/t/kubelet.exe", checksum_url=None)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sleep", lambda _: None)
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as made:
        for one in SPECS:
            made.routes[f"/{one.name}"] = good(BODY)
            made.routes[f"/{one.name}.sha256"] = sums(BODY, one.name)
        yield made


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whoever opens a connection, or only asks for an address, fails; and it is written down."""
    tried: list[str] = []

    def refuse(*words: object, **_: object) -> object:
        tried.append(repr(words))
        raise AssertionError(f"a connection was opened: {words}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    return tried


def store(
    tmp_path: Path, mirror: str, *specs: ArtifactSpec, offline: bool = False, web: Web | None = None
) -> ArtifactStore:
    lock = ArtifactLock(tmp_path / "artifacts.lock.yaml")
    cache = Cache(tmp_path / "cache")
    mirrors = {"https://up.test/": mirror} if mirror else {}
    return ArtifactStore(specs or SPECS, cache, lock, mirrors=lambda: mirrors, offline=offline, web=web or Web())


def test_what_is_cached_needs_no_socket(tmp_path: Path, publisher: Publisher, request: pytest.FixtureRequest) -> None:
    for one in SPECS:
        store(tmp_path, publisher.url).fetch(one.name, Deadline(30))
    tried = request.getfixturevalue("no_sockets")
    offline = store(tmp_path, publisher.url, offline=True)
    offline.require_offline()
    assert all(offline.fetch(one.name, Deadline(30)).read_bytes() == BODY for one in SPECS)
    assert offline.missing() == () and tried == []


def test_all_that_is_missing_is_said_at_once_without_a_socket(tmp_path: Path, no_sockets: list[str]) -> None:
    offline = store(tmp_path, "", *SPECS, IMAGE, BUILT, offline=True)
    ArtifactLock(tmp_path / "artifacts.lock.yaml").pin(SPECS[0], sha256="a" * 64, size=5, checked=True)
    offline = store(tmp_path, "", *SPECS, IMAGE, BUILT, offline=True)
    with pytest.raises(ArtifactError) as caught:
        offline.require_offline()
    assert caught.value.exit_code == 4
    assert caught.value.what == "4 files are missing, and --offline forbids to fetch them"
    assert caught.value.details.splitlines() == [
        f"one.yaml 1: https://up.test/v1/one.yaml (sha256 {'a' * 64})",
        "two.yaml 1: https://up.test/v1/two.yaml (no lock pins it)",
        "three.yaml 1: https://up.test/v1/three.yaml and https://up.test/v1/three.yaml.sha256 (no lock pins it)",
        "image registry/pause:3.10 for linux/amd64: no archive of it is here",
    ]
    assert "mirrors" in caught.value.remedy and "FOLDER" in caught.value.remedy
    for name in ("one.yaml", "two.yaml"):
        with pytest.raises(ArtifactError, match="--offline"):
            offline.fetch(name, Deadline(30))
    assert no_sockets == []


def test_a_mirrored_folder_is_no_connection(tmp_path: Path, no_sockets: list[str]) -> None:
    folder = tmp_path / "mirror" / "v1"
    folder.mkdir(parents=True)
    offline = store(tmp_path, str(tmp_path / "mirror"), offline=True)
    looked = offline.missing()
    assert len(looked) == 3 and f"looked for: {folder / 'one.yaml'} and {folder / 'one.yaml.sha256'}" in looked[0]
    for one in SPECS:
        (folder / one.name).write_bytes(BODY)
    assert [line.partition(" ")[0] for line in offline.missing()] == ["one.yaml", "three.yaml"]
    for one in (SPECS[0], SPECS[2]):
        (folder / f"{one.name}.sha256").write_text(hashlib.sha256(BODY).hexdigest())
    offline.require_offline()
    assert offline.fetch("one.yaml", Deadline(30)).read_bytes() == BODY
    assert (folder / "one.yaml").exists()
    assert no_sockets == []


def test_a_wrong_file_in_a_folder_is_refused_like_a_download(tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "v1"
    folder.mkdir(parents=True)
    (folder / "two.yaml").write_bytes(b"<!doctype html><html>")
    with pytest.raises(ArtifactError, match="a web page came instead"):
        store(tmp_path, str(tmp_path / "mirror")).fetch("two.yaml", Deadline(30))
    (folder / "two.yaml").write_bytes(b"")
    with pytest.raises(ArtifactError, match="two.yaml 1: .* is empty"):
        store(tmp_path, str(tmp_path / "mirror")).fetch("two.yaml", Deadline(30))
    assert not (tmp_path / "cache" / "sha256").exists()


@pytest.mark.parametrize("by", ["settings", "environment"])
def test_a_proxy_is_asked_for_everybody_but_its_exceptions(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    web = Web(proxy=publisher.url) if by == "settings" else Web()
    if by == "environment":
        monkeypatch.setenv("http_proxy", publisher.url)
    fetched = store(tmp_path, "http://up.test", web=web).fetch("one.yaml", Deadline(30))
    assert fetched.read_bytes() == BODY
    assert [path for path, _ in publisher.requests] == [
        "http://up.test/v1/one.yaml.sha256",
        "http://up.test/v1/one.yaml",
    ]

    def unknown(host: object, *_: object, **__: object) -> object:
        raise socket.gaierror(-2, f"{host} is not known")

    monkeypatch.setenv("no_proxy", "other.test,.up.test,up.test")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ArtifactError, match="cannot fetch http://up.test/v1/three.yaml.sha256") as caught:
        store(tmp_path, "http://up.test", web=web).fetch("three.yaml", Deadline(30))
    assert "up.test" in caught.value.details
    assert len(publisher.requests) == 2


def test_this_computer_is_never_asked_through_a_proxy(tmp_path: Path, publisher: Publisher) -> None:
    web = Web(proxy="http://127.0.0.1:9")  # nobody listens there
    assert store(tmp_path, publisher.url, web=web).fetch("one.yaml", Deadline(30)).read_bytes() == BODY


def test_what_its_publisher_has_now_costs_no_download(tmp_path: Path, publisher: Publisher) -> None:
    made = store(tmp_path, publisher.url)
    found = made.published_now("one.yaml", Deadline(30))
    assert found is not None and (found.size, found.checked, found.version) == (len(BODY), True, "1")
    assert not (tmp_path / "cache" / "sha256").exists()
    assert not (tmp_path / "artifacts.lock.yaml").exists()

    # Nobody publishes its digest: only the file itself says it.
    seen = made.published_now("two.yaml", Deadline(30))
    assert seen is not None and not seen.checked and seen.sha256 == found.sha256
    assert made.cache.has(seen.sha256)

    # Pinned and still the same: the entry as it is, and one small question.
    made.fetch("one.yaml", Deadline(30))
    before = len(publisher.requests)
    again = store(tmp_path, publisher.url)
    assert again.published_now("one.yaml", Deadline(30)) == again.lock.entries["one.yaml"]
    assert [re.sub(".*/", "", path) for path, _ in publisher.requests[before:]] == ["one.yaml.sha256"]


def test_a_file_that_lost_bytes_in_the_cache_is_fetched_anew(tmp_path: Path, publisher: Publisher) -> None:
    path = store(tmp_path, publisher.url).fetch("one.yaml", Deadline(30))
    path.chmod(0o644)
    path.write_bytes(BODY[:10])
    again = store(tmp_path, publisher.url)
    assert again.facts().cached == frozenset()
    assert again.fetch("one.yaml", Deadline(30)).read_bytes() == BODY


def test_a_made_file_is_moved_from_our_folder_and_copied_from_the_users(tmp_path: Path) -> None:
    own = tmp_path / "mine.exe"
    own.write_bytes(BODY)
    cache = Cache(tmp_path / "cache")
    made = cache.temporary / "made.exe"
    made.parent.mkdir(parents=True)
    shutil.copy(own, made)
    other = ArtifactSpec(name="mine.exe", version="1", url=f"file:{own}?sha256=1", checksum_url=None)
    lock = ArtifactLock(tmp_path / "artifacts.lock.yaml")
    makers = {"file": lambda *_: own, "build": lambda *_: made}
    found = ArtifactStore([BUILT, other], cache, lock, makers=makers, offline=True)
    assert found.fetch("kubelet.exe", Deadline(30)) == found.fetch("mine.exe", Deadline(30))
    assert own.read_bytes() == BODY and not made.exists()
    assert found.facts().cached == {"kubelet.exe", "mine.exe"}
    assert lock.entries["kubelet.exe"].url == "build:kubernetes/t/kubelet.exe"
