"""What lies in a user's checkout now, as a git tree; the checkout is read, and never written to.

git works in a folder of ours, with a copy of the checkout's index and the user's files as its work tree, and stores
what is new in objects of ours.  It is not given the checkout's objects while it stores: git would renew the time of
each one that it finds there.  Objects that only the checkout has are read when the files are laid out.
No hook, filter or monitor is run, of submodules neither, whose files are left out.  A file that a filter would change
(large file storage) is git's as long as nobody has changed it, and then as it lies there; line endings are treated as
the checkout's settings say.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provision.build.base import Project
from provision.build.source_describe import Described
from provision.build.source_folder import ensure
from provision.build.source_git import Git
from provision.build.source_version import annotated_only
from provision.clock import Deadline
from provision.errors import ArtifactError
from provision.host.commands import Completed, tail
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
    "index.sparse",
)
# What looks like a release's tag; the projects' own builds ask for less, and then refuse what is none.
_RELEASES = "--match=v[0-9]*.[0-9]*.[0-9]*"
# What `ls-files -v --stage` prints: how git looks at it, mode, stage, name.
_ENTRY = re.compile(r"(\S) (\d+) \w+ (\d)\t(.+)", re.DOTALL)
_SUBMODULE = "160000"
_AT_ONCE = 500  # names on one command line
_FOREIGN = re.compile("embedded git repository|does not have a commit checked out")
# What git says when a file went or changed while it was read, as an editor's do.
_MOVING = re.compile("No such file or directory|short read|changed|unstable")
_TRIES = 5
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
        """The nearest release tag behind the commit; None when none is, as in a shallow clone."""
        every = [] if annotated_only(project) else ["--tags"]
        # As `Tag.counts` has it.
        for which in ("--exact-match", "--exclude=*+*"):
            argv = ["describe", *every, _RELEASES, which, "--long", "--abbrev=40", self.commit]
            done = self.git.here(argv, deadline, cwd=self.root)
            long = _LONG.match(done.out.strip())
            if done.code == 0 and long:
                return Described(long[1], int(long[2]))
        return None


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
    return {key: value or "true" for key, _, value in rows if key in _KEPT}


@dataclass(frozen=True)
class Store:
    """Where the captured states of one checkout are kept. Whoever calls has it to itself (`host.lock.only_one`)."""

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
        work = _Work(self, checkout, deadline)
        ours = outside.resolve()
        top = checkout.root.resolve()
        left_out = [ours.relative_to(top).as_posix()] if ours.is_relative_to(top) else []
        left_out += work.begin()
        for left in reversed(range(_TRIES)):
            done = work.add(left_out)
            if _FOREIGN.search(done.err):
                work.begin()
                left_out += work.foreign()
            elif left and _MOVING.search(done.err):
                work.begin()
            else:
                break
        work.require(done)
        tree = work.require(work.call(["write-tree", "--missing-ok"])).out.strip()
        note = {"root": str(checkout.root), "objects": str(checkout.objects)}
        write_atomically(self.path / "checkout.json", json.dumps(note))
        return tree

    def reading(self) -> dict[str, str]:
        """The environment in which the captured trees are whole: the checkout's objects beside ours."""
        try:
            note = json.loads((self.path / "checkout.json").read_text())
            return borrowed(Path(note["objects"]))
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # nothing has been captured, or a power failure took it: the next capture writes it


@dataclass(frozen=True)
class _Work:
    """One capture at work."""

    store: Store
    checkout: Checkout
    deadline: Deadline

    def begin(self) -> list[str]:
        """Take the checkout's index and rules for ignoring, as they are now; returns its submodules."""
        ours, checkout = self.store.path, self.checkout
        for old in (*ours.glob("sharedindex.*"), ours / "index", ours / "index.lock"):
            old.unlink(missing_ok=True)
        shutil.rmtree(ours / "info", ignore_errors=True)
        (ours / "info").mkdir()
        # With their times: git compares them to the files', to know what may have changed since.
        if checkout.index.is_file():
            shutil.copy2(checkout.index, ours / "index")
            for shared in checkout.index.parent.glob("sharedindex.*"):
                shutil.copy2(shared, ours / shared.name)
        for name in ("exclude", "attributes", "sparse-checkout"):
            if (checkout.info / name).is_file():
                shutil.copy2(checkout.info / name, ours / "info" / name)
        if checkout.settings.get("index.sparse") == "true":
            self.require(self.call(["update-index", "-q", "--refresh"], borrowed(checkout.objects)))
        rows = self.require(self.call(["ls-files", "-v", "--stage", "-z"])).out.split("\0")
        found = [match.groups() for row in rows if (match := _ENTRY.fullmatch(row))]
        # Whom git was told to look away from: their changes are what people hide, not what they do not want built.
        self._flag("--no-assume-unchanged", [name for how, _, _, name in found if how.islower()])
        if not self._sparse:
            self._flag("--no-skip-worktree", [name for how, _, _, name in found if how.upper() == "S"])
        if any(stage != "0" for _, _, stage, _ in found):
            self.store.say(f"{checkout.root} is in the middle of a merge: its files are taken as they lie there")
        return self._leave_out([name for _, mode, _, name in found if mode == _SUBMODULE])

    def _flag(self, what: str, names: Sequence[str]) -> None:
        for first in range(0, len(names), _AT_ONCE):
            self.require(self.call(["update-index", what, "--", *names[first : first + _AT_ONCE]]))

    @property
    def _sparse(self) -> bool:
        return self.checkout.settings.get("core.sparsecheckout") == "true"

    def add(self, left_out: Sequence[str]) -> Completed:
        sparse = ["--sparse"] if self._sparse else []
        specs = [f":(exclude,top,literal){name}" for name in left_out]
        return self.call(["add", "--all", *sparse, "--", ".", *specs])

    def foreign(self) -> list[str]:
        """Other repositories that lie in the checkout."""
        others = self.require(self.call(["ls-files", "--others", "--exclude-standard", "-z"])).out.split("\0")
        return self._leave_out([name.rstrip("/") for name in others if name.endswith("/")])

    def _leave_out(self, names: list[str]) -> list[str]:
        for name in names:
            self.store.say(f"{self.checkout.root / name} is a git repository of its own and is left out")
        return names

    def call(self, argv: list[str], more: Mapping[str, str] | None = None) -> Completed:
        store, root = self.store, self.checkout.root
        env = {"GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(store.path / "index"), **(more or {})}
        # Thousands of small files, which the checkout can give again: nothing is waited for but the write.
        ours = {"core.bare": "false", "core.safecrlf": "false", "index.sparse": "false", "core.fsync": "none"}
        config = {**self.checkout.settings, **ours}
        return store.git.here(argv, self.deadline, repository=store.path, cwd=root, env=env, config=config)

    def require(self, done: Completed) -> Completed:
        if done.code != 0:
            raise ArtifactError(
                f"what lies in {self.checkout.root} cannot be captured",
                details="\n".join(tail(done.err)),
                remedy="see that you may read every file there, that nothing writes there just now, and that the disk "
                "of the cache has room",
            )
        return done


def borrowed(objects: Path) -> dict[str, str]:
    """Objects that are read beside a repository's own."""
    text = str(objects).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{text}"'}
