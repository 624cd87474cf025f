"""The rehearsal's origin, asked by the product's own download code."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from provision.artifacts import catalog, download
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.rehearsal.origin import Origin
from provision.rehearsal.published import published
from provision.rehearsal.standin import read_standin
from provision.settings.model import Settings


@pytest.fixture
def origin() -> Iterator[Origin]:
    server = Origin()
    server.start()
    yield server
    server.stop()


def at(origin: Origin, url: str) -> str:
    return download.mirrored(url, origin.mirrors)


def test_everything_that_a_cluster_needs_is_there_with_its_checksum(origin: Origin, tmp_path: Path) -> None:
    settings = Settings().model_copy(
        update={"kubernetes": Settings().kubernetes.model_copy(update={"version": "1.36.4"})}
    )
    specs = catalog.needed(settings)
    assert {"kubelet.exe", "containerd-windows.tar.gz", "runc", "tigera-operator.yaml"} <= {s.name for s in specs}
    for spec in specs:
        target = tmp_path / spec.name
        download.file(at(origin, spec.url), target, Deadline(30))
        if spec.checksum_url:
            text = download.text(at(origin, spec.checksum_url), Deadline(30))
            assert hashlib.sha256(target.read_bytes()).hexdigest() in text
    assert all(count == 1 for count in origin.requests.values())


def test_a_cut_download_goes_on(origin: Origin, tmp_path: Path) -> None:
    url = "https://dl.k8s.io/release/v1.36.4/bin/windows/amd64/kubelet.exe"
    target = tmp_path / "kubelet.exe"
    download.file(at(origin, url), target, Deadline(30))
    whole = target.read_bytes()
    target.write_bytes(whole[:1000])
    download.file(at(origin, url), target, Deadline(30))
    assert target.read_bytes() == whole
    found = read_standin(whole)
    assert found is not None
    assert (found.program, found.version, found.os) == ("kubelet", "v1.36.4", "windows")


@pytest.mark.parametrize(
    "url",
    [
        "https://dl.k8s.io/release/v1.36.4/bin/windows/amd64/kubelet",
        "https://dl.k8s.io/release/v0.0.0/bin/linux/amd64/kubelet",
        "https://github.com/containerd/containerd/releases/download/v2.3.4/containerd-2.3.5-linux-amd64.tar.gz",
        "https://github.com/opencontainers/runc/releases/download/v1.3.0/runc.vax",
        "https://raw.githubusercontent.com/projectcalico/calico/v3.32.1/manifests/nothing.yaml",
        "https://example.org/",
    ],
)
def test_what_is_not_published_is_not_there(origin: Origin, tmp_path: Path, url: str) -> None:
    with pytest.raises(ArtifactError, match="404"):
        download.file(at(origin, url), tmp_path / "x", Deadline(10))


def test_archives_have_the_publishers_layout() -> None:
    base = "github.com/containerd/containerd/releases/download/v2.3.4/containerd-2.3.4-windows-amd64.tar.gz"
    data = published(base)
    assert data is not None
    with tarfile.open(fileobj=io.BytesIO(data)) as tape:
        assert {"bin/containerd.exe", "bin/ctr.exe", "bin/containerd-shim-runhcs-v1.exe"} <= set(tape.getnames())


def test_calicos_manifests_hold_what_the_operator_needs() -> None:
    base = "raw.githubusercontent.com/projectcalico/calico/v3.32.1/manifests/"
    crds = published(base + "v1_crd_projectcalico_org.yaml")
    operator = published(base + "tigera-operator.yaml")
    assert crds is not None
    assert operator is not None
    names = [d["metadata"]["name"] for d in yaml.safe_load_all(crds)]
    assert len(names) == 32
    assert "installations.operator.tigera.io" in names
    kinds = {d["kind"] for d in yaml.safe_load_all(operator)}
    assert "Deployment" in kinds
    assert "CustomResourceDefinition" not in kinds
    assert crds.startswith(b"# hybrid stand-in")
