"""Flags of the source, and what a session says about Kubernetes."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.app.meant import kubernetes_row, meant, plain
from provision.app.session import named
from provision.errors import SettingsError
from provision.settings.complete import defaults
from provision.settings.load import load
from provision.settings.model import Chosen, SourceState

SOURCE = SourceState(
    remote="https://example.org/k", commit="c" * 40, tree="d" * 40, dirty=True, version="1.38.0-a.1+c-dirty",
    committed=1, go="1.26.4",
)  # fmt: skip


def test_a_flag_takes_the_place_of_what_the_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert named("", "", "", "") == []
    assert named("", "", "", "https://x") == ["kubernetes.remote=https://x"]
    assert named("0123456", "", "", "") == [
        "kubernetes.ref=null",
        "kubernetes.path=null",
        "kubernetes.sha=0123456",
    ]
    assert f"kubernetes.path={tmp_path / 'k'}" in named("", "", "k", "")


def test_digits_stay_a_commit_and_two_flags_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "variables.yaml").write_text("kubernetes:\n  ref: master\n")
    made = load(None, overrides=named("0012345", "", "", ""), environment={}, workspace=tmp_path).settings.kubernetes
    assert (made.sha, made.ref) == ("0012345", None)
    with pytest.raises(SettingsError, match="name Kubernetes at the same time"):
        load(None, overrides=named("0012345", "main", "", ""), environment={}, workspace=tmp_path)


def test_a_release_needs_no_words_and_a_build_gets_them() -> None:
    settings = defaults()
    release = Chosen(control_plane="release", version="1.36.4", nodes="1.36.4", why="version 1.36 is a release")
    assert plain(settings) and plain(settings.model_copy(update={"chosen": release}))
    chosen = release.model_copy(
        update={
            "control_plane": "ci",
            "version": "1.38.0-a.2+e",
            "nodes": SOURCE.version,
            "source": SOURCE,
            "why": "so",
        }
    )
    built = settings.model_copy(update={"chosen": chosen})
    assert not plain(built)
    assert meant(built) == "control plane 1.38.0-a.2+e, a CI build; Windows nodes 1.38.0-a.1+c-dirty (built): so"
    assert kubernetes_row(built)["commit"] == "c" * 40 and kubernetes_row(built)["dirty"] is True
    shim = settings.model_copy(update={"chosen": release.model_copy(update={"hcsshim": SOURCE})})
    assert not plain(shim) and "hcsshim 1.38.0-a.1+c-dirty (built)" in meant(shim)
