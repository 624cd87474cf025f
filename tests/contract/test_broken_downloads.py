"""Every way in which a download or an archive can be wrong is refused with its own words, and heals the next time."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from provision import clock
from provision.artifacts.base import ArtifactSpec
from provision.artifacts.cache import Cache
from provision.artifacts.lock import ArtifactLock
from provision.artifacts.store import ArtifactStore
from provision.artifacts.web import Web
from provision.clock import Deadline
from provision.errors import ProvisionError

from .broken_downloads import ARCHIVE, BROKEN, EXE, FLIPPED, PROGRAM, TAR, ZIP, cut, plain, zipped
from .publisher import Exchange, Publisher, Serve, certificate, elf, good, publishing, sums


@dataclass
class Rig:
    """One cluster's store, its publisher and its folder."""

    folder: Path
    publisher: Publisher
    spec: ArtifactSpec

    def store(self, *, web: Web | None = None, mirror: str = "") -> ArtifactStore:
        return ArtifactStore(
            [self.spec],
            Cache(self.folder / "cache"),
            ArtifactLock(self.folder / "artifacts.lock.yaml"),
            mirrors=lambda: {"https://up/": mirror or self.publisher.url},
            web=web or Web(),
        )

    def publish(self, body: bytes, serve: Serve | None = None, checksum: Serve | None = None) -> None:
        file = self.spec.url.rsplit("/", 1)[-1]
        assert self.spec.checksum_url
        self.publisher.routes = {
            f"/{self.spec.checksum_url.rsplit('/', 1)[-1]}": checksum or sums(body, file),
            f"/{file}": serve or good(body),
        }

    def refused(self, fetch: Callable[[], object]) -> ProvisionError:
        with pytest.raises(ProvisionError) as caught:
            fetch()
        assert caught.value.what and caught.value.remedy
        return caught.value

    def kept(self) -> list[str]:
        folder = self.folder / "cache" / "sha256"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def parts(self) -> list[bytes]:
        folder = self.folder / "cache" / "partial"
        return [p.read_bytes() for p in folder.iterdir() if p.suffix != ".json"] if folder.exists() else []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sleep", lambda _: None)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as made:
        yield made


def right(spec: ArtifactSpec) -> bytes:
    return {EXE.name: PROGRAM, TAR.name: ARCHIVE, ZIP.name: zipped(("a", elf()))}[spec.name]


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_refused_with_its_own_words_and_heals(name: str, tmp_path: Path, publisher: Publisher) -> None:
    broken = BROKEN[name]
    rig = Rig(tmp_path, publisher, broken.spec)
    rig.publish(broken.body or right(broken.spec), broken.serve, broken.checksum)
    error = rig.refused(lambda: rig.store().fetch(broken.spec.name, Deadline(60)))

    assert error.exit_code == 4
    assert re.search(broken.says, str(error), re.DOTALL), str(error)
    # The file is named, by its name or by the last part of its address.
    assert broken.spec.name in str(error) or broken.spec.url.rsplit("/", 1)[-1] in str(error)

    assert rig.kept() == []
    assert not ArtifactLock(tmp_path / "artifacts.lock.yaml").entries
    assert all(right(broken.spec).startswith(part) for part in rig.parts())

    rig.publish(right(broken.spec))
    assert rig.store().fetch(broken.spec.name, Deadline(60)).read_bytes() == right(broken.spec)
    assert rig.parts() == [] and not list((tmp_path / "cache" / "partial").iterdir())


def test_there_are_more_than_twenty_kinds_each_with_words_of_its_own() -> None:
    assert len(BROKEN) > 20
    assert len({broken.says for broken in BROKEN.values()}) > 20


def test_another_size_than_the_pinned_one_costs_no_download(tmp_path: Path, publisher: Publisher) -> None:
    rig = Rig(tmp_path, publisher, EXE)
    rig.publish(PROGRAM)
    rig.store().fetch(EXE.name, Deadline(60)).unlink()
    rig.publish(PROGRAM + b"!")
    error = rig.refused(lambda: rig.store().fetch(EXE.name, Deadline(60)))
    assert error.exit_code == 4
    assert f"it has {len(PROGRAM) + 1} bytes, artifacts.lock.yaml pins {len(PROGRAM)}" in error.details
    assert "invoke lock" in error.remedy


