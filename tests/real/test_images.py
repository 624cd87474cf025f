"""Images against the real thing: distribution's registry, containerd, skopeo and umoci, all from Debian's packages."""

from __future__ import annotations

import hashlib
import json
import stat
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from provision.artifacts.cache import Cache
from provision.build.images import CONTROL_PLANE, ImageArchive, control_plane_images, images_for, read_archive
from provision.build.images_http import Access
from provision.build.images_names import reference
from provision.build.images_registry import Registry
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.secrets import Secret
from tests.http_servers import Server
from tests.image_parts import Made, image, index, push
from tests.needs import need
from tests.real.image_programs import containerd, docker_registry, run

pytestmark = pytest.mark.real

VERSION = "1.37.0-alpha.2.45+0123456789abcd"
BODY = bytes(range(256)) * 8192  # 2 MiB
SETTINGS: dict[str, Any] = {
    "config": {
        "User": "65532:65532",
        "Entrypoint": ["/go-runner"],
        "Env": ["PATH=/usr/local/bin:/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
        "WorkingDir": "/",
    }
}


def release(name: str) -> Made:
    """An image shaped like a release's: layers in Docker's words, several platforms in one list."""
    linux = image(b"base of all", name.encode(), docker=True, **SETTINGS)
    others = image(b"arm", architecture="arm64", docker=True), image(b"w", os="windows", os_version="10.0.20348.1")
    return index(linux, *others, docker=True)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as host:
        for name in CONTROL_PLANE:
            push(release(name), host, name, "v1.37.0")
        push(image(BODY, compress=False), host, "deep/er/thing", "v1")
        yield host


def client(folder: Path, host: str, **access: object) -> Registry:
    """Ours, with the loopback registry in the place of Kubernetes'."""
    mirrors = {"https://registry.k8s.io/": f"http://{host}/"}
    return Registry(Cache(folder / "cache"), Access(mirrors=lambda: mirrors, **access))  # type: ignore[arg-type]


def test_a_real_registry_gives_digests_platforms_and_blobs(registry: str, tmp_path: Path) -> None:
    ours, made = client(tmp_path, registry), release("kube-proxy")
    pinned = ours.resolve(reference("registry.k8s.io/kube-proxy:v1.37.0"), Deadline(60))
    assert pinned.digest == made.digest
    got = ours.pull(pinned, Deadline(60))
    assert got.digest == json.loads(made.blobs[made.digest])["manifests"][0]["digest"]
    assert json.loads(got.config)["config"] == SETTINGS["config"]
    windows = ours.pull(pinned, Deadline(60), os="windows", os_version="10.0.20348")
    assert json.loads(windows.config)["os"] == "windows"
    with pytest.raises(ArtifactError, match="is not there for linux/s390x"):
        ours.pull(pinned, Deadline(60), architecture="s390x")
    with pytest.raises(ArtifactError, match="says 404"):
        ours.resolve(reference("registry.k8s.io/kube-proxy:v1.38.0"), Deadline(60))


def test_a_real_registry_resumes(registry: str, tmp_path: Path) -> None:
    ours = client(tmp_path, registry)
    name = reference(f"{registry}/deep/er/thing:v1")
    whole = image(BODY, compress=False)
    (layer,) = json.loads(whole.blobs[whole.digest])["layers"]
    part = ours.cache.partial(layer["digest"])
    part.parent.mkdir(parents=True)
    part.write_bytes(whole.blobs[layer["digest"]][:1_500_000])
    seen: list[int] = []
    got = ours.pull(name, Deadline(60), on_bytes=lambda have, _: seen.append(have))
    assert got.layers[0].read_bytes() == whole.blobs[layer["digest"]]
    assert min(seen) > 1_500_000


@contextmanager
def token_server(password: str) -> Iterator[str]:
    """Hands out a token to whoever knows the password; the registry's `silly` access control takes any."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            good = self.headers.get("Authorization") == "Basic " + b64encode(f"me:{password}".encode()).decode()
            body = json.dumps({"access_token": "a-token-of-this-test"} if good else {}).encode()
            self.send_response(200 if good else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", ["token", "password"])
def test_a_real_registry_that_wants_to_know_who_asks(tmp_path: Path, kind: str) -> None:
    word = "the-pull-secret"
    header = {"Authorization": "Basic " + b64encode(f"me:{word}".encode()).decode()}
    with ExitStack() as stack:
        if kind == "token":
            auth: object = {"silly": {"realm": stack.enter_context(token_server(word)), "service": "tests"}}
        else:
            passwords = tmp_path / "htpasswd"
            passwords.write_text(f"me:{bcrypt.hashpw(word.encode(), bcrypt.gensalt(4)).decode()}\n")
            auth = {"htpasswd": {"realm": "tests", "path": str(passwords)}}
        host = stack.enter_context(docker_registry(tmp_path / "registry", auth))
        made = image(b"private")
        push(made, host, "private/thing", "v1", **header)
        name = reference(f"{host}/private/thing:v1")

        def me(_: str) -> tuple[str, Secret]:
            return "me", Secret(word)

        assert client(tmp_path / "one", host, credentials=me).pull(name, Deadline(60)).digest == made.digest
        with pytest.raises(ArtifactError, match="does not let us in"):
            client(tmp_path / "two", host).pull(name, Deadline(60))
        with pytest.raises(ArtifactError, match="does not let us in"):
            client(tmp_path / "three", host, credentials=lambda _: ("me", Secret("wrong-word"))).pull(
                name, Deadline(60)
            )


@pytest.fixture(scope="module")
def archives(registry: str, tmp_path_factory: pytest.TempPathFactory) -> list[ImageArchive]:
    """A control plane from source, made on release images of the real registry."""
    folder = tmp_path_factory.mktemp("made")
    binaries = {}
    for name in CONTROL_PLANE:
        binaries[name] = folder / name
        binaries[name].write_bytes(b"\x7fELF" + name.encode() * 100_000)
    ours = client(folder, registry)
    return control_plane_images(
        VERSION, binaries, ours.cache, committed=1_700_000_000, deadline=Deadline(120), registry=ours,
        bases={name: f"registry.k8s.io/{name}:v1.37.0" for name in CONTROL_PLANE},
    )  # fmt: skip


def test_containerd_lists_the_control_plane_by_kubeadms_names(archives: list[ImageArchive]) -> None:
    with containerd() as real:
        for one in archives:
            real.load(one.path)
        assert real.names() == real.complete() == set(images_for(VERSION))
        table = real.ctr("images", "ls")
        for one in archives:
            (row,) = [line.split() for line in table.splitlines() if line.startswith(one.reference)]
            assert row[2] == read_archive(one.path)[0].digest
            assert "linux/amd64" in row
        # A second import changes nothing.
        real.load(archives[0].path)
        assert real.ctr("images", "ls") == table


def test_what_containerd_exports_is_read(archives: list[ImageArchive], tmp_path: Path) -> None:
    with containerd() as real:
        for one in archives[:2]:
            real.load(one.path)
        names = [one.reference for one in archives[:2]]
        real.ctr("images", "export", tmp_path / "both.tar", *names)
    found = read_archive(tmp_path / "both.tar")
    assert {name for one in found for name in one.names} == set(names)
    assert {(one.os, one.architecture) for one in found} == {("linux", "amd64")}
    assert {one.digest for one in found} == {read_archive(one.path)[0].digest for one in archives[:2]}


def test_containerd_refuses_what_we_refuse(archives: list[ImageArchive], tmp_path: Path) -> None:
    whole = bytearray(archives[0].path.read_bytes())
    whole[len(whole) // 2] ^= 1
    broken = tmp_path / "broken.tar"
    broken.write_bytes(whole)
    with pytest.raises(ArtifactError):
        read_archive(broken)
    with containerd() as real:
        real.load(archives[1].path)
        with pytest.raises(AssertionError, match="digest"):
            real.load(broken)
        # A list of names is no proof: containerd notes the name of what it could not take in whole.
        assert archives[0].reference in real.names()
        assert real.complete() == {archives[1].reference}
        real.load(archives[0].path)
        assert real.complete() == {archives[0].reference, archives[1].reference}


def test_others_tools_find_the_layout_right(archives: list[ImageArchive], tmp_path: Path) -> None:
    skopeo, umoci = need("skopeo", "skopeo"), need("umoci", "umoci")
    for one in archives:
        layout = tmp_path / one.name
        layout.mkdir()
        run("tar", "-xf", one.path, "-C", layout)
        tag = one.reference.rpartition(":")[2]
        inspected = json.loads(run(skopeo, "inspect", "--config", f"oci:{layout}:{tag}"))
        assert inspected["config"] == SETTINGS["config"]
        assert len(inspected["rootfs"]["diff_ids"]) == 3
        # Copying reads and checks every blob.
        copied = f"docker-archive:{tmp_path / one.name}.docker.tar:{one.reference}"
        run(skopeo, "--insecure-policy", "copy", f"oci-archive:{one.path}:{tag}", copied)
        assert read_archive(tmp_path / f"{one.name}.docker.tar")[0].names == (one.reference,)
        # Unpacked by a tool that has nothing to do with containerd; the layers' digests are its first check.
        run(umoci, "unpack", "--rootless", "--image", f"{layout}:{tag}", tmp_path / f"{one.name}.bundle")
        root = tmp_path / f"{one.name}.bundle" / "rootfs"
        program = root / "usr/local/bin" / one.name
        assert program.read_bytes() == b"\x7fELF" + one.name.encode() * 100_000
        assert stat.S_IMODE(program.stat().st_mode) == 0o755
        assert (program.stat().st_uid, program.stat().st_mtime) == (0, 1_700_000_000)
        # What the release image had is still there.
        assert (root / "etc/file0").read_bytes() == b"base of all"
        assert (root / "etc/file1").read_bytes() == one.name.encode()


def test_the_base_is_named_by_its_digest_and_that_makes_the_same_again(
    archives: list[ImageArchive], registry: str, tmp_path: Path
) -> None:
    assert [one.name for one in archives] == list(CONTROL_PLANE)
    for one in archives:
        linux = json.loads(release(one.name).blobs[release(one.name).digest])["manifests"][0]
        assert one.base == f"registry.k8s.io/{one.name}@{linux['digest']}"
        assert hashlib.sha256(one.path.read_bytes()).hexdigest() == one.sha256
    # Elsewhere, with the digests as a lock has them: byte for byte the same archives.
    binaries = {}
    for name in CONTROL_PLANE:
        binaries[name] = tmp_path / name
        binaries[name].write_bytes(b"\x7fELF" + name.encode() * 100_000)
    ours = client(tmp_path, registry)
    bases = {one.name: f"registry.k8s.io/{one.name}:v1.37.0@{one.base.partition('@')[2]}" for one in archives}
    again = control_plane_images(
        VERSION, binaries, ours.cache, committed=1_700_000_000, deadline=Deadline(120), registry=ours, bases=bases
    )
    assert [one.sha256 for one in again] == [one.sha256 for one in archives]
    # And a third time without the registry: all that it needs is in the cache.
    offline = Registry(ours.cache, offline=True)
    third = control_plane_images(
        VERSION, binaries, ours.cache, committed=1_700_000_000, deadline=Deadline(120), registry=offline, bases=bases
    )
    assert [(one.sha256, one.fresh) for one in third] == [(one.sha256, False) for one in archives]
