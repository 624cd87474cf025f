"""Stand-ins of container images: which registries have which, and archives of them as ``ctr images export`` writes."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from functools import lru_cache

from provision.build.images_oci import (
    CONTAINERD_NAME,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    REF_NAME,
    digest_of,
    encode,
)
from provision.guests.base import Os
from provision.rehearsal.standin import MARK

_BOTH: tuple[Os, ...] = ("linux", "windows")
_RELEASE = r"v1\.(2\d|3\d|40)\.\d+(-(alpha|beta|rc)\.\d+)?"
_ANY = r"[\w.-]+"
# registry -> rows of repository, tag, systems: what is published there, as far as clusters of ours use it.
_PUBLISHED: Mapping[str, tuple[tuple[str, str, tuple[Os, ...]], ...]] = {
    "registry.k8s.io": (
        (r"kube-(apiserver|controller-manager|scheduler|proxy)", _RELEASE, ("linux",)),
        (r"etcd", r"3\.\d+\.\d+-\d+", ("linux",)),
        (r"coredns/coredns", r"v1\.\d+\.\d+", ("linux",)),
        (r"pause", r"3\.\d+(\.\d+)?", _BOTH),
        (r"e2e-test-images/[a-z0-9-]+", _ANY, _BOTH),
    ),
    "gcr.io": (
        (
            r"k8s-staging-ci-images/kube-(apiserver|controller-manager|scheduler|proxy)",
            r"v1\.\d+\.\d+-(alpha|beta|rc)\.\d+\.\d+_[0-9a-f]{7,}",
            ("linux",),
        ),
    ),
    "quay.io": (
        (r"tigera/operator", r"v1\.\d+\.\d+", ("linux",)),
        (r"calico/(node|cni)-windows", r"v3\.\d+\.\d+", ("windows",)),
        (
            r"calico/(node|cni|pod2daemon-flexvol|csi|node-driver-registrar|typha|kube-controllers|apiserver)",
            r"v3\.\d+\.\d+",
            ("linux",),
        ),
    ),
    "mcr.microsoft.com": (
        (r"oss/kubernetes/windows-host-process-containers-base-image", r"v1\.0\.0", ("windows",)),
        (r"windows/(nanoserver|servercore)", _ANY, ("windows",)),
    ),
    "docker.io": ((r"library/(busybox|nginx|alpine)", _ANY, ("linux",)),),
}


def registries() -> frozenset[str]:
    """The registries that there are."""
    return frozenset(_PUBLISHED)


def systems(host: str, repository: str, tag: str) -> tuple[Os, ...]:
    """For which systems a registry has an image; none when it does not have it at all."""
    for path, tags, found in _PUBLISHED.get(host, ()):
        if re.fullmatch(path, repository) and re.fullmatch(tags, tag):
            return found
    return ()


@lru_cache(maxsize=256)
def image(name: str, os: Os) -> tuple[str, dict[str, bytes]]:
    """The manifest's digest and all blobs (digest -> bytes) of the stand-in of one image on one system."""
    layer = _tar({"hybrid-standin": f"{MARK}image {name} {os}/amd64\n".encode()})
    packed = gzip.compress(layer, compresslevel=1, mtime=0)
    platform = {"architecture": "amd64", "os": os} | ({"os.version": "10.0.20348.1"} if os == "windows" else {})
    config = encode({**platform, "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]}})
    manifest = encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": _digest(config), "size": len(config)},
            "layers": [{"mediaType": f"{OCI_LAYER}+gzip", "digest": _digest(packed), "size": len(packed)}],
        }
    )
    return _digest(manifest), {_digest(blob): blob for blob in (packed, config, manifest)}


def index(name: str, wanted: tuple[Os, ...]) -> bytes:
    """What a registry answers for a tag: the images of its systems."""
    manifests = []
    for os in wanted:
        digest, blobs = image(name, os)
        platform = {"os": os, "architecture": "amd64"}
        manifests.append(
            {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(blobs[digest]), "platform": platform}
        )
    return encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def archive(name: str, os: Os) -> bytes:
    """An archive with the stand-in of one image, by its whole name."""
    digest, blobs = image(name, os)
    entry = {
        "mediaType": OCI_MANIFEST,
        "digest": digest,
        "size": len(blobs[digest]),
        "platform": {"os": os, "architecture": "amd64"},
        "annotations": {CONTAINERD_NAME: name, REF_NAME: name.rpartition(":")[2]},
    }
    files = {f"blobs/sha256/{one.partition(':')[2]}": blob for one, blob in blobs.items()}
    return _tar(
        {
            **files,
            "index.json": encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}),
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        }
    )


def _tar(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _digest(data: bytes) -> str:
    return digest_of(hashlib.sha256(data).hexdigest())
