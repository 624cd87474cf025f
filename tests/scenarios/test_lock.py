"""`invoke lock` and `invoke cache` as a user runs them, in a rehearsal and on a cache of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from provision import knowledge
from tests.scenarios.processes import Folder, folder

LATEST = knowledge.RELEASES["1.36"].latest


def lock_of(work: Folder) -> Path:
    return work.runs.parent / "artifacts.lock.yaml"


def asked(work: Folder, *words: str) -> dict[str, Any]:
    done = work.run("lock", "--json", *words)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["rehearsed"] is True
    return answer


def test_a_lock_is_shown_written_and_then_nothing_changes(tmp_path: Path) -> None:
    with folder(tmp_path / "w", kubernetes={"version": "1.36"}, containerd={"linux": "2.3"}) as work:
        only_shown = asked(work, "--check")
        assert not only_shown["written"] and not lock_of(work).exists()
        written = asked(work)
        assert written["written"] and written["changes"] == only_shown["changes"]
        lock = yaml.safe_load(lock_of(work).read_text())
        assert lock["words"]["kubernetes.version 1.36"] == LATEST
        assert lock["words"]["containerd.linux 2.3"] == knowledge.containerd_patch("2.3")
        assert lock["artifacts"]["kubelet.exe"]["version"] == LATEST
        before = lock_of(work).read_bytes()
        again = work.run("lock")
        assert again.returncode == 0 and "rehearsal: nothing changed" in again.stdout
        assert lock_of(work).read_bytes() == before

        # What was asked for by then is what is fetched and found right.
        assert "fetch-kubelet.exe" in work.up()["applied"]
        assert lock_of(work).read_bytes() == before
        assert asked(work, "--offline") == {
            "lock": str(lock_of(work)),
            "rehearsed": True,
            "written": False,
            "changes": [],
        }


def test_an_older_pin_moves_on_and_a_replaced_file_is_pointed_out(tmp_path: Path) -> None:
    with folder(tmp_path / "w", kubernetes={"version": "1.36"}) as work:
        asked(work)
        lock = yaml.safe_load(lock_of(work).read_text())
        lock["words"]["kubernetes.version 1.36"] = "1.36.1"
        lock["artifacts"]["runc"]["sha256"] = "0" * 64
        lock_of(work).write_text(yaml.safe_dump(lock))

        # Without a refresh the pin is what the word means.
        shown = work.run("plan", "--json")
        assert json.loads(shown.stdout)["kubernetes"]["version"] == "1.36.1"

        found = work.run("lock", "--check")
        said = " ".join((found.stdout + found.stderr).split())
        assert f"word kubernetes.version 1.36 1.36.1 {LATEST}" in said
        assert "runc: its publisher has replaced it under the same address" in said
        changes = {change["what"]: change for change in asked(work)["changes"]}
        assert changes["runc"]["republished"] and changes["runc"]["was"].endswith("0" * 12)
        assert yaml.safe_load(lock_of(work).read_text())["words"]["kubernetes.version 1.36"] == LATEST


def test_a_cluster_follows_its_pin_and_a_newer_one_says_what_it_costs(tmp_path: Path) -> None:
    machines = [{"name": "cp1", "os": "linux", "role": "control-plane"}]
    with folder(tmp_path / "w", kubernetes={"version": "1.36"}, machines=machines) as work:
        # As it was pinned when 1.36.1 was the latest.
        lock_of(work).parent.mkdir(parents=True)
        lock_of(work).write_text("rehearsed: true\nwords: {kubernetes.version 1.36: 1.36.1}\n")
        assert [node["kubelet"] for node in work.up()["nodes"]] == ["v1.36.1"]
        assert work.up()["applied"] == []
        done = work.run("lock")
        said = " ".join((done.stdout + done.stderr).split())
        assert "the cluster's control plane is another one then: it is made again" in said
        assert "next: invoke destroy, then invoke up" in said
        refused = work.run("up")
        assert refused.returncode == 12 and f"kubernetes.version was 1.36.1, now it is {LATEST}" in refused.stderr


def test_a_ci_build_is_resolved_once(tmp_path: Path) -> None:
    with folder(tmp_path / "w", kubernetes={"version": "ci/latest-1.37"}) as work:
        changes = {change["what"]: change["becomes"] for change in asked(work)["changes"]}
        version = changes["kubernetes.version ci/latest-1.37"]
        assert version.startswith("1.37.") and "+" in version
        assert changes["kubelet.exe"] == changes["kubeadm"] == version
        assert f"/ci/v{version}/bin/windows/amd64/kubelet.exe" in lock_of(work).read_text()


def test_a_version_that_nobody_publishes_writes_nothing(tmp_path: Path) -> None:
    with folder(tmp_path / "w", kubernetes={"version": "ci/v1.37.0-alpha.77"}) as work:
        done = work.run("lock")
        assert done.returncode == 4
        assert "404" in done.stderr and "kubelet" in done.stderr
        assert not lock_of(work).exists()


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A real cache with one file that this folder's lock names, and one that none does."""
    from tests.unit.artifacts.test_inventory import Shelf

    shelf = Shelf(tmp_path)
    monkeypatch.setenv("HYBRID_CACHE", str(shelf.cache.root))
    shelf.put("kubelet.exe", "w")
    shelf.put("runc", days=40)
    (tmp_path / "w").mkdir(exist_ok=True)
    return Folder(tmp_path / "w")


def test_the_cache_is_listed_and_pruned(cached: Folder) -> None:
    listed = cached.run("cache")
    said = " ".join(listed.stdout.split())
    assert "file kubelet.exe 1 11 KiB 24 h ago" in said and str(cached.path) in said
    assert "file runc 1 3.9 KiB 40 days ago" in said
    assert "of which no lock needs 3.9 KiB" in said and "next: invoke cache --prune" in said
    rows = json.loads(cached.run("cache", "--json").stdout)
    assert {row["name"]: row["needed_by"] for row in rows["items"]} == {
        "kubelet.exe": [str(cached.path / "artifacts.lock.yaml")],
        "runc": [],
    }
    pruned = json.loads(cached.run("cache", "--prune", "--json").stdout)
    assert pruned["freed"] == 4000 and [row["name"] for row in pruned["gone"]] == ["runc"]
    assert "nothing was to delete" in cached.run("cache", "--prune").stdout
    emptied = cached.run("cache", "--all")
    assert "11 KiB freed" in emptied.stdout
    assert "is empty" in cached.run("cache").stdout


@pytest.mark.parametrize("days", ["soon", "-1", "nan"])
def test_a_number_of_days_that_is_none_deletes_nothing(cached: Folder, days: str) -> None:
    done = cached.run("cache", f"--older-than={days}")
    assert done.returncode == 2 and "is no number of days" in done.stderr
    assert len(json.loads(cached.run("cache", "--json").stdout)["items"]) == 2
    assert os.environ["HYBRID_CACHE"]
