"""The rehearsal's images: stand-ins that are whole archives, registries that know what they have, strict clients."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest

from provision.build.images import read_archive
from provision.guests.base import Os
from provision.rehearsal import container_images
from provision.rehearsal.image_store import ImageError, ImageStore
from provision.rehearsal.models.container_clients import WrongUse, crictl_images, ctr_images
from provision.rehearsal.park import Park
from provision.rehearsal.registry import Answer, Site, answer, direct, secret_of

PAUSE = "registry.k8s.io/pause:3.10.2"
SPEC = {
    "role": "worker",
    "user": "vagrant",
    "memory": 4096,
    "cpus": 2,
    "mac": "00:50:56:00:00:01",
    "address": "10.0.0.2",
    "windows_version": "2022",
    "transport": "ssh",
    "password": "x",
    "public_key": "ssh-ed25519 A t",
}


class Files:
    """Files of the test itself, by name."""

    def __init__(self) -> None:
        self.written: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        if path not in self.written:
            raise FileNotFoundError(2, "No such file or directory", path)
        return self.written[path]

    def write(self, path: str, data: bytes) -> None:
        self.written[path] = data


@pytest.fixture(params=["linux", "windows"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImageStore]:
    park = Park(tmp_path, scale=0.0)
    yield ImageStore(park.create({"name": "m1", "os": request.param, **SPEC}), _folder(request.param))


def _folder(os: Os) -> str:
    return "C:/etc/containerd/certs.d" if os == "windows" else "/etc/containerd/certs.d"


def ctr(store: ImageStore, files: Files, *words: str) -> list[str]:
    said: list[str] = []
    ctr_images(store, words, files, said.append, lambda: None)
    return said


@pytest.mark.parametrize("os", ["linux", "windows"])
def test_a_stand_in_is_a_whole_archive(tmp_path: Path, os: Os) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(container_images.archive(PAUSE, os))
    (image,) = read_archive(path)
    assert (image.names, image.os, image.digest) == ((PAUSE,), os, container_images.image(PAUSE, os)[0])


def test_registries_have_what_is_published_and_nothing_else() -> None:
    for name, systems in (
        ("registry.k8s.io/pause:3.10.2", ("linux", "windows")),
        ("registry.k8s.io/kube-proxy:v1.36.4", ("linux",)),
        ("quay.io/calico/node-windows:v3.32.1", ("windows",)),
        ("registry.k8s.io/kube-proxy:v1.36.4-dirty", ()),
        ("registry.k8s.io/kube-proxies:v1.36.4", ()),
        ("quay.io/calico/node:latest", ()),
    ):
        host, _, rest = name.partition("/")
        repository, _, tag = rest.rpartition(":")
        assert container_images.systems(host, repository, tag) == systems, name
        found = answer(f"{host}/v2/{repository}/manifests/{tag}", "")
        assert found is not None and found.status == (200 if systems else 404)
    assert answer("dl.k8s.io/release/stable.txt", "") is None


def test_a_mirror_wants_its_secret_and_takes_the_registrys_place() -> None:
    site = (Site("m.example/k8s", "registry.k8s.io", secret_of("Basic x")),)
    good = "m.example/k8s/v2/pause/manifests/3.10.2?ns=registry.k8s.io"
    assert [answer(good, given, site).status for given in ("Basic x", "Basic y", "")] == [200, 401, 401]  # type: ignore[union-attr]
    assert answer("m.example/v2/pause/manifests/3.10.2", "Basic x", site) is None


def test_images_come_and_go(store: ImageStore) -> None:
    files, os = Files(), store.machine.os
    ctr(store, files, "pull", PAUSE)
    assert ctr(store, files, "ls", "-q") == [PAUSE]
    assert ctr(store, files, "ls")[1].split()[:3:2] == [PAUSE, container_images.image(PAUSE, os)[0]]
    ctr(store, files, "export", "--platform", f"{os}/amd64", "a.tar", PAUSE)
    ctr(store, files, "tag", PAUSE, "registry.example/own:v1")
    ctr(store, files, "rm", PAUSE, "registry.example/own:v1")
    assert store.names() == {}
    assert ctr(store, files, "import", "a.tar")[0].startswith(f"unpacking {PAUSE} (sha256:")
    ctr(store, files, "tag", PAUSE, "registry.example/own:v1")
    ctr(store, files, "export", "b.tar", "registry.example/own:v1")
    path = Path(store.machine.state.blobs.folder) / "b.tar"
    path.write_bytes(files.written["b.tar"])
    assert read_archive(path)[0].names == ("registry.example/own:v1",)


def test_pods_that_start_together_ask_for_their_image_once(store: ImageStore) -> None:
    asked: list[str] = []
    both = threading.Barrier(2)

    def slow(url: str, headers: Mapping[str, str]) -> Answer:
        asked.append(url)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.3)  # the other one, if it asks as well, does so meanwhile
        return direct()(url, headers)

    cast(Park, store.machine.neighbours).web = slow
    pods = [threading.Thread(target=store.pulled, args=(PAUSE,)) for _ in range(2)]
    for pod in pods:
        pod.start()
    for pod in pods:
        pod.join()
    assert len(asked) == 1
    assert list(store.names()) == [PAUSE]


@pytest.mark.parametrize(
    "words",
    [
        ["ls", "--quite"],
        ["pull", PAUSE, "--platform", "linux/amd64"],
        ["pull", "--plattform", "linux/amd64", PAUSE],
        ["import"],
        ["export", "a.tar"],
        ["export", "--platform"],
        ["push", PAUSE],
        [],
    ],
    ids=" ".join,
)
def test_ctr_is_strict(store: ImageStore, words: list[str]) -> None:
    with pytest.raises(WrongUse):
        ctr(store, Files(), *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pull", "registry.k8s.io/pause:none"], "not found"),
        (["pull", "nowhere.example/pause:1"], "no such host"),
        (["pull", "pause"], "object required"),
        (["export", "a.tar", PAUSE], "not found"),
        (["tag", PAUSE, "b"], "not found"),
        (["rm", PAUSE], "not found"),
        (["import", "other.tar"], "is for this platform"),
        (["import", "none.tar"], "unrecognized image format"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_containerd_refuses_in_its_words(store: ImageStore, words: list[str], said: str) -> None:
    files = Files()
    other: Os = "linux" if store.machine.os == "windows" else "windows"
    files.written = {"other.tar": container_images.archive(PAUSE, other), "none.tar": b"x" * 2000}
    with pytest.raises(ImageError, match=said):
        ctr(store, files, *words)


def test_hosts_toml_is_followed_and_its_mistakes_show(store: ImageStore) -> None:
    asked: list[tuple[str, Mapping[str, str]]] = []

    def ask(url: str, headers: Mapping[str, str]) -> Answer:
        asked.append((url, headers))
        return direct((Site("m.example:5000/v2/k8s", "registry.k8s.io"),))(url, headers)

    cast(Park, store.machine.neighbours).web = ask
    folder = f"{_folder(store.machine.os)}/registry.k8s.io"
    files = store.machine.files
    files.make_folders(files.normal(folder))

    def told(text: str) -> str:
        files.write(f"{folder}/hosts.toml", text.encode())
        asked.clear()
        store.pull(PAUSE)
        return asked[0][0]

    mirror = '[host."http://m.example:5000/v2/k8s"]\noverride_path = true\n'
    assert told(mirror) == "http://m.example:5000/v2/k8s/pause/manifests/3.10.2?ns=registry.k8s.io"
    told(f'{mirror}[host."http://m.example:5000/v2/k8s".header]\nauthorization = ["Basic x"]\n')
    assert asked[0][1] == {"Authorization": "Basic x"}
    # Not overridden, the mirror is asked at a place that it does not have; then the registry itself.
    told('[host."http://m.example:5000/v2/k8s"]\n')
    assert [url.partition("/pause")[0] for url, _ in asked] == [
        "http://m.example:5000/v2/k8s/v2",
        "https://registry.k8s.io/v2",
    ]
    # Who may not resolve is not asked for a tag.
    assert told('[host."http://m.example:5000/v2/k8s"]\ncapabilities = ["pull"]\n').startswith(
        "https://registry.k8s.io/"
    )
    for text, said in (
        ("[host", "failed to load hosts.toml"),
        ('[host."http://a"]\nskip_verfy = true\n', "unknown field skip_verfy"),
        (
            '[host."http://a"]\nca = "/none.pem"\n'
            if store.machine.os == "linux"
            else '[host."http://a"]\nca = "C:/n"\n',
            "CA",
        ),
    ):
        with pytest.raises(ImageError, match=said):
            told(text)


def test_crictl_lists_what_is_asked_for(store: ImageStore) -> None:
    store.put(PAUSE, "sha256:" + "a" * 64)
    said: list[str] = []
    crictl_images(store, ["-q", PAUSE], said.append)
    assert len(said) == 1 and said[0].startswith("sha256:")
    crictl_images(store, ["registry.k8s.io/other"], said.append)
    assert len(said) == 2 and said[1].startswith("IMAGE")
    with pytest.raises(WrongUse):
        crictl_images(store, ["--filter", "x"], said.append)
