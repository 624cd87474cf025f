"""Checksum files, mirrors, the lock: the pure part of artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.artifacts import lock
from provision.artifacts.base import ArtifactSpec
from provision.artifacts.checksums import published_digest
from provision.artifacts.download import mirrored
from provision.artifacts.lock import ArtifactLock
from provision.clock import Deadline
from provision.errors import ArtifactError, Refused
from provision.host.lock import only_one

DIGEST = "a" * 64
SPEC = ArtifactSpec(name="runc", version="1.3.3", url="https://host/v1.3.3/runc.amd64", checksum_url=None)


@pytest.mark.parametrize(
    "text",
    [
        DIGEST,
        f"{DIGEST}\n",
        f"{DIGEST.upper()}  runc.amd64\n",
        f"{'b' * 64}  runc.arm64\n{DIGEST} *runc.amd64\n",
        f"{DIGEST}  ./out/runc.amd64\n",
    ],
)
def test_a_publishers_checksum_is_found(text: str) -> None:
    assert published_digest(text, "runc.amd64", "https://host/sums") == DIGEST


@pytest.mark.parametrize(
    "text", ["", "<html>sign in</html>", f"{DIGEST}  runc.arm64", "deadbeef", f"{DIGEST}\n{DIGEST}"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ArtifactError, match="holds no SHA-256 of runc.amd64"):
        published_digest(text, "runc.amd64", "https://host/sums")


def test_the_longest_mirror_wins() -> None:
    mirrors = {"https://host/": "http://near/host", "https://host/v1/": "/srv/v1"}
    assert mirrored("https://host/v1/runc", mirrors) == "/srv/v1/runc"
    assert mirrored("https://host/v2/runc", mirrors) == "http://near/host/v2/runc"
    assert mirrored("https://other/runc", mirrors) == "https://other/runc"


def test_an_entry_counts_only_for_its_very_file(tmp_path: Path) -> None:
    lock = ArtifactLock(tmp_path / "lock.yaml")
    lock.pin(SPEC, sha256=DIGEST, size=3, checked=True)
    again = ArtifactLock(tmp_path / "lock.yaml")
    found = again.find(SPEC)
    assert found is not None and found.sha256 == DIGEST
    other = ArtifactSpec(name="runc", version="1.3.4", url="https://host/v1.3.4/runc.amd64", checksum_url=None)
    assert again.find(other) is None


def test_two_writers_keep_each_others_entries(tmp_path: Path) -> None:
    one, two = ArtifactLock(tmp_path / "lock.yaml"), ArtifactLock(tmp_path / "lock.yaml")
    one.pin(SPEC, sha256=DIGEST, size=3, checked=True)
    two.pin(ArtifactSpec(name="x", version="1", url="u", checksum_url=None), sha256=DIGEST, size=1, checked=False)
    assert set(ArtifactLock(tmp_path / "lock.yaml").entries) == {"runc", "x"}


def test_a_lock_that_another_run_does_not_let_go_of_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.0)
    mine = ArtifactLock(tmp_path / "lock.yaml")
    with (
        only_one(tmp_path / ".lock.yaml.lock", Deadline(0), "by another"),
        pytest.raises(ArtifactError, match="lock.yaml: another run has been at work on it"),
    ):
        mine.pin_word("kubernetes.version 1.36", "1.36.4")


@pytest.mark.parametrize("text", ["artifacts: [", "artifacts: {runc: {sha256: short}}", "just words"])
def test_a_broken_lock_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock.yaml").write_text(text)
    with pytest.raises(ArtifactError, match="cannot be read as a lock"):
        ArtifactLock(tmp_path / "lock.yaml")


def test_a_real_run_refuses_a_rehearsals_lock_and_the_other_way_round(tmp_path: Path) -> None:
    ArtifactLock(tmp_path / "r.yaml", rehearsed=True).pin(SPEC, sha256=DIGEST, size=3, checked=True)
    with pytest.raises(Refused, match="rehearsal's lock"):
        ArtifactLock(tmp_path / "r.yaml")
    ArtifactLock(tmp_path / "c.yaml").pin(SPEC, sha256=DIGEST, size=3, checked=True)
    with pytest.raises(Refused, match="real cluster's lock"):
        ArtifactLock(tmp_path / "c.yaml", rehearsed=True)
