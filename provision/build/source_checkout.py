"""What lies in a user's checkout now, as a git tree; the checkout is read, and never written to.

git works in a folder of ours, with a copy of the checkout's index and the user's files as its work tree, and stores
what is new in objects of ours.  It is not given the checkout's objects while it stores: git would renew the time of
each one that it finds there.  Objects that only the checkout has are read when the files are laid out.
No hook, filter or monitor is run; a file that a filter would change (large file storage) is taken as it lies there,
and line endings are treated as the checkout's settings say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provision.build.base import Project
from provision.build.source_describe import Described
from provision.build.source_git import Git, ensure
from provision.build.source_version import annotated_only
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.host.commands import tail
from provision.host.files import write_atomically

# How the checkout's files are to be read; other settings (programs, above all) stay out.
_KEPT = (
    "core.autocrlf",
    "core.eol",
    "core.filemode",
    "core.ignorecase",
    "core.symlinks",
    "core.precomposeunicode",
    "core.excludesfile",
    "core.attributesfile",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
)
_LONG = re.compile(r"^(.*)-(\d+)-g[0-9a-f]+$")


@dataclass(frozen=True)
class Checkout:
    """A user's checkout: where its parts are.

    Attributes:
        root: the top of its files.
        commit, tree, committed: of its HEAD; ``committed`` in seconds since 1970.
        settings: how its files are to be read.
    """

    git: Git
    root: Path
    index: Path
    objects: Path
    info: Path
    commit: str
    tree: str
    committed: int
    settings: Mapping[str, str]

    def describe(self, project: Project, deadline: Deadline) -> Described | None:
        """The nearest tag behind HEAD; None when none is, as in a shallow clone."""
        match = "v[0-9]*" if project == "containerd" else "v*"
        every = [] if annotated_only(project) else ["--tags"]
        argv = ["describe", *every, f"--match={match}", "--long", "--abbrev=40", "HEAD"]
        done = self.git.here(argv, deadline, cwd=self.root)
        long = _LONG.match(done.out.strip())
        return Described(long[1], int(long[2])) if done.code == 0 and long else None


def find(git: Git, path: Path, deadline: Deadline) -> Checkout:
    """The checkout that ``path`` is in.

    Raises:
        ArtifactError: there is none, or it has no commit yet.
    """
    path = path.expanduser().absolute()
    if not path.is_dir():
        raise ArtifactError(f"{path} is no folder", remedy="name the folder of a git checkout")
    asked = ["index", "objects", "info"]
    argv = ["rev-parse", "--path-format=absolute", "--show-toplevel"]
    for name in asked:
        argv += ["--git-path", name]
    done = git.here(argv, deadline, cwd=path)
    places = [Path(line) for line in done.out.rstrip("\n").split("\n")]
    if done.code != 0 or len(places) != 1 + len(asked):
        raise ArtifactError(
            f"{path} is in no git checkout",
            details="\n".join(tail(done.err)),
            remedy="name the folder of a git checkout with its files (a worktree will do, a bare repository will not)",
        )
    root, index, objects, info = places
    head = git.here(["cat-file", "commit", "HEAD"], deadline, cwd=root)
    said = re.match(r"tree (\w+)\n(?:.*\n)*?committer .*> (\d+) [-+]\d+\n", head.out)
    commit = git.here(["rev-parse", "--verify", "HEAD^{commit}"], deadline, cwd=root).out.strip()
    if head.code != 0 or said is None:
        raise ArtifactError(
            f"{root} has no commit yet", details="\n".join(tail(head.err)), remedy="commit what is there first"
        )
    return Checkout(git, root, index, objects, info, commit, said[1], int(said[2]), _settings(git, root, deadline))


def _settings(git: Git, root: Path, deadline: Deadline) -> dict[str, str]:
    # The user's own and the system's count here, too: what they say of line endings and ignored files.
    users: dict[str, str | None] = {
        "GIT_CONFIG_GLOBAL": os.environ.get("GIT_CONFIG_GLOBAL"),
        "GIT_CONFIG_NOSYSTEM": os.environ.get("GIT_CONFIG_NOSYSTEM"),
    }
    done = git.here(["config", "--null", "--list"], deadline, cwd=root, env=users)
    rows = [row.partition("\n") for row in done.out.split("\0") if row]
    found = {key: value for key, _, value in rows if key in _KEPT}
    sparse = (
        {"index.sparse": "true"} if any(key == "index.sparse" and value == "true" for key, _, value in rows) else {}
    )
    return {**found, **sparse, "core.safecrlf": "false"}


@dataclass(frozen=True)
class Store:
    """Where the captured states of one checkout are kept. Whoever calls has it to itself (`source_git.only_one`)."""

    git: Git
    path: Path
    say: Callable[[str], None]

    def capture(self, checkout: Checkout, deadline: Deadline, *, outside: Path) -> str:
        """The digest of the tree of all that lies in the checkout and that git does not ignore.

        Args:
            outside: a folder of ours, which is left out where it lies in the checkout.

        Raises:
            ArtifactError: a file cannot be read, or the disk is full.
        """
        ensure(self.git, self.path, deadline)
        self._copy(checkout)
        config = {key: value for key, value in checkout.settings.items() if key != "index.sparse"}
        where: dict[str, str | None] = {"GIT_WORK_TREE": str(checkout.root), "GIT_INDEX_FILE": str(self.path / "index")}

        def call(argv: list[str], env: Mapping[str, str | None] | None = None) -> str:
            whole = {"core.bare": "false", "index.sparse": "false", **config}
            env = {**where, **(env or {})}
            done = self.git.here(argv, deadline, repository=self.path, cwd=checkout.root, env=env, config=whole)
            if done.code != 0:
                raise ArtifactError(
                    f"what lies in {checkout.root} cannot be captured",
                    details="\n".join(tail(done.err)),
                    remedy="see that you may read every file there, and that the disk of the cache has room",
                )
            return done.out

        if "index.sparse" in checkout.settings:
            call(["update-index", "-q", "--refresh"], borrowed(checkout.objects))
        if call(["ls-files", "--unmerged"]):
            self.say(f"{checkout.root} is in the middle of a merge: its files are taken as they lie there")
        left_out = [f":(exclude,top,literal){name}" for name in self._foreign(call, checkout, outside)]
        sparse = ["--sparse"] if checkout.settings.get("core.sparsecheckout") == "true" else []
        call(["add", "--all", *sparse, "--", ".", *left_out])
        tree = call(["write-tree", "--missing-ok"]).strip()
        note = {"root": str(checkout.root), "objects": str(checkout.objects)}
        write_atomically(self.path / "checkout.json", json.dumps(note))
        return tree

    def reading(self) -> dict[str, str]:
        """The environment in which the captured trees are whole: the checkout's objects beside ours."""
        note = self.path / "checkout.json"
        return borrowed(Path(json.loads(note.read_text())["objects"])) if note.is_file() else {}

    def _copy(self, checkout: Checkout) -> None:
        """The checkout's index and rules for ignoring, as they are now."""
        for old in (*self.path.glob("sharedindex.*"), self.path / "index"):
            old.unlink(missing_ok=True)
        shutil.rmtree(self.path / "info", ignore_errors=True)
        (self.path / "info").mkdir()
        # With their times: git compares them to the files', to know what may have changed since.
        if checkout.index.is_file():
            shutil.copy2(checkout.index, self.path / "index")
            for shared in checkout.index.parent.glob("sharedindex.*"):
                shutil.copy2(shared, self.path / shared.name)
        for name in ("exclude", "attributes", "sparse-checkout"):
            if (checkout.info / name).is_file():
                shutil.copy2(checkout.info / name, self.path / "info" / name)

    def _foreign(self, call: Callable[[list[str]], str], checkout: Checkout, outside: Path) -> list[str]:
        """What lies in the checkout and is not of it: other repositories, our own cache."""
        others = call(["ls-files", "--others", "--exclude-standard", "-z"]).split("\0")
        nested = [name.rstrip("/") for name in others if name.endswith("/")]
        for name in nested:
            self.say(f"{checkout.root / name} is a git repository of its own and is left out")
        ours = outside.resolve()
        if ours.is_relative_to(checkout.root.resolve()):
            nested.append(ours.relative_to(checkout.root.resolve()).as_posix())
        return nested


def borrowed(objects: Path) -> dict[str, str]:
    """Objects that are read beside a repository's own."""
    text = str(objects).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{text}"'}
