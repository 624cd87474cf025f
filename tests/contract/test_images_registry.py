"""The client of registries against a server on loopback that plays tricks: tokens, redirects, resumption, refusals."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision import clock
from provision.artifacts.cache import Cache
from provision.build.images_http import Access
from provision.build.images_names import Reference, reference
from provision.build.images_registry import PulledImage, Registry
from provision.clock import Deadline
from provision.errors import ArtifactError, DeadlineExceeded
from provision.secrets import Secret
from tests.image_parts import FakeRegistry, Made, digest, encode, fake_registry, image, index

BODY = bytes(range(256)) * 4096  # 1 MiB
THING = image(BODY, b"two", compress=False)
PLATFORMS = index(
    image(b"linux"),
    image(b"arm", architecture="arm64"),
    image(b"2019", os="windows", os_version="10.0.17763.6054"),
    image(b"2022", os="windows", os_version="10.0.20348.2582"),
    docker=True,
)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with fake_registry() as made:
        yield made


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(clock, "sleep", taken.append)
    # A proxy or a password of this computer has no part in these tests, unless one says so.
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return taken


def registry(tmp_path: Path, *, offline: bool = False, **access: Any) -> Registry:
    return Registry(Cache(tmp_path / "cache"), Access(**access), offline)


def pull(tmp_path: Path, name: str | Reference, **access: Any) -> PulledImage:
    image_name = reference(name) if isinstance(name, str) else name
    return registry(tmp_path, **access).pull(image_name, Deadline(30))


def kept(tmp_path: Path) -> set[str]:
    folder = tmp_path / "cache" / "sha256"
    return {f"sha256:{path.name}" for path in folder.iterdir()} if folder.exists() else set()


def layers(made: Made) -> list[str]:
    return [one["digest"] for one in json.loads(made.blobs[made.digest])["layers"]]


def test_an_image_by_tag_is_wholly_in_the_cache(tmp_path: Path, fake: FakeRegistry) -> None:
    name = fake.hold("thing", "v1", THING)
    got = pull(tmp_path, name)
    assert str(got.reference) == f"{name}@{THING.digest}"
    assert got.digest == THING.digest
    assert [path.name for path in got.layers] == [one.partition(":")[2] for one in layers(THING)]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in got.layers)
    assert kept(tmp_path) == set(THING.blobs)


def test_nothing_is_fetched_twice(tmp_path: Path, fake: FakeRegistry) -> None:
    name = fake.hold("thing", "v1", THING)
    got = pull(tmp_path, name)
    before = len(fake.asked)
    again = registry(tmp_path, offline=True).pull(got.reference, Deadline(30))
    assert again == got
    assert len(fake.asked) == before
    # By its tag, the registry is asked what the tag means now, and for nothing else.
    pull(tmp_path, name)
    assert [one.path for one in fake.asked[before:]] == ["/v2/thing/manifests/v1"]


@pytest.mark.parametrize("which", ["manifest", "layer", "short"])
def test_what_has_rotted_in_the_cache_is_fetched_again(tmp_path: Path, fake: FakeRegistry, which: str) -> None:
    name = fake.hold("thing", "v1", THING)
    pinned = pull(tmp_path, name).reference
    digest = THING.digest if which == "manifest" else layers(THING)[0]
    file = tmp_path / "cache" / "sha256" / digest.partition(":")[2]
    whole = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(whole[:10] if which == "short" else b"X" + whole[1:])
    got = pull(tmp_path, pinned)
    assert file.read_bytes() == whole and got.digest == THING.digest


def test_a_shared_layer_is_fetched_once(tmp_path: Path, fake: FakeRegistry) -> None:
    one, other = image(BODY, b"one"), image(BODY, b"other")
    pull(tmp_path, fake.hold("one", "v1", one))
    pull(tmp_path, fake.hold("other", "v1", other))
    assert layers(one)[0] == layers(other)[0]
    assert len(fake.paths(layers(one)[0])) == 1


def test_resolving_costs_the_manifest_only(tmp_path: Path, fake: FakeRegistry) -> None:
    name = fake.hold("thing", "v1", PLATFORMS)
    pinned = registry(tmp_path).resolve(reference(name), Deadline(30))
    assert pinned.digest == PLATFORMS.digest
    assert [one.path for one in fake.asked] == ["/v2/thing/manifests/v1"]
    assert registry(tmp_path, offline=True).resolve(pinned, Deadline(30)) == pinned


@pytest.mark.parametrize(
    ("os", "architecture", "version", "number"),
    [
        ("linux", "amd64", "", 0),
        ("linux", "arm64", "", 1),
        ("windows", "amd64", "10.0.17763", 2),
        ("windows", "amd64", "10.0.20348", 3),
        ("windows", "amd64", "", 2),
    ],
)
def test_a_platform_is_chosen(
    tmp_path: Path, fake: FakeRegistry, os: str, architecture: str, version: str, number: int
) -> None:
    name = fake.hold("thing", "v1", PLATFORMS)
    got = registry(tmp_path).pull(reference(name), Deadline(30), os=os, architecture=architecture, os_version=version)
    assert got.reference.digest == PLATFORMS.digest
    assert got.digest == json.loads(PLATFORMS.blobs[PLATFORMS.digest])["manifests"][number]["digest"]


@pytest.mark.parametrize("made", [PLATFORMS, THING])
def test_a_platform_that_is_not_there(tmp_path: Path, fake: FakeRegistry, made: Made) -> None:
    name = fake.hold("thing", "v1", made)
    with pytest.raises(ArtifactError, match=r"is not there for windows/amd64/10\.0\.26100") as caught:
        registry(tmp_path).pull(reference(name), Deadline(30), os="windows", os_version="10.0.26100")
    assert "linux/amd64" in caught.value.details


def test_progress_counts_all_layers(tmp_path: Path, fake: FakeRegistry) -> None:
    name, seen = fake.hold("thing", "v1", THING), []
    registry(tmp_path).pull(reference(name), Deadline(30), on_bytes=lambda have, total: seen.append((have, total)))
    total = sum(one["size"] for one in json.loads(THING.blobs[THING.digest])["layers"])
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)
    assert {one for _, one in seen} == {total}


# Tokens and passwords


def test_a_token_is_fetched_for_those_who_have_no_name(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.token = "t" * 20
    name = fake.hold("thing", "v1", THING)
    pull(tmp_path, name)
    assert fake.tokens_for == [{"service": ["tests"], "scope": ["repository:thing:pull"]}]
    assert [one.authorization for one in fake.asked if one.path.startswith("/token")] == [None]


def test_a_pull_secret_buys_the_token(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.token, fake.user = "t" * 20, "Basic " + b64encode(b"me:secret-word").decode()
    name = fake.hold("thing", "v1", THING)
    asked_for: list[str] = []

    def credentials(host: str) -> tuple[str, Secret]:
        asked_for.append(host)
        return "me", Secret("secret-word")

    assert pull(tmp_path, name, credentials=credentials).digest == THING.digest
    assert set(asked_for) == {fake.host}
    with pytest.raises(ArtifactError, match="does not let us in") as caught:
        pull(tmp_path / "other", name)
    assert "pull secret" in caught.value.remedy


def test_the_password_in_a_mirrors_url_buys_the_token_and_is_in_no_error(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.token, fake.user = "t" * 20, "Basic " + b64encode(b"me:secret/word").decode()
    fake.hold("thing", "v1", THING)
    mirrors = {"https://registry.test": f"http://me:secret%2Fword@{fake.host}"}
    assert pull(tmp_path, "registry.test/thing:v1", mirrors=lambda: mirrors).digest == THING.digest
    fake.script = ["503"] * 9
    other = image(b"other")
    fake.hold("thing", "v2", other)
    for name in ("registry.test/nothing:v1", "registry.test/thing:v2"):
        with pytest.raises(ArtifactError) as caught:
            pull(tmp_path, name, mirrors=lambda: mirrors)
        assert fake.host in f"{caught.value.what} {caught.value.details}"
        assert "secret" not in f"{caught.value.what} {caught.value.details} {caught.value.remedy}"


def test_a_token_that_runs_out_meanwhile_is_renewed(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.token = "first-token-of-all"
    name = fake.hold("thing", "v1", THING)

    def run_out(have: int, total: int | None) -> None:
        fake.token = "second-token-of-all"

    registry(tmp_path).pull(reference(name), Deadline(30), on_bytes=run_out)
    assert len(fake.tokens_for) == 2


@pytest.mark.parametrize(
    ("realm", "says"), [("file:///etc/passwd", "which is not safe"), ("{url}/nowhere", "/nowhere says 401")]
)
def test_a_realm_that_gives_no_token(tmp_path: Path, fake: FakeRegistry, realm: str, says: str) -> None:
    fake.token, fake.realm = "t" * 20, realm.format(url=fake.url)
    name = fake.hold("thing", "v1", THING)
    with pytest.raises(ArtifactError, match="does not let us in") as caught:
        pull(tmp_path, name)
    assert says in caught.value.what


def test_the_token_is_shown_to_the_registry_and_nobody_else(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.token = "t" * 20
    with fake_registry() as storage:
        storage.blobs = dict(THING.blobs)
        fake.blobs_at = storage.url
        pull(tmp_path, fake.hold("thing", "v1", THING))
        assert storage.paths("/blobs/")
        assert {one.authorization for one in storage.asked} == {None}


def test_a_redirect_to_what_is_no_address(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.blobs_at = "http://[::nowhere"
    with pytest.raises(ArtifactError, match="leads to, no address that can be asked"):
        pull(tmp_path, fake.hold("thing", "v1", THING))


def test_netrc_has_no_part_in_it(tmp_path: Path, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password from-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fake.token = "t" * 20
    pull(tmp_path, fake.hold("thing", "v1", THING))
    assert {one.authorization for one in fake.asked} == {None, f"Bearer {fake.token}"}


def test_the_environments_proxy_is_not_for_this_computer(
    tmp_path: Path, fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert pull(tmp_path, fake.hold("thing", "v1", THING), proxy="http://127.0.0.1:9").digest == THING.digest


def test_another_computers_registry_is_asked_through_the_proxy(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.hold("thing", "v1", THING)
    # The fake answers as a proxy, too: it gets whole URLs.
    name = Reference("registry.invalid:5000", "thing", "v1")
    access = {"proxy": fake.url, "mirrors": lambda: {"https://registry.invalid:5000/": "http://registry.invalid:5000/"}}
    assert pull(tmp_path, name, **access).digest == THING.digest
    assert fake.asked[0].path == "http://registry.invalid:5000/v2/thing/manifests/v1"


# Broken off, wrong, refused


@pytest.mark.parametrize(
    ("script", "ranges"),
    [
        (["cut"], [None, "part"]),
        (["cut", "cut"], [None, "part", "part"]),
        (["503"], [None, None]),
        (["cut", "bad-range"], [None, "part", None]),
        (["cut", "flip"], [None, "part", None]),
    ],
)
def test_a_blob_is_resumed(tmp_path: Path, fake: FakeRegistry, script: list[str], ranges: list[str | None]) -> None:
    only = image(BODY, compress=False)
    name = fake.hold("thing", "v1", only)
    fake.script = ["good", *script]  # the configuration comes first
    if "flip" in script:
        # What was resumed is wrong: kept by the run before, so that it counts as a part of an earlier try.
        part = Cache(tmp_path / "cache").partial(layers(only)[0])
        part.parent.mkdir(parents=True)
        part.write_bytes(b"not the beginning")
        fake.script, ranges = ["good"], ["part", None]
    got = pull(tmp_path, name)
    assert kept(tmp_path) == set(only.blobs)
    asked = [one.range for one in fake.asked if one.path.endswith(layers(only)[0])]
    assert ["part" if one else None for one in asked] == ranges
    assert got.layers[0].stat().st_size == len(only.blobs[layers(only)[0]])


def test_a_server_may_ask_us_to_wait(tmp_path: Path, fake: FakeRegistry, pauses: list[float]) -> None:
    name = fake.hold("thing", "v1", THING)
    fake.script = ["429"]
    pull(tmp_path, name)
    assert pauses == [7.0]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (["flip"], "a blob is not the one expected"),
        (["html"], "a web page came from 127.0.0.1"),
        (["more"], "answers with more than its"),
        (["503"] * 5, "cannot be fetched"),
        (["cut"] * 20, "cut short"),
        (["404"], "is not there"),
        (["403"], "does not let us in"),
    ],
)
def test_what_is_wrong_is_refused_and_not_kept(
    tmp_path: Path, fake: FakeRegistry, script: list[str], says: str
) -> None:
    name = fake.hold("thing", "v1", THING)
    fake.script = ["good", *script]
    with pytest.raises(ArtifactError) as caught:
        pull(tmp_path, name)
    assert re.search(says, str(caught.value))
    assert name in caught.value.what
    assert caught.value.remedy
    assert not set(layers(THING)) & kept(tmp_path)


def test_a_tag_that_is_not_there(tmp_path: Path, fake: FakeRegistry) -> None:
    with pytest.raises(ArtifactError, match="is not there: 127.0.0.1:[0-9]+ says 404"):
        pull(tmp_path, f"{fake.host}/thing:v9")


def test_a_manifest_that_is_not_what_its_digest_says(tmp_path: Path, fake: FakeRegistry) -> None:
    name = fake.hold("thing", "v1", THING)
    other = image(b"other")
    fake.blobs[THING.digest] = other.blobs[other.digest]
    with pytest.raises(ArtifactError, match="the manifest sha256:.* is not the one expected"):
        pull(tmp_path, reference(f"{fake.host}/thing@{THING.digest}"))
    # By tag there is nothing to hold it to but the registry's own word.
    fake.blobs[THING.digest] = THING.blobs[THING.digest]
    fake.states_digest = "sha256:" + "0" * 64
    with pytest.raises(ArtifactError, match="the manifest v1 is not the one expected"):
        pull(tmp_path, name)
    assert kept(tmp_path) == set()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"schemaVersion": 1, "name": "thing", "fsLayers": []}, "form of 2015"),
        ({"schemaVersion": 2, "config": {}, "layers": []}, "config.mediaType"),
        ({"schemaVersion": 2, "manifests": []}, "is not there for linux/amd64"),
        ([], "is no JSON object"),
        (
            {"schemaVersion": 2, "layers": [], "config":
             {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": digest(b""), "size": 0}},
            "no container image that can be copied",
        ),
    ],
)  # fmt: skip
def test_a_manifest_of_something_else(tmp_path: Path, fake: FakeRegistry, document: object, says: str) -> None:
    raw = encode(document)
    name = fake.hold("thing", "v1", Made({"digest": digest(raw)}, {digest(raw): raw}))
    with pytest.raises(ArtifactError) as caught:
        pull(tmp_path, name)
    assert says in str(caught.value)


def test_a_manifest_without_end(tmp_path: Path, fake: FakeRegistry) -> None:
    raw = b'{"schemaVersion": 2, "x": "' + b"x" * (5 << 20) + b'"}'
    name = fake.hold("thing", "v1", Made({"digest": digest(raw)}, {digest(raw): raw}))
    with pytest.raises(ArtifactError, match="answers with more than a manifest"):
        pull(tmp_path, name)


def test_redirects_do_not_go_on_for_ever(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.blobs_at = fake.url
    with pytest.raises(ArtifactError, match="round in circles"):
        pull(tmp_path, fake.hold("thing", "v1", THING))


def test_a_redirect_to_a_file_is_refused(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.blobs_at = "file:///etc"
    with pytest.raises(ArtifactError, match="which is not safe") as caught:
        pull(tmp_path, fake.hold("thing", "v1", THING))
    assert "signature" not in str(caught.value)


def test_it_stops_and_goes_on(tmp_path: Path, fake: FakeRegistry) -> None:
    name, stop = fake.hold("thing", "v1", THING), threading.Event()

    def enough(have: int, total: int | None) -> None:
        if have > 300_000:
            stop.set()

    with pytest.raises(ArtifactError, match="stopped while fetching"):
        registry(tmp_path).pull(reference(name), Deadline(30), on_bytes=enough, stop=stop)
    pull(tmp_path, name)
    ranges = [one.range for one in fake.asked if one.path.endswith(layers(THING)[0])]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert int(ranges[1].removeprefix("bytes=").rstrip("-")) >= 300_000


def test_a_deadline_holds(tmp_path: Path, fake: FakeRegistry) -> None:
    name = fake.hold("thing", "v1", THING)
    with pytest.raises(DeadlineExceeded):
        registry(tmp_path).pull(reference(name), Deadline(0, "the image"))


def test_two_at_once_fetch_once(tmp_path: Path, fake: FakeRegistry) -> None:
    name = fake.hold("thing", "v1", THING)
    threads = [threading.Thread(target=pull, args=(tmp_path, name)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(fake.paths("/blobs/")) == len(THING.blobs) - 1
    assert kept(tmp_path) == set(THING.blobs)


# Mirrors


def test_a_mirror_stands_in_for_a_registry(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.hold("k8s/thing", "v1", THING)
    name = Reference("registry.invalid", "thing", "v1")
    got = pull(tmp_path, name, mirrors=lambda: {"https://registry.invalid/v2/": f"{fake.url}/v2/k8s/"})
    assert str(got.reference) == f"registry.invalid/thing:v1@{THING.digest}"


def test_a_folder_stands_in_for_a_registry(tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "v2" / "thing"
    (folder / "manifests").mkdir(parents=True)
    (folder / "blobs").mkdir()
    (folder / "manifests" / "v1").write_bytes(THING.blobs[THING.digest])
    for one, data in THING.blobs.items():
        (folder / "blobs" / one).write_bytes(data)
    mirrors = {"https://registry.invalid/": str(tmp_path / "mirror")}
    name = Reference("registry.invalid", "thing", "v1")
    assert pull(tmp_path, name, mirrors=lambda: mirrors).digest == THING.digest
    with pytest.raises(ArtifactError, match="v9 does not exist"):
        pull(tmp_path, Reference("registry.invalid", "thing", "v9"), mirrors=lambda: mirrors)


def test_mirrors_of_a_registry_are_asked_first_and_passed_over(tmp_path: Path, fake: FakeRegistry) -> None:
    name = fake.hold("thing", "v1", THING)
    with fake_registry() as empty:
        access = {"registries": {fake.host: ["http://127.0.0.1:9", empty.url]}}
        assert pull(tmp_path, name, **access).digest == THING.digest
        assert empty.paths("/manifests/v1")
        with pytest.raises(ArtifactError, match="is not there") as caught:
            pull(tmp_path, f"{fake.host}/thing:v9", **access)
        assert "127.0.0.1:9" in caught.value.details
        empty.hold("thing", "v1", THING)
        before = len(fake.asked)
        pull(tmp_path / "other", name, **access)
        assert len(fake.asked) == before


def test_a_password_is_not_sent_over_plain_http(tmp_path: Path, fake: FakeRegistry) -> None:
    fake.token, fake.realm = "t" * 20, "http://auth.invalid/token"
    name = fake.hold("thing", "v1", THING)
    with pytest.raises(ArtifactError, match="a password is not sent over plain HTTP"):
        pull(tmp_path, name, credentials=lambda host: ("me", Secret("secret-word")))


def test_offline_says_what_is_missing(tmp_path: Path, fake: FakeRegistry) -> None:
    name = fake.hold("thing", "v1", THING)
    with pytest.raises(ArtifactError, match="--offline forbids") as caught:
        registry(tmp_path, offline=True).pull(reference(name), Deadline(30))
    assert "manifests/v1" in caught.value.details
    assert fake.asked == []


def test_authorities_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ArtifactError, match="cannot be used as certificate authorities"):
        pull(tmp_path, "registry.invalid/thing:v1", ca=tmp_path / "ca.pem")
