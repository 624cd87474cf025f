"""Names of images: as containerd completes them, as kubeadm lists them."""

from __future__ import annotations

import pytest

from provision.build.images_names import CI_REPOSITORY, image_tag, images_for, listed, nearest_release, reference
from provision.errors import ArtifactError

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("calico/node:v3.32.1", "docker.io/calico/node:v3.32.1"),
        ("index.docker.io/calico/node:v3", "docker.io/calico/node:v3"),
        ("registry.k8s.io/pause:3.10.2", "registry.k8s.io/pause:3.10.2"),
        ("registry.k8s.io/coredns/coredns:v1.13.1", "registry.k8s.io/coredns/coredns:v1.13.1"),
        ("localhost/thing", "localhost/thing:latest"),
        ("127.0.0.1:5000/a/b-c__d.e", "127.0.0.1:5000/a/b-c__d.e:latest"),
        ("[::1]:5000/thing:v1", "[::1]:5000/thing:v1"),
        (f"registry.k8s.io/pause@{DIGEST}", f"registry.k8s.io/pause@{DIGEST}"),
        (f"registry.k8s.io/pause:3.10@{DIGEST}", f"registry.k8s.io/pause:3.10@{DIGEST}"),
    ],
)
def test_a_reference_is_completed(text: str, whole: str) -> None:
    assert str(reference(text)) == whole
    assert reference(whole) == reference(text)


@pytest.mark.parametrize(
    "text",
    ["", ":v1", "Registry/Thing", "registry.k8s.io/", "registry.k8s.io/Thing", "a//b", "thing:", "thing:v+1",
     "thing:" + "x" * 129, "thing@", "thing@sha256:12", f"thing@{DIGEST}0", "https://registry.k8s.io/pause", "a b",
     "../pause", "registry.k8s.io/../pause"],
)  # fmt: skip
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ArtifactError, match="is no reference of an image"):
        reference(text)


def test_dockers_registry_answers_elsewhere() -> None:
    assert reference("busybox").api_host == "registry-1.docker.io"
    assert reference("quay.io/x").api_host == "quay.io"


def test_images_are_named_as_kubeadm_names_them() -> None:
    assert images_for("1.37.0-alpha.2.45+0123456789abcd-dirty") == (
        "registry.k8s.io/kube-apiserver:v1.37.0-alpha.2.45_0123456789abcd-dirty",
        "registry.k8s.io/kube-controller-manager:v1.37.0-alpha.2.45_0123456789abcd-dirty",
        "registry.k8s.io/kube-scheduler:v1.37.0-alpha.2.45_0123456789abcd-dirty",
        "registry.k8s.io/kube-proxy:v1.37.0-alpha.2.45_0123456789abcd-dirty",
    )
    assert images_for("v1.36.4", CI_REPOSITORY)[0] == "gcr.io/k8s-staging-ci-images/kube-apiserver:v1.36.4"
    assert all(reference(name) for name in images_for("v1.36.4+a.b"))


def test_a_tag_holds_nothing_that_a_tag_may_not() -> None:
    assert image_tag("v1.36.4") == image_tag("1.36.4") == "v1.36.4"
    assert image_tag("1.36.4+vendor+2~x") == "v1.36.4_vendor_2_x"


def test_what_kubeadm_prints_is_read() -> None:
    printed = """\
I1121 11:36:01.123456    4711 version.go:261] remote version is much newer: v1.37.0; falling back to: stable-1.34
W1121 11:36:02.123456    4711 version.go:109] could not fetch a Kubernetes version from the internet
registry.k8s.io/kube-apiserver:v1.34.1
registry.k8s.io/kube-controller-manager:v1.34.1
registry.k8s.io/kube-scheduler:v1.34.1
registry.k8s.io/kube-proxy:v1.34.1
registry.k8s.io/coredns/coredns:v1.12.1
registry.k8s.io/pause:3.10.1
registry.k8s.io/etcd:3.6.4-0
"""
    found = listed(printed.splitlines())
    assert found[:4] == images_for("1.34.1")
    assert [name.rpartition("/")[2] for name in found[4:]] == ["coredns:v1.12.1", "pause:3.10.1", "etcd:3.6.4-0"]
    with pytest.raises(ArtifactError, match="listed no image"):
        listed(["", "W1121 11:36:02.1 x"])
    with pytest.raises(ArtifactError, match="is no reference"):
        listed(["error: something went wrong: Oh"])


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("1.36.2-rc.1+abc", "1.36.4"),
        ("1.36.9+abc", "1.36.4"),
        ("1.35.0", "1.35.8"),
        ("1.99.0-alpha.1.5+abc", "1.37.0"),
        ("1.20.3", "1.33.13"),
    ],
)
def test_the_nearest_release(version: str, release: str) -> None:
    assert nearest_release(version) == release
