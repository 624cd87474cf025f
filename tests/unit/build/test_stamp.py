"""Recipes: flags, stamps and keys."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from provision.build.base import Source
from provision.build.stamp import build_date, containerd_module, key, recipe, stamps
from provision.build.targets import BY_NAME

SOURCE = Source(
    project="kubernetes",
    remote="https://example.org/kubernetes",
    commit="0123456789abcdef0123456789abcdef01234567",
    tree="f" * 40,
    dirty=False,
    version="1.37.0-alpha.2.45+0123456789abcd",
    committed=1767225600,
    go="1.26.4",
)
KUBELET = BY_NAME["kubelet.exe"]


@pytest.mark.parametrize(
    ("version", "dirty", "major", "minor"),
    [
        # From hack/lib/version.sh: a "+" when there is anything between the number and the build.
        ("1.36.4", False, "1", "36"),
        ("1.36.4-1+0123456789abcd", False, "1", "36+"),
        ("1.37.0-alpha.2.45+0123456789abcd", False, "1", "37+"),
        ("1.36.4-dirty", True, "1", "36+"),
        ("1.36.4-1+0123456789abcd-dirty", True, "1", "36+"),
    ],
)
def test_kubernetes_is_stamped_as_its_own_build_does(version: str, dirty: bool, major: str, minor: str) -> None:
    found = stamps(replace(SOURCE, version=version, dirty=dirty))
    wanted = {
        "gitVersion": f"v{version}",
        "gitCommit": SOURCE.commit,
        "gitTreeState": "dirty" if dirty else "clean",
        "gitMajor": major,
        "gitMinor": minor,
        "buildDate": "2026-01-01T00:00:00Z",
    }
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert {name: found[f"{package}.{name}"] for name in wanted} == wanted
    assert len(found) == 2 * len(wanted)


@pytest.mark.parametrize(
    ("version", "module"),
    [
        ("2.3.4", "github.com/containerd/containerd/v2"),
        ("2.4.0-beta.1", "github.com/containerd/containerd/v2"),
        ("1.7.34", "github.com/containerd/containerd"),
        ("0123456789abcd", "github.com/containerd/containerd/v2"),
    ],
)
def test_containerd_is_stamped_in_its_module(version: str, module: str) -> None:
    source = replace(SOURCE, project="containerd", version=version, dirty=True)
    assert containerd_module(version) == module
    assert stamps(source) == {
        f"{module}/version.Version": f"v{version}",
        f"{module}/version.Revision": f"{SOURCE.commit}.m",
        f"{module}/version.Package": module,
    }


def test_the_date_of_a_build_is_the_commits() -> None:
    assert build_date(0) == "1970-01-01T00:00:00Z"


def test_a_release_build_is_small_and_says_nothing_of_this_computer() -> None:
    how = recipe(SOURCE, KUBELET)
    assert how.variables == {"GOOS": "windows", "GOARCH": "amd64", "CGO_ENABLED": "0"}
    assert how.version == SOURCE.version
    assert how.flags[:3] == ("-buildvcs=false", "-tags=selinux,notest,grpcnotrace", "-trimpath")
    link = shlex.split(how.flags[3].removeprefix("-ldflags=all="))
    assert link[-2:] == ["-s", "-w"]
    assert link[0] == "-X" and link[1] == "k8s.io/component-base/version.buildDate=2026-01-01T00:00:00Z"


def test_a_debug_build_keeps_symbols_and_paths() -> None:
    flags = " ".join(recipe(SOURCE, KUBELET, debug=True).flags)
    assert "-gcflags=all=-N -l" in flags
    assert "-trimpath" not in flags and " -s" not in flags and "grpcnotrace" not in flags


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("kube-log-runner.exe", SOURCE),
        ("containerd-shim-runhcs-v1.exe", replace(SOURCE, project="hcsshim", version="0.15.0-rc.3")),
        ("containerd.exe", replace(SOURCE, project="containerd", version="0123456789abcd")),
    ],
)
def test_no_version_is_looked_for_where_none_is(name: str, source: Source) -> None:
    assert recipe(source, BY_NAME[name]).version is None


def test_the_key_changes_with_all_that_changes_the_file() -> None:
    others = {
        "source": key(replace(SOURCE, tree="e" * 40), KUBELET, "1.26.4"),
        "commit": key(replace(SOURCE, commit="f" * 40), KUBELET, "1.26.4"),
        "date": key(replace(SOURCE, committed=1), KUBELET, "1.26.4"),
        "version": key(replace(SOURCE, version="1.36.4"), KUBELET, "1.26.4"),
        "dirt": key(replace(SOURCE, dirty=True), KUBELET, "1.26.4"),
        "target": key(SOURCE, BY_NAME["kube-proxy.exe"], "1.26.4"),
        "system": key(SOURCE, BY_NAME["kubelet"], "1.26.4"),
        "architecture": key(SOURCE, replace(KUBELET, arch="arm64"), "1.26.4"),
        "compiler": key(SOURCE, KUBELET, "1.26.5"),
        "debug": key(SOURCE, KUBELET, "1.26.4", debug=True),
        "itself": key(SOURCE, KUBELET, "1.26.4"),
    }
    assert len(set(others.values())) == len(others)


def test_the_key_does_not_change_with_what_does_not() -> None:
    elsewhere = replace(SOURCE, remote="/home/me/kubernetes", go="1.26.3")  # the compiler counts, not what was asked
    assert key(elsewhere, replace(KUBELET, memory_mib=1), "1.26.4") == key(SOURCE, KUBELET, "1.26.4")
