"""What is in the cache and what may go: by locks, by age, never under a run's hands."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from filelock import FileLock

from provision import clock
from provision.artifacts.base import ArtifactSpec
from provision.artifacts.cache import Cache
from provision.artifacts.inventory import Item, inventory, prune
from provision.artifacts.lock import ArtifactLock

DAY = 86400.0


class Shelf:
    """A cache in a folder, and clusters that are made of what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = Cache(folder / "cache")

    def put(self, name: str, *clusters: str, days: float = 1, labelled: bool = True) -> str:
        """A file, pinned by the locks of these clusters, last used so many days ago."""
        data = name.encode() * 1000
        digest = hashlib.sha256(data).hexdigest()
        new = self.folder / "new"
        new.write_bytes(data)
        self.cache.adopt(new, digest)
        spec = ArtifactSpec(name=name, version="1", url=f"https://up/{name}", checksum_url=None)
        for cluster in clusters:
            ArtifactLock(self.lock(cluster)).pin(spec, sha256=digest, size=len(data), checked=True)
        for cluster in clusters or ("gone",):
            if labelled:
                self.cache.note(digest, name=name, version="1", url=spec.url, lock=self.lock(cluster))
        self.age(self.cache.label_path(digest) if labelled else self.cache.path(digest), days)
        return digest

    def age(self, path: Path, days: float) -> None:
        then = clock.utc_now().timestamp() - days * DAY
        os.utime(path, (then, then))

    def lock(self, cluster: str) -> Path:
        return self.folder / cluster / "artifacts.lock.yaml"

    def build(self, key: str, digest: str, name: str) -> Path:
        path = self.cache.root / "builds" / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"name": name, "version": "1.37.0-alpha.1", "sha256": digest}))
        return path

    def folder_with(self, *parts: str) -> Path:
        path = self.cache.root.joinpath(*parts)
        path.mkdir(parents=True)
        (path / "content").write_bytes(bytes(5000))
        return path

    def names(self) -> dict[str, Item]:
        return {item.name: item for item in inventory(self.cache)}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def gone(pruned: tuple[Item, ...]) -> set[str]:
    return {item.name for item in pruned}


def test_each_file_has_a_name_and_says_who_needs_it(shelf: Shelf) -> None:
    shelf.put("kubelet.exe", "one", "two", days=3)
    shelf.put("runc", days=0)
    shelf.put("nameless", labelled=False)
    found = shelf.names()
    assert found["kubelet.exe"].needed == (str(shelf.lock("one")), str(shelf.lock("two")))
    assert found["kubelet.exe"].version == "1" and found["kubelet.exe"].size == len("kubelet.exe") * 1000
    assert found["kubelet.exe"].age == pytest.approx(3 * DAY, abs=60)
    assert found["runc"].needed == ()
    assert any("without a label" in name for name in found)


def test_prune_takes_what_no_lock_names(shelf: Shelf) -> None:
    kept = shelf.put("kubelet.exe", "one")
    orphan = shelf.put("kubelet-of-a-deleted-cluster", "two")
    shelf.lock("two").unlink()
    shelf.put("old", labelled=False)
    done = prune(shelf.cache, [])
    assert gone(done.gone) == {"kubelet-of-a-deleted-cluster", next(n for n in gone(done.gone) if "label" in n)}
    assert done.freed == sum(item.size for item in done.gone) > 0
    assert shelf.cache.has(kept) and not shelf.cache.has(orphan)
    assert not shelf.cache.label_path(orphan).exists()
    assert prune(shelf.cache, []).gone == ()


def test_the_lock_of_this_folder_counts_though_no_label_names_it(shelf: Shelf) -> None:
    digest = shelf.put("kubelet.exe", "one")
    shelf.lock("one").rename(shelf.folder / "moved.yaml")
    assert prune(shelf.cache, [shelf.folder / "moved.yaml"]).gone == ()
    assert shelf.cache.has(digest)


def test_a_lock_that_cannot_be_read_keeps_its_files(shelf: Shelf) -> None:
    digest = shelf.put("kubelet.exe", "one")
    shelf.lock("one").write_text("artifacts: [")
    assert prune(shelf.cache, []).gone == ()
    assert shelf.cache.has(digest)


def test_a_file_that_the_lock_pins_anew_is_not_needed_in_its_old_form(shelf: Shelf) -> None:
    old = shelf.put("kubelet.exe", "one")
    spec = ArtifactSpec(name="kubelet.exe", version="2", url="https://up/2", checksum_url=None)
    ArtifactLock(shelf.lock("one")).pin(spec, sha256="b" * 64, size=1, checked=True)
    prune(shelf.cache, [])
    assert not shelf.cache.has(old)