def test_a_part_of_an_older_file_is_not_gone_on_with(tmp_path: Path, publisher: Publisher) -> None:
    """The publisher replaced the file between two tries: what came of the first is thrown away."""
    rig = Rig(tmp_path, publisher, EXE)
    rig.publish(PROGRAM, serve=lambda e: e.say(200, FLIPPED[:500_000][::-1], {"ETag": '"old"'}, promised=len(PROGRAM)))
    rig.refused(lambda: rig.store().fetch(EXE.name, Deadline(60)))
    rig.publish(PROGRAM)
    assert rig.store().fetch(EXE.name, Deadline(60)).read_bytes() == PROGRAM


def test_a_spoilt_part_without_a_tag_is_found_by_its_digest_and_fetched_whole(
    tmp_path: Path, publisher: Publisher
) -> None:
    rig = Rig(tmp_path, publisher, EXE)
    rig.publish(PROGRAM, serve=cut)
    rig.refused(lambda: rig.store().fetch(EXE.name, Deadline(60)))
    part = next(p for p in (tmp_path / "cache" / "partial").iterdir() if p.suffix != ".json")
    part.write_bytes(b"x" * part.stat().st_size)
    rig.publish(PROGRAM)
    assert rig.store().fetch(EXE.name, Deadline(60)).read_bytes() == PROGRAM


def test_a_connection_that_breaks_again_and_again_still_ends(tmp_path: Path, publisher: Publisher) -> None:
    rig = Rig(tmp_path, publisher, EXE)
    whole = good(PROGRAM)

    def flaky(exchange: Exchange) -> None:
        start = exchange.start
        if start + 100_000 >= len(PROGRAM):
            whole(exchange)
        else:
            ranged = {"Content-Range": f"bytes {start}-{len(PROGRAM) - 1}/{len(PROGRAM)}"} if start else {}
            exchange.say(206 if start else 200, PROGRAM[start : start + 100_000], ranged, promised=len(PROGRAM) - start)

    rig.publish(PROGRAM, serve=flaky)
    assert rig.store().fetch(EXE.name, Deadline(60)).read_bytes() == PROGRAM
    assert len(publisher.requests) > 10


def test_an_archive_that_a_server_calls_compressed_keeps_its_own_bytes(tmp_path: Path, publisher: Publisher) -> None:
    rig = Rig(tmp_path, publisher, TAR)
    rig.publish(ARCHIVE, serve=plain(200, ARCHIVE, Content_Encoding="gzip"))
    assert rig.store().fetch(TAR.name, Deadline(60)).read_bytes() == ARCHIVE


def test_a_certificate_nobody_here_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, pem = certificate(tmp_path)
    with publishing(context) as publisher:
        rig = Rig(tmp_path, publisher, EXE)
        rig.publish(PROGRAM)
        error = rig.refused(lambda: rig.store().fetch(EXE.name, Deadline(60)))
        assert error.exit_code == 4
        assert "kubelet.exe" in error.what and "certificate is not trusted" in error.what
        assert "network.ca" in error.remedy and "REQUESTS_CA_BUNDLE" in error.remedy
        assert rig.kept() == [] and rig.parts() == []

        # By the settings, and by the environment's own variable.
        assert rig.store(web=Web(ca=pem)).fetch(EXE.name, Deadline(60)).read_bytes() == PROGRAM
        shutil.rmtree(tmp_path / "cache")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
        assert rig.store().fetch(EXE.name, Deadline(60)).read_bytes() == PROGRAM


def test_a_way_from_https_to_http_is_not_taken(tmp_path: Path, publisher: Publisher) -> None:
    context, pem = certificate(tmp_path)
    with publishing(context) as secure:
        rig = Rig(tmp_path, publisher, EXE)
        rig.publish(PROGRAM)
        secure.routes = {
            "/kubelet.exe.sha256": sums(PROGRAM, "kubelet.exe"),
            "/kubelet.exe": lambda e: e.say(302, b"", {"Location": f"{publisher.url}/kubelet.exe"}),
        }
        error = rig.refused(lambda: rig.store(web=Web(ca=pem), mirror=secure.url).fetch(EXE.name, Deadline(60)))
        assert error.exit_code == 4
        assert re.search(r"kubelet.exe: the server leads us from https to http://127.0.0.1", error.what)
        assert rig.kept() == []


