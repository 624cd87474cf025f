"""A cluster is made again from its lock with --offline: the origin counts no request, for a file or an image."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.scenarios.processes import Folder, finished, folder


def save(work: Folder, to: Path) -> None:
    """What survives a destroyed cluster on a real computer: its lock, and the cache of files."""
    home = work.runs.parent
    to.mkdir()
    shutil.copytree(home / "cache", to / "cache")
    shutil.copy2(home / "artifacts.lock.yaml", to)


def put_back(work: Folder, saved: Path) -> None:
    shutil.copytree(saved, work.runs.parent, dirs_exist_ok=True)


def test_a_cluster_is_made_again_from_its_lock_without_one_request(tmp_path: Path) -> None:
    with folder(tmp_path / "w") as work:
        work.up()
        exported = work.run("images", "--export")
        assert exported.returncode == 0, exported.stderr
        asked = work.requests()
        assert sum(asked.values()) > 20 and any("kubelet.exe" in address for address in asked)
        lock = (work.runs.parent / "artifacts.lock.yaml").read_bytes()
        save(work, tmp_path / "saved")
        assert work.run("destroy", "--yes").returncode == 0

        put_back(work, tmp_path / "saved")
        again = work.up("--offline")
        assert [node["status"] for node in again["nodes"]] == ["Ready", "Ready"]
        assert work.requests() == {}
        assert (work.runs.parent / "artifacts.lock.yaml").read_bytes() == lock
        assert yaml.safe_load(lock)["words"] == {"kubernetes.version 1.36": again["kubernetes"]["version"]}


@pytest.mark.parametrize("command", ["up", "plan"])
def test_what_is_missing_is_said_all_at_once_before_anything_starts(tmp_path: Path, command: str) -> None:
    with folder(tmp_path / "w") as work:
        done = work.run(command, "--offline")
        said = done.stdout + done.stderr
        assert done.returncode == (4 if command == "up" else 0)
        joined = " ".join(said.split())
        assert "missing, and --offline forbids to fetch" in joined
        for name in ("kubelet.exe 1.36.", "containerd-linux.tar.gz 2.", "tigera-operator.yaml 3.", "runc 1."):
            assert name in joined, name
        for address in ("https://dl.k8s.io/release/v1.36.", "bin/windows/amd64/kubelet.exe.sha256", "runc.sha256sum"):
            assert address in joined, address
        assert not work.done_steps()


def test_one_file_that_is_gone_is_the_one_that_is_named(tmp_path: Path) -> None:
    with finished(tmp_path / "w") as work:
        lock = yaml.safe_load((work.runs.parent / "artifacts.lock.yaml").read_text())
        gone = lock["artifacts"]["kubelet.exe"]["sha256"]
        (work.runs.parent / "cache" / "sha256" / gone).unlink()
        before = work.requests()
        done = work.run("up", "--offline", "--json")
        answer = json.loads(done.stdout)
        assert answer["exit_code"] == 4
        assert answer["error"] == "1 file is missing, and --offline forbids to fetch it"
        assert answer["details"].startswith("kubelet.exe 1.36.") and gone in answer["details"]
        assert len(answer["details"].splitlines()) == 1
        assert work.requests() == before
        assert work.up()["applied"] == ["fetch-kubelet.exe"]