def test_older_than_looks_at_the_last_use_alone(shelf: Shelf) -> None:
    shelf.put("needed and old", "one", days=40)
    shelf.put("new", days=2)
    assert gone(prune(shelf.cache, [], older_than=30 * DAY).gone) == {"needed and old"}


def test_all_takes_everything(shelf: Shelf) -> None:
    shelf.put("kubelet.exe", "one")
    locked = shelf.folder_with("gopath", "pkg", "mod")
    (locked / "content").chmod(0o444)
    locked.chmod(0o555)
    shelf.folder_with("go", "1.26.4")
    shelf.folder_with("git", "kubernetes.git")
    done = prune(shelf.cache, [], everything=True)
    assert gone(done.gone) == {"kubelet.exe", "gopath", "1.26.4", "kubernetes.git"}
    assert inventory(shelf.cache) == []


def test_what_makes_builds_quick_stays_unless_it_is_named(shelf: Shelf) -> None:
    shelf.folder_with("go", "1.26.4")
    shelf.folder_with("git", "kubernetes.git")
    shelf.folder_with("gocache")
    assert prune(shelf.cache, []).gone == ()
    kinds = {item.name: item.kind for item in inventory(shelf.cache)}
    assert kinds == {"1.26.4": "toolchain", "kubernetes.git": "repository", "gocache": "compiler cache"}


def test_results_of_builds_go_with_all_their_records(shelf: Shelf) -> None:
    digest = shelf.put("kubelet.exe")
    records = [shelf.build(key, digest, "kubelet.exe") for key in ("k1", "k2")]
    broken = shelf.build("k3", digest, "x")
    broken.write_text("{")
    found = shelf.names()["kubelet.exe"]
    assert (found.kind, found.version) == ("build", "1.37.0-alpha.1")
    assert gone(prune(shelf.cache, []).gone) == {"kubelet.exe"}
    assert not any(record.exists() for record in records)


def test_what_a_run_at_work_holds_stays_whatever_is_asked(shelf: Shelf) -> None:
    held, other = shelf.put("kubelet.exe", "one", days=40), shelf.put("runc", "two", days=40)
    go = shelf.folder_with("go", "1.26.4")
    with shelf.cache.in_use(shelf.lock("one")):
        assert f"process {os.getpid()}" in shelf.names()["kubelet.exe"].needed
        done = prune(shelf.cache, [], everything=True)
        assert gone(done.gone) == {"runc"} and gone(done.held) == {"kubelet.exe", "1.26.4"}
        assert shelf.cache.has(held) and not shelf.cache.has(other) and go.exists()
    assert gone(prune(shelf.cache, [], everything=True).gone) == {"kubelet.exe", "1.26.4"}
    assert not list((shelf.cache.root / "uses").iterdir())


def test_what_has_just_come_stays_while_somebody_fetches(shelf: Shelf) -> None:
    """Between a file's arrival and its line in a lock no file names it."""
    fresh = shelf.put("kubelet.exe", days=0)
    with shelf.cache.exclusive("https://up/other", clock.Deadline(5)):
        assert gone(prune(shelf.cache, []).held) == {"kubelet.exe"}
    assert shelf.cache.has(fresh)
    assert gone(prune(shelf.cache, []).gone) == {"kubelet.exe"}


def test_what_a_dead_run_left_holds_nothing(shelf: Shelf) -> None:
    shelf.put("kubelet.exe")
    uses = shelf.cache.root / "uses"
    uses.mkdir(parents=True)
    (uses / "123-dead.json").write_text(json.dumps({"pid": 123, "lock": str(shelf.lock("one"))}))
    assert shelf.cache.users() == {}
    assert not (uses / "123-dead.json").exists()


def test_unfinished_downloads_go_after_a_week(shelf: Shelf) -> None:
    partial = shelf.cache.partial("https://up/big")
    partial.parent.mkdir(parents=True)
    for path in (partial, partial.with_name(partial.name + ".json")):
        path.write_bytes(bytes(100))
    assert prune(shelf.cache, []).gone == ()
    shelf.age(partial, 8)
    assert [item.kind for item in prune(shelf.cache, []).gone] == ["unfinished"]
    assert not list(partial.parent.iterdir())


def test_a_lock_that_is_free_is_nobody_at_work(shelf: Shelf) -> None:
    shelf.put("kubelet.exe", days=0)
    folder = shelf.cache.root / "tmp" / "build-1"
    folder.mkdir(parents=True)
    held = FileLock(folder / "in-use")
    with held:
        assert prune(shelf.cache, []).gone == ()
    assert gone(prune(shelf.cache, []).gone) == {"kubelet.exe"}