def test_a_file_with_authorities_that_holds_none(tmp_path: Path) -> None:
    context, pem = certificate(tmp_path)
    pem.write_text("nothing\n")
    with publishing(context) as secure:
        rig = Rig(tmp_path, secure, EXE)
        rig.publish(PROGRAM)
        error = rig.refused(lambda: rig.store(web=Web(ca=pem)).fetch(EXE.name, Deadline(60)))
        assert error.exit_code == 4
        assert "ca.pem holds no certificate" in error.what and "network.ca" in error.remedy


def test_a_full_disk_says_where_and_how_much(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, publisher, EXE)
    rig.publish(PROGRAM)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 << 20))
    error = rig.refused(lambda: rig.store().fetch(EXE.name, Deadline(60)))
    assert error.exit_code == 3
    assert "kubelet.exe 1.36.4" in error.what and str(tmp_path / "cache") in error.what
    assert "56 MiB more are needed" in error.what  # 2 of the file and 64 to spare, less 10
    assert "invoke cache --prune" in error.remedy and "HYBRID_CACHE" in error.remedy
    assert rig.kept() == [] and rig.parts() == []


def test_what_is_pinned_has_to_fit_before_anything_is_fetched(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, publisher, EXE)
    rig.publish(PROGRAM)
    rig.store().fetch(EXE.name, Deadline(60)).unlink()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 << 20))
    error = rig.refused(rig.store().require_room)
    assert error.exit_code == 3
    assert "1 file to fetch" in error.what and "56 MiB more are needed" in error.what
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    rig.store().require_room()


def test_a_disk_that_fills_up_meanwhile_is_not_left_full(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, publisher, EXE)
    rig.publish(PROGRAM)
    store = rig.store()

    def full(_have: int, _total: int | None) -> None:
        raise OSError(28, "No space left on device")

    error = rig.refused(lambda: store.fetch(EXE.name, Deadline(60), full))
    assert error.exit_code == 3
    assert "kubelet.exe 1.36.4" in error.what and "is full" in error.what
    assert rig.kept() == [] and rig.parts() == []


def test_a_cache_that_may_not_be_written(tmp_path: Path, publisher: Publisher) -> None:
    rig = Rig(tmp_path, publisher, EXE)
    rig.publish(PROGRAM)
    (tmp_path / "cache").write_text("a file where the cache should be")
    error = rig.refused(lambda: rig.store().fetch(EXE.name, Deadline(60)))
    assert error.exit_code == 3
    assert "kubelet.exe" in error.what and str(tmp_path / "cache") in error.what
    assert publisher.requests == []


SOURCE = "word: sha abcdef1, remote: r, commit: c, tree: t, dirty: false, committed: 5, go: '1.26'"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("artifacts: [", "expected the node content|flow"),
        ("artifacts: {kubelet.exe: {sha256: short}}", "artifacts.kubelet.exe.sha256"),
        ("- a list", "no list of sections"),
        ("words: {kubernetes.version 1.36: 5}", "words.kubernetes.version 1.36"),
        ('words: {kubernetes.version 1.36: "a\\nb"}', "not one line"),
        ("words: {kubernetes.version 1.36: new}", "'new' is not a version"),
        ("sources: {kubernetes: {word: sha abcdef1, commit: 5}}", "Field required"),
        (f"sources: {{kubernetes: {{{SOURCE}, version: new}}}}", "'new' is not a version"),
        ("images: {pause: {linux/amd64: latest}}", "images.pause.linux/amd64"),
        ("artefacts: {}", "artefacts"),
    ],
)
def test_a_damaged_lock(tmp_path: Path, publisher: Publisher, text: str, says: str) -> None:
    (tmp_path / "artifacts.lock.yaml").write_text(text)
    rig = Rig(tmp_path, publisher, EXE)
    error = rig.refused(rig.store)
    assert error.exit_code == 4
    assert "artifacts.lock.yaml cannot be read" in error.what
    assert re.search(says, error.details), error.details
    assert (tmp_path / "artifacts.lock.yaml").read_text() == text


def test_the_name_and_password_of_a_mirror_are_in_no_error(tmp_path: Path, publisher: Publisher) -> None:
    rig = Rig(tmp_path, publisher, EXE)
    rig.publish(PROGRAM, serve=plain(403))
    mirror = publisher.url.replace("//", "//me:geheim@")
    error = rig.refused(lambda: rig.store(mirror=mirror).fetch(EXE.name, Deadline(60)))
    assert "geheim" not in str(error)
    assert hashlib.sha256(PROGRAM).hexdigest() not in str(error)
