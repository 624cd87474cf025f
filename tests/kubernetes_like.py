"""A small git repository shaped like Kubernetes: vendored, tagged at a distance, with branches and a pull request.

Its files are in ``tests/data/kubernetes-like``; they compile offline for Windows and Linux.  Names and dates of all
commits are fixed, so every commit has the same SHA wherever this runs.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from provision.host.commands import run

FILES = Path(__file__).parent / "data" / "kubernetes-like"
_FIRST = 1_767_225_600  # 2026-01-01; each commit is an hour after the one before it
_CHANGE = "cmd/kubelet/app/change.go"


@dataclass(frozen=True)
class Repo:
    """A repository with a work tree.

    Attributes:
        commits: name -> all 40 digits:
            ``v1.36.0``, ``v1.36.4``, ``v1.37.0-alpha.1`` (tagged so), ``release-1.36`` (1 after v1.36.4),
            ``parent`` (3 after v1.37.0-alpha.1), ``master`` (5 after it: a merge and its second parent count),
            ``pull`` (refs/pull/7/head; 4 after it) and ``untagged`` (branch ``imported``, without any tag behind it).
    """

    path: Path
    commits: dict[str, str]

    @property
    def url(self) -> str:
        """For fetching with the real protocol, filters and all; a bare path would be hard-linked."""
        return self.path.as_uri()

    def git(self, *argv: str, date: int = _FIRST) -> str:
        """Run git in it; returns what it printed, without the last newline."""
        environment = {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "Somebody",
            "GIT_AUTHOR_EMAIL": "somebody@example.org",
            "GIT_COMMITTER_NAME": "Somebody",
            "GIT_COMMITTER_EMAIL": "somebody@example.org",
            "GIT_AUTHOR_DATE": f"{date} +0000",
            "GIT_COMMITTER_DATE": f"{date} +0000",
        }
        done = run(["git", "-C", str(self.path), *argv], timeout=120, env=environment)
        return done.require(f"git {argv[0]} in {self.path}").out.rstrip("\n")


def make(folder: Path, *, filters: bool = True) -> Repo:
    """Make the repository in ``folder``, which must not exist or be empty; its ``master`` is checked out.

    Args:
        filters: it serves partial clones and any commit asked for by its SHA, as GitHub does.
    """
    shutil.copytree(FILES, folder, symlinks=True, dirs_exist_ok=True)
    repo = Repo(folder, {})
    repo.git("init", "-q", "-b", "master")
    repo.git("config", "uploadpack.allowFilter", str(filters).lower())
    repo.git("config", "uploadpack.allowAnySHA1InWant", str(filters).lower())
    commits = repo.commits

    def commit(name: str, message: str, *, tag: bool = False) -> None:
        when = _FIRST + 3600 * len(commits)
        (folder / _CHANGE).write_text(
            f'package app\n\n// Change differs from commit to commit.\nconst Change = " {name}"\n'
        )
        repo.git("add", "--all", "--force", ".")
        repo.git("commit", "-q", "-m", message, date=when)
        commits[name] = repo.git("rev-parse", "HEAD")
        if tag:
            repo.git("tag", "-a", "-m", f"Kubernetes release {name}", name, date=when)

    commit("v1.36.0", "Release commit for Kubernetes v1.36.0", tag=True)
    repo.git("checkout", "-q", "-b", "release-1.36")
    commit("v1.36.4", "Release commit for Kubernetes v1.36.4", tag=True)
    commit("release-1.36", "kubelet: mend what v1.36.4 broke")
    repo.git("checkout", "-q", "master")
    commit("v1.37.0-alpha.1", "Release commit for Kubernetes v1.37.0-alpha.1", tag=True)
    commit("first", "kubelet: a first change")
    commit("second", "kubelet: a second change")
    commit("parent", "kubelet: a third change")
    repo.git("checkout", "-q", "-b", "feature")
    commit("pull", "kubelet: somebody's idea")
    repo.git("update-ref", "refs/pull/7/head", "HEAD")
    repo.git("checkout", "-q", "master")
    commit("aside", "kubelet: meanwhile")
    repo.git("branch", "-q", "-D", "feature")
    # As a merged pull request looks; the tag is not in its second parent's way.
    tree = repo.git("rev-parse", "HEAD^{tree}")
    when = _FIRST + 3600 * len(commits)
    parents = ("-p", commits["parent"], "-p", commits["aside"])
    commits["master"] = repo.git("commit-tree", *parents, "-m", "Merge pull request #6", tree, date=when)
    repo.git("reset", "-q", "--hard", commits["master"])
    repo.git("checkout", "-q", "--orphan", "imported")
    commit("untagged", "Import without history")
    repo.git("checkout", "-q", "master")
    return repo
