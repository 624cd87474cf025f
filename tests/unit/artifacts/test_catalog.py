"""What each setting needs: every row whole, each file with its publisher's checksum and the member that is wanted."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from provision.artifacts import catalog, rows
from provision.artifacts.base import ArtifactSpec, Os
from provision.artifacts.verify import archive_kind
from provision.settings.complete import complete
from provision.settings.model import Chosen, Kubernetes, Machine, Settings

CI = Chosen(control_plane="ci", version="1.38.0-alpha.1.23+abcdef", nodes="1.38.0-alpha.1.23+abcdef", why="")


def settings(**changes: object) -> Settings:
    return complete(Settings(**changes))


def by_name(found: tuple[ArtifactSpec, ...]) -> dict[str, ArtifactSpec]:
    return {spec.name: spec for spec in found}


ALL = [
    settings(),
    settings(kubernetes=Kubernetes(version="1.34")),
    settings(cni="antrea"),
    settings(cni="flannel"),
    settings(machines=(Machine(name="cp1", os="linux", role="control-plane"),)),
    settings().model_copy(update={"chosen": CI}),
]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.cni}-{case.kubernetes.version}-{len(case.machines)}")
def test_every_file_is_whole(case: Settings) -> None:
    found = catalog.needed(case)
    assert len(by_name(found)) == len(found)
    for spec in (*found, catalog.tests(case, "linux"), catalog.tests(case, "windows"), catalog.exporter()):
        for url in filter(None, (spec.url, spec.checksum_url)):
            assert urlsplit(url).scheme == "https" and not re.search(r"[{}\s]|//.*//|vv\d", url), url
        assert spec.version and spec.version in spec.url.replace("%2B", "+")
        # An archive is looked into for the program that it is fetched for.
        assert (archive_kind(spec.url) is not None) == (spec.member is not None), spec.name
        assert (spec.os is None) == spec.name.endswith((".yaml", ".yml"))
        assert spec.name.endswith(".exe") == (spec.os == "windows" and spec.member is None)
        if spec.checksum_url is None:
            assert spec.os is None or "flannel" in spec.name


def test_a_release_comes_from_the_releases_and_a_ci_build_from_the_builds() -> None:
    kubelet = by_name(catalog.needed(settings()))["kubelet.exe"]
    assert kubelet.url == f"https://dl.k8s.io/release/v{kubelet.version}/bin/windows/amd64/kubelet.exe"
    assert kubelet.checksum_url == f"{kubelet.url}.sha256"
    built = by_name(catalog.needed(settings().model_copy(update={"chosen": CI})))
    assert built["kubelet.exe"].url == f"https://dl.k8s.io/ci/v{CI.version}/bin/windows/amd64/kubelet.exe"
    assert built["kubeadm"].version == CI.version
    assert catalog.tests(settings().model_copy(update={"chosen": CI}), "linux").url == (
        f"https://dl.k8s.io/ci/v{CI.version}/kubernetes-test-linux-amd64.tar.gz"
    )


@pytest.mark.parametrize(
    ("os", "name", "member"),
    [
        ("linux", "containerd-linux.tar.gz", "bin/containerd"),
        ("windows", "containerd-windows.tar.gz", "bin/containerd.exe"),
        ("linux", "crictl-linux.tar.gz", "crictl"),
        ("windows", "crictl-windows.tar.gz", "crictl.exe"),
        ("linux", "cni-plugins-linux.tgz", "host-local"),
    ],
)
def test_archives_name_the_program_of_their_system(os: Os, name: str, member: str) -> None:
    spec = by_name(catalog.needed(settings()))[name]
    assert (spec.os, spec.member) == (os, member)


def test_without_windows_nothing_for_windows_is_needed() -> None:
    found = catalog.needed(settings(machines=(Machine(name="cp1", os="linux", role="control-plane"),)))
    assert all(spec.os != "windows" for spec in found)


def test_each_network_brings_its_own_files() -> None:
    names = {case.cni: set(by_name(catalog.needed(case))) for case in ALL[:1] + ALL[2:4]}
    assert {"calico-crds.yaml", "tigera-operator.yaml"} <= names["calico"]
    assert {"antrea.yml", "antrea-windows-with-ovs.yml"} <= names["antrea"]
    assert {"kube-flannel.yml", "flannel-windows.tar.gz", "cni-plugins-windows.tgz"} <= names["flannel"]
    assert not names["calico"] & (names["antrea"] - names["flannel"])


def test_another_architecture_is_a_parameter() -> None:
    spec = rows.spec("kubelet", rows.KUBERNETES, "1.36.4", "linux", arch="arm64")
    assert spec.arch == "arm64" and "/linux/arm64/kubelet" in spec.url


def test_who_makes_a_file_stands_in_its_address() -> None:
    def made(url: str) -> str | None:
        return ArtifactSpec(name="x", version="1", url=url, checksum_url=None).maker

    assert [made(url) for url in ("build:kubernetes/t/x", "file:/x", "image:r/x:1", "https://x/y")] == [
        "build",
        "file",
        "image",
        None,
    ]
