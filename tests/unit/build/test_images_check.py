"""Archives of images: good ones of every kind are listed, everything else is refused with its own words."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from provision.build.images_check import read_archive
from provision.errors import ArtifactError
from tests.image_parts import OCI, Made, archive, digest, encode, image, index, layout, tar_of

Files = dict[str, bytes | str | None]
NAME = "registry.k8s.io/thing:v1"


def blob(name: str) -> str:
    return f"blobs/sha256/{name.partition(':')[2]}"


def test_an_image_is_listed(tmp_path: Path) -> None:
    made = image(b"one", b"two")
    (found,) = read_archive(archive(tmp_path / "a.tar", layout(made)))
    assert (found.names, found.os, found.architecture, found.digest) == ((NAME,), "linux", "amd64", made.digest)
    manifest = json.loads(made.blobs[made.digest])
    assert found.size == manifest["config"]["size"] + sum(one["size"] for one in manifest["layers"])


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("compress", [False, True])
def test_both_families_of_media_types(tmp_path: Path, docker: bool, compress: bool) -> None:
    files = layout(image(b"x", docker=docker, compress=compress))
    assert read_archive(archive(tmp_path / "a.tar", files))[0].names == (NAME,)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_compressed_archive(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a"
    path.write_bytes(pack(tar_of(layout(image(b"x")))))
    assert read_archive(path)[0].names == (NAME,)


def test_an_index_lists_the_platforms_that_are_there(tmp_path: Path) -> None:
    linux, windows = image(b"l"), image(b"w", os="windows", os_version="10.0.20348.2402")
    arm = image(b"a", architecture="arm64")
    files = layout(index(linux, windows, arm))
    found = read_archive(archive(tmp_path / "all.tar", files))
    assert [(one.os, one.architecture, one.os_version) for one in found] == [
        ("linux", "amd64", ""),
        ("windows", "amd64", "10.0.20348.2402"),
        ("linux", "arm64", ""),
    ]
    # As `ctr images export` writes one platform: the index names all, one is there; of another only the manifest.
    only = {name: content for name, content in files.items() if name not in {blob(d) for d in windows.blobs}}
    only = {name: c for name, c in only.items() if name not in {blob(d) for d in arm.blobs if d != arm.digest}}
    (one,) = read_archive(archive(tmp_path / "one.tar", only))
    assert (one.os, one.architecture, one.names, one.digest) == ("linux", "amd64", (NAME,), linux.digest)


def test_attestations_are_no_images(tmp_path: Path) -> None:
    good, other = image(b"x"), image(b"y")
    other.top["platform"] = {"os": "unknown", "architecture": "unknown"}
    assert len(read_archive(archive(tmp_path / "a.tar", layout(index(good, other))))) == 1


def test_one_image_may_have_several_names_or_none(tmp_path: Path) -> None:
    made = image(b"x")
    files = layout(made)
    files["index.json"] = encode({"schemaVersion": 2, "manifests": [
        {**made.top, "annotations": {"io.containerd.image.name": "a.io/x:1"}},
        {**made.top, "annotations": {"org.opencontainers.image.ref.name": "b.io/x:2"}},
        {**made.top, "annotations": {"org.opencontainers.image.ref.name": "latest"}},
    ]})  # fmt: skip
    assert [one.names for one in read_archive(archive(tmp_path / "a.tar", files))] == [("a.io/x:1", "b.io/x:2")]
    assert read_archive(archive(tmp_path / "b.tar", layout(made, None)))[0].names == ()


def docker_save(made: Made, tags: list[str] | None) -> Files:
    manifest = json.loads(made.blobs[made.digest])
    layers = [made.blobs[one["digest"]] for one in manifest["layers"]]
    config = made.blobs[manifest["config"]["digest"]]
    name = f"{digest(config).partition(':')[2]}.json"
    files: Files = {f"{number}/layer.tar": data for number, data in enumerate(layers)}
    listed = [{"Config": name, "RepoTags": tags, "Layers": list(files)}]
    return files | {name: config, "manifest.json": json.dumps(listed).encode()}


def test_what_docker_saves_is_read(tmp_path: Path) -> None:
    made = image(b"one", b"two", compress=False)
    files = docker_save(made, ["thing:v1", "quay.io/thing:v1"])
    (found,) = read_archive(archive(tmp_path / "a.tar", files))
    assert found.names == ("docker.io/library/thing:v1", "quay.io/thing:v1")
    assert found.digest == json.loads(made.blobs[made.digest])["config"]["digest"]
    # Newer ones of its kind share layers by links.
    linked: Files = {**files, "elsewhere.tar": files["1/layer.tar"], "1/layer.tar": "../elsewhere.tar"}
    assert read_archive(archive(tmp_path / "b.tar", linked))[0].size == found.size
    assert read_archive(archive(tmp_path / "c.tar", docker_save(made, None)))[0].names == ()


def test_a_layer_compressed_in_pieces_is_one_layer(tmp_path: Path) -> None:
    made = image(b"x" * 5000, compress=False)
    plain = tar_of({"etc/file0": b"x" * 5000})
    pieces = gzip.compress(plain[:700]) + gzip.compress(plain[700:]) + bytes(512)
    manifest = json.loads(made.blobs.pop(made.digest))
    manifest["layers"] = [{"mediaType": f"{OCI}layer.v1.tar+gzip", "digest": digest(pieces), "size": len(pieces)}]
    raw = encode(manifest)
    made.blobs |= {digest(raw): raw, digest(pieces): pieces}
    made.top |= {"digest": digest(raw), "size": len(raw)}
    assert read_archive(archive(tmp_path / "a.tar", layout(made)))[0].digest == digest(raw)


def changed(change: Callable[[dict[str, object]], None]) -> Files:
    """A layout whose manifest was changed, with its digest put right."""
    made = image(b"one", b"two")
    manifest = json.loads(made.blobs.pop(made.digest))
    change(manifest)
    raw = encode(manifest)
    made.blobs[digest(raw)] = raw
    made.top |= {"digest": digest(raw), "size": len(raw)}
    return layout(made)


def less(files: Files, name: str) -> Files:
    del files[name]
    return files


def without(part: str) -> Files:
    made = image(b"one")
    manifest = json.loads(made.blobs[made.digest])
    gone = {"manifest": made.digest, "config": manifest["config"]["digest"], "layer": manifest["layers"][0]["digest"]}
    files = layout(made)
    del files[blob(gone[part])]
    return files


def replaced(name: str, content: bytes | str | None) -> Files:
    return layout(image(b"one")) | {name: content}


def other_content() -> Files:
    files = layout(image(b"one"))
    name = next(n for n, c in files.items() if isinstance(c, bytes) and c[:2] == b"\x1f\x8b")
    return files | {name: gzip.compress(b"something else")}


def named(digest_text: str) -> Files:
    made = image(b"one")
    made.top["digest"] = digest_text
    return layout(made)


def other_layers() -> Files:
    made = image(b"one")
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [digest(b"not it")]}}
    raw = encode(config)
    manifest = json.loads(made.blobs.pop(made.digest))
    manifest["config"] |= {"digest": digest(raw), "size": len(raw)}
    listed = encode(manifest)
    made.blobs |= {digest(raw): raw, digest(listed): listed}
    made.top |= {"digest": digest(listed), "size": len(listed)}
    return layout(made)


def for_another_platform() -> Files:
    made = image(b"one")
    made.top["platform"] = {"os": "windows", "architecture": "amd64"}
    return layout(made)


def deep() -> Files:
    made = index(image(b"one"))
    for _ in range(6):
        made = index(made)
    return layout(made)


def first_layer(manifest: dict[str, object]) -> dict[str, object]:
    layers = manifest["layers"]
    assert isinstance(layers, list)
    return layers[0]  # type: ignore[no-any-return]


FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
BROKEN: dict[str, tuple[Callable[[], Files], str]] = {
    "nothing in it": (dict, "it is no archive of images"),
    "another tar": (lambda: {"kubelet": b"x"}, "it is no archive of images"),
    "no index": (lambda: less(layout(image(b"x")), "index.json"), "index.json is not in it"),
    "an index that is no JSON": (lambda: replaced("index.json", b"{,"), "index.json is no JSON"),
    "an index that is a list": (lambda: replaced("index.json", b"[]"), "is no JSON object"),
    "an index that is a picture": (lambda: replaced("index.json", b"\x89PNG"), "index.json is no document"),
    "an index without images": (
        lambda: replaced("index.json", b'{"schemaVersion":2,"manifests":[]}'), "there is no image in it"),
    "an index of 2015": (lambda: replaced("index.json", b'{"schemaVersion":1,"manifests":[]}'), "schemaVersion"),
    "a layout of the future": (lambda: replaced("oci-layout", b'{"imageLayoutVersion":"2.0.0"}'), "'2.0.0'"),
    "no manifest": (lambda: without("manifest"), "is named and not in it"),
    "no configuration": (lambda: without("config"), "is named and not in it"),
    "no layer": (lambda: without("layer"), "is named and not in it"),
    "a blob with another content": (other_content, "has another digest than its name"),
    "a digest of another kind": (lambda: named("sha512:" + "0" * 128), "digest"),
    "a digest that climbs": (lambda: named("sha256:../../../etc/passwd"), "digest"),
    "a wrong size": (
        lambda: changed(lambda m: first_layer(m).update(size=7)), "bytes, not 7 as it is said to"),
    "a layer that only its publisher hands out": (
        lambda: changed(lambda m: first_layer(m).update(mediaType=FOREIGN)), "only its publisher may hand out"),
    "a layer of an unknown kind": (
        lambda: changed(lambda m: first_layer(m).update(mediaType="text/plain")), "a layer of an unknown kind"),
    "a chart": (
        lambda: changed(lambda m: m["config"].update(mediaType="application/vnd.cncf.helm.config.v1+json")),  # type: ignore[attr-defined]
        "is no container image"),
    "a manifest listed as another": (
        lambda: changed(lambda m: m.update(mediaType=f"{OCI}index.v1+json")), "is listed as"),
    "too few layers": (lambda: changed(lambda m: m["layers"].pop()), "names 2 layers, and there are 1"),  # type: ignore[attr-defined]
    "layers of another image": (other_layers, "does not hold what its image's configuration says"),
    "another platform": (for_another_platform, "is listed for windows/amd64"),
    "indexes without end": (deep, "too deeply"),
    "a member that climbs": (lambda: replaced("../../etc/cron.d/x", b"x"), "climbs out of the archive"),
    "a member with a drive": (lambda: replaced("C:\\Windows\\x", b"x"), "climbs out of the archive"),
    "an absolute member": (lambda: replaced("/etc/passwd", b"x"), "climbs out of the archive"),
    "a link that climbs": (lambda: replaced("blobs/link", "../../etc/passwd"), "climbs out of the archive"),
    "an absolute link": (lambda: replaced("blobs/link", "/etc/passwd"), "climbs out of the archive"),
    "a link to nothing": (lambda: replaced("blobs/link", "nothing"), "is a link to blobs/nothing"),
    "a cut layer": (
        lambda: {**docker_save(image(b"x"), ["x"]), "0/layer.tar": gzip.compress(b"x" * 999)[:-9]}, "cut short"),
    "a damaged layer": (
        lambda: {**docker_save(image(b"x"), ["x"]), "0/layer.tar": b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + b"\xff" * 40},
        "compressed and damaged"),
    "docker's list, broken": (lambda: {"manifest.json": b'[{"Config": 1}]'}, "is not what docker writes"),
    "docker's list with a wrong name": (lambda: docker_save(image(b"x"), ["Thing:v1"]), "has a name that is none"),
    "docker's layer is not there": (
        lambda: less(docker_save(image(b"x"), ["x"]), "0/layer.tar"), "is named and not in it"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_wrong_is_refused(tmp_path: Path, what: str) -> None:
    make, says = BROKEN[what]
    with pytest.raises(ArtifactError) as caught:
        read_archive(archive(tmp_path / "broken.tar", make()))
    assert says in str(caught.value)
    assert "broken.tar" in caught.value.what
    assert caught.value.remedy


def test_each_complaint_is_its_own() -> None:
    groups = [says for _, says in BROKEN.values()]
    assert len(set(groups)) >= 20


def test_a_file_twice_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("./index.json"))
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    with pytest.raises(ArtifactError, match=r"holds index\.json twice"):
        read_archive(tmp_path / "a.tar")


def test_a_device_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("blobs/device")
        member.type = tarfile.CHRTYPE
        tar.addfile(member)
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    with pytest.raises(ArtifactError, match="neither a file nor a folder nor a link"):
        read_archive(tmp_path / "a.tar")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_cut_anywhere_it_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    whole = pack(tar_of(layout(image(Random(1).randbytes(12_000)))))
    path = tmp_path / "cut.tar"
    for length in (0, 1, 100, 511, 512, 700, len(whole) // 3, len(whole) // 2, 13_000):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtifactError):
            read_archive(path)


def test_a_web_page_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "page.tar").write_bytes(b"<html>sign in</html>" * 100)
    with pytest.raises(ArtifactError, match="it is no tar archive"):
        read_archive(tmp_path / "page.tar")


def test_reading_can_be_stopped(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ArtifactError, match="stopped while reading"):
        read_archive(archive(tmp_path / "a.tar", layout(image(b"x"))), stop)


def test_a_file_that_is_not_there_stays_the_file_systems_word(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "nothing.tar")
