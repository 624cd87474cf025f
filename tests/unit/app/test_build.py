"""`invoke build`: which source, which programs, what is said; without git and without a compiler."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from provision.app import build as module
from provision.app.build import build
from provision.build.base import Built, Source
from provision.build.targets import Target
from provision.errors import ArtifactError
from tests.unit.build.test_stamp import SOURCE

KUBERNETES = "https://github.com/kubernetes/kubernetes"


class FakeSources:
    """Notes what it was asked."""

    asked: list[tuple[Any, ...]]

    def __init__(self, root: Path, say: Any, **more: Any) -> None:
        self.fetched_bytes = 44_000_000
        FakeSources.asked = []

    def resolve(self, project: Any, remote: str, word: str, _until: Any, **more: Any) -> Source:
        FakeSources.asked.append((project, remote, word, more["compatibility"]))
        return SOURCE

    def capture(self, project: Any, path: Path, _until: Any, **more: Any) -> Source:
        FakeSources.asked.append((project, str(path), "path", more["compatibility"]))
        return SOURCE


class FakeBuilder:
    """Builds anything at once."""

    debug = False

    def __init__(self, cache: Any, *_: Any, **__: Any) -> None:
        self.root = cache.root

    def known(self, *_: Any, **__: Any) -> None:
        return None

    def build(self, source: Source, targets: Sequence[Target], *_: Any, debug: bool) -> dict[str, Built]:
        FakeBuilder.debug = debug
        self.root.mkdir(exist_ok=True)
        found = {}
        for target in targets:
            path = self.root / f"digest-of-{target.name}"
            path.write_text(target.name)
            found[target.name] = Built(
                name=target.name, version=source.version, key="k" * 64, path=path, sha256="d" * 64, size=58_500_000,
                seconds=241.0, fresh=True,
            )  # fmt: skip
        return found


@pytest.fixture(autouse=True)
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "Sources", FakeSources)
    monkeypatch.setattr(module, "Builder", FakeBuilder)
    monkeypatch.setenv("HYBRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)


SHIM = "https://github.com/microsoft/hcsshim"


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ({"sha": "0123456"}, ("kubernetes", KUBERNETES, "0123456", None)),
        ({"ref": "pull/7", "remote": "/srv/k.git"}, ("kubernetes", "/srv/k.git", "pull/7", None)),
        ({}, ("kubernetes", KUBERNETES, "v1.36.4", None)),
        ({"set": ["kubernetes.ref=master"]}, ("kubernetes", KUBERNETES, "master", None)),
        ({"set": ["kubernetes.ref=master"], "sha": "0123456"}, ("kubernetes", KUBERNETES, "0123456", None)),
        (
            {"sha": "0123456", "set": ["kubernetes.compatibility=1.36", "kubernetes.remote=/srv/mine"]},
            ("kubernetes", "/srv/mine", "0123456", "1.36"),
        ),
        ({"component": ["ctr.exe"]}, ("containerd", "https://github.com/containerd/containerd", "v2.3.4", None)),
        ({"component": ["containerd-shim-runhcs-v1.exe"]}, ("hcsshim", SHIM, "v0.15.0-rc.3", None)),
        ({"component": ["ctr"], "ref": "main", "remote": "/srv/c"}, ("containerd", "/srv/c", "main", None)),
    ],
)
def test_the_source_is_what_flags_name_else_what_the_settings_name(
    flags: dict[str, Any], asked: tuple[str, ...]
) -> None:
    assert build(**flags) == 0
    assert FakeSources.asked == [asked]


def test_a_path_is_captured(tmp_path: Path) -> None:
    assert build(path="checkout") == 0
    assert FakeSources.asked == [("kubernetes", str(tmp_path / "checkout"), "path", None)]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"sha": "0123456", "ref": "master"}, "--sha and --ref name two sources"),
        (
            {"sha": "0123456", "component": ["kubelet.exe", "ctr.exe"]},
            "one source cannot give kubernetes and containerd",
        ),
        ({"component": ["nothing"]}, "there is no component nothing"),
        ({"set": ["kubernetes.version=ci/latest"]}, "which is nobody's commit"),
    ],
)
def test_what_cannot_be_meant_is_refused(flags: dict[str, Any], says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        build(**flags)


def test_the_document_says_all_and_nothing_else_is_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert build(sha="0123456", json=True) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in document["built"]] == ["kubelet.exe", "kube-proxy.exe"]
    assert document["received_bytes"] == 44_000_000 and document["sources"][0]["version"] == SOURCE.version


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"sha": "0123456"}, f"next: invoke up --sha {SOURCE.commit}"),
        ({"ref": "x", "remote": "/srv/my k"}, f"next: invoke up --sha {SOURCE.commit} --remote '/srv/my k'"),
        ({"path": "/src/k"}, "next: invoke up --path /src/k"),
        ({"sha": "0123456", "component": ["kubeadm"]}, "next: invoke build --list"),
    ],
)
def test_the_next_command_can_be_typed(flags: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    build(**flags)
    out = capsys.readouterr().out
    assert line in out.splitlines() and "58.5 MB" in out and "44.0 MB fetched" in out


def test_copies_have_names_and_may_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kubelet.exe").write_text("older")
    build(sha="0123456", to="out", debug=True)
    found = tmp_path / "out" / "kubelet.exe"
    assert found.read_text() == "kubelet.exe" and found.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["kube-proxy.exe", "kubelet.exe"]
    assert FakeBuilder.debug
    assert f"--set 'kubernetes.binaries={{kubelet.exe: {found}}}'" in capsys.readouterr().out


def test_an_empty_list_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    assert build(list=True) == 0
    assert "nothing has been built" in capsys.readouterr().out
    assert build(list=True, json=True) == 0
    assert json.loads(capsys.readouterr().out) == []
