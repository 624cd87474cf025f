"""Images of our own: what is in them, the same bytes every time, flat memory, nothing left behind."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from provision.artifacts.cache import Cache
from provision.build.images import control_plane_images, image_from_release, image_from_scratch, read_archive, reference
from provision.build.images_oci import Manifest, read
from provision.build.images_registry import PulledImage
from provision.clock import Deadline
from provision.errors import ArtifactError
from tests.image_parts import Made, image

VERSION = "1.37.0-alpha.2.45+0123456789abcd"
WHEN = 1_700_000_000  # 2023-11-14T22:13:20Z
BASE: dict[str, Any] = {
    "config": {"User": "65532", "Entrypoint": ["/go-runner"], "Env": ["PATH=/usr/local/bin", "SSL_CERT_FILE=/etc/x"]},
    "history": [{"created_by": "COPY / /"}],
    "author": "Kubernetes",
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "kube-apiserver"
    path.write_bytes(b"\x7fELF" + bytes(range(256)) * 5000)
    path.chmod(0o600)
    return path


def pulled(made: Made, cache: Cache) -> PulledImage:
    manifest = read(Manifest, made.blobs[made.digest], "base")
    for name, data in made.blobs.items():
        path = cache.path(name.partition(":")[2])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return PulledImage(
        reference=reference("registry.k8s.io/kube-apiserver:v1.36.4").pinned("sha256:" + "1" * 64),
        digest=made.digest,
        manifest=manifest,
        config=made.blobs[manifest.config.digest],
        layers=tuple(cache.path(layer.sha256) for layer in manifest.layers),
    )


def parts(path: Path) -> tuple[dict[str, bytes], dict[str, Any], dict[str, Any]]:
    """Files, manifest and configuration of an archive with one image."""
    with tarfile.open(path) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
        assert all((m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) == (0, 0, "", "", 0, 0o644) for m in tar)

    def blob(descriptor: dict[str, Any]) -> bytes:
        return files[f"blobs/sha256/{descriptor['digest'].partition(':')[2]}"]

    manifest = json.loads(blob(json.loads(files["index.json"])["manifests"][0]))
    return files, manifest, json.loads(blob(manifest["config"]))


def members(files: dict[str, bytes], descriptor: dict[str, Any]) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(files[f"blobs/sha256/{descriptor['digest'].partition(':')[2]}"])) as tar:
        return {m.name: m for m in tar}


def test_a_release_image_with_our_program_on_top(tmp_path: Path, program: Path) -> None:
    cache = Cache(tmp_path / "cache")
    made = image(b"base", b"certificates", docker=True, **BASE)
    name = reference("registry.k8s.io/kube-apiserver:v1.37.0-alpha.2.45_0123456789abcd")
    got = image_from_release(
        pulled(made, cache), program, name, cache,
        place="/usr/local/bin/kube-apiserver", committed=WHEN, deadline=Deadline(30),
    )  # fmt: skip
    assert (got.name, got.reference, got.fresh) == ("kube-apiserver", str(name), True)
    assert got.base == f"registry.k8s.io/kube-apiserver@{made.digest}"
    assert got.sha256 == hashlib.sha256(got.path.read_bytes()).hexdigest()
    assert got.path == cache.path(got.sha256)
    (listed,) = read_archive(got.path)
    assert (listed.names, listed.os, listed.architecture) == ((str(name),), "linux", "amd64")

    files, manifest, config = parts(got.path)
    below = json.loads(made.blobs[made.digest])["layers"]
    assert [one["digest"] for one in manifest["layers"][:2]] == [one["digest"] for one in below]
    assert {one["mediaType"] for one in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert manifest["annotations"] == {
        "org.opencontainers.image.base.digest": made.digest,
        "org.opencontainers.image.base.name": "registry.k8s.io/kube-apiserver:v1.36.4",
    }
    assert config["config"] == BASE["config"]
    assert config["author"] == "Kubernetes"
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert config["history"][0]["created_by"] == "COPY / /"
    assert len(config["history"]) == 2
    top = members(files, manifest["layers"][2])
    assert list(top) == ["usr", "usr/local", "usr/local/bin", "usr/local/bin/kube-apiserver"]
    assert {(m.mode, m.uid, m.gid, m.uname, m.gname, m.mtime) for m in top.values()} == {(0o755, 0, 0, "", "", WHEN)}
    assert top["usr/local/bin/kube-apiserver"].size == program.stat().st_size
    assert top["usr/local"].isdir()


def test_an_image_of_nothing_but_the_program(tmp_path: Path, program: Path) -> None:
    cache = Cache(tmp_path / "cache")
    (got,) = control_plane_images(
        VERSION, {"kube-apiserver": program}, cache, committed=WHEN, deadline=Deadline(30), registry=None
    )
    assert got.reference == "registry.k8s.io/kube-apiserver:v1.37.0-alpha.2.45_0123456789abcd"
    assert got.base == ""
    _, manifest, config = parts(got.path)
    assert len(manifest["layers"]) == len(config["rootfs"]["diff_ids"]) == len(config["history"]) == 1
    assert config["config"]["Entrypoint"] == ["/usr/local/bin/kube-apiserver"]
    # kubeadm's static pods name the bare command; root, because nothing says otherwise.
    (path,) = config["config"]["Env"]
    assert "/usr/local/bin" in path.removeprefix("PATH=").split(":")
    assert "User" not in config["config"]


def test_kube_proxy_alone_would_fail_so_it_is_refused(tmp_path: Path, program: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be made without its release image") as caught:
        image_from_scratch(
            program, reference("registry.k8s.io/kube-proxy:v1"), Cache(tmp_path / "cache"),
            committed=WHEN, deadline=Deadline(30),
        )  # fmt: skip
    assert "iptables" in caught.value.details


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, program: Path) -> None:
    made = []
    for number in (1, 2):
        copy = tmp_path / f"{number}" / "other-name"
        copy.parent.mkdir()
        copy.write_bytes(program.read_bytes())
        made += control_plane_images(
            VERSION, {"kube-scheduler": copy}, Cache(tmp_path / f"cache{number}"),
            committed=WHEN, deadline=Deadline(30), registry=None,
        )  # fmt: skip
    assert made[0].sha256 == made[1].sha256
    assert made[0].path.read_bytes() == made[1].path.read_bytes()


def test_what_was_made_before_is_not_made_again(tmp_path: Path, program: Path) -> None:
    cache = Cache(tmp_path / "cache")

    def make(version: str = VERSION, when: int = WHEN) -> Any:
        return control_plane_images(
            version, {"kube-scheduler": program}, cache, committed=when, deadline=Deadline(30), registry=None
        )[0]

    first = make()
    assert (first.fresh, make().fresh) == (True, False)
    assert make().sha256 == first.sha256
    # Another program with the same version (a dirty tree), another commit, another version: each is another image.
    program.write_bytes(program.read_bytes() + b"x")
    assert make().sha256 != first.sha256
    assert make(when=WHEN + 1).fresh
    assert make(version="1.37.1").fresh
    # A pruned archive, and a record that a crash has cut, are made again.
    first = make()
    first.path.unlink()
    assert make().fresh
    for record in (cache.root / "builds").iterdir():
        record.write_text("{")
    assert make().fresh


def test_components_come_in_kubeadms_order(tmp_path: Path, program: Path) -> None:
    names = ["kube-scheduler", "kube-apiserver", "kube-controller-manager"]
    made = control_plane_images(
        VERSION, dict.fromkeys(names, program), Cache(tmp_path / "cache"),
        committed=WHEN, deadline=Deadline(30), registry=None,
    )  # fmt: skip
    assert [one.name for one in made] == ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]


def test_a_layer_that_has_rotted_in_the_cache_is_noticed(tmp_path: Path, program: Path) -> None:
    cache = Cache(tmp_path / "cache")
    base = pulled(image(b"base" * 1000), cache)
    rotten = bytearray(base.layers[0].read_bytes())
    rotten[-1] ^= 1
    base.layers[0].write_bytes(rotten)
    with pytest.raises(ArtifactError):
        image_from_release(
            base, program, reference("registry.k8s.io/kube-apiserver:v1"), cache,
            place="/usr/local/bin/x", committed=WHEN, deadline=Deadline(30),
        )  # fmt: skip
    assert [path for path in cache.temporary.iterdir() if path.is_file()] == []
    assert not (cache.root / "builds").exists()


def test_stopped_it_leaves_nothing(tmp_path: Path, program: Path) -> None:
    cache, stop = Cache(tmp_path / "cache"), threading.Event()
    stop.set()
    with pytest.raises(ArtifactError, match="stopped while writing the image"):
        control_plane_images(
            VERSION, {"kube-scheduler": program}, cache,
            committed=WHEN, deadline=Deadline(30), registry=None, stop=stop,
        )  # fmt: skip
    assert list(cache.temporary.iterdir()) == []
    assert not (cache.root / "sha256").exists()


def test_memory_stays_flat(tmp_path: Path) -> None:
    program = tmp_path / "big"
    with program.open("wb") as stream:
        stream.truncate(120_000_000)
    tracemalloc.start()
    try:
        control_plane_images(
            VERSION, {"kube-scheduler": program}, Cache(tmp_path / "cache"),
            committed=WHEN, deadline=Deadline(60), registry=None,
        )  # fmt: skip
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40_000_000
