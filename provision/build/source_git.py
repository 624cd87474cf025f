"""git, kept from whatever in this computer's surroundings could change what it does.

Every call states its repository.  A call that stays on this computer reads no configuration of the user's, starts no
hook, filter or monitor, and may not open a connection: objects that a partial clone lacks are never fetched one by
one behind our back.  A call to a remote reads the user's configuration (proxies, certificates, credential helpers,
`insteadOf`), and asks nobody: no prompt, no window; standard input is closed.

Sources: git(1), gitprotocol-v2(5), git-config(1), api-trace2 (the ``total_bytes`` of a progress is what came).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from provision.artifacts.web import shown
from provision.clock import Deadline
from provision.errors import ArtifactError, HostError
from provision.host.commands import Completed, run, tail

# What an outer git (a hook, an alias) would tell an inner one.
_OUTER = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_ATTR_SOURCE",
    "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)
_QUIET = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_HERE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ALLOW_PROTOCOL": "none"}
_ALWAYS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.splitIndex": "false",
    "core.quotePath": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    # The user named the folder, and what is in it is about to be built and run.
    "safe.directory": "*",
}
_FETCHING = {
    "protocol.version": "2",  # any object may be asked for, and only the refs that matter are listed
    "fetch.unpackLimit": "1",
    "transfer.unpackLimit": "1",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "fetch.prune": "false",
    "http.lowSpeedLimit": "1000",  # bytes a second, for so many seconds: then the connection is dead
    "http.lowSpeedTime": "60",
}
# What a remote is called in arguments: no name that a user's own configuration may say something of.
REMOTE = "hybrid-source"
# The first that reads settings from its environment; an older one passes over them, and would start hooks.
_OLDEST = (2, 31)
_NO_PLACE = re.compile("No space left on device|Disk quota exceeded|Read-only file system|File too large")
_SSH = re.compile(r"^(ssh|git\+ssh)://|^[^/:]+:(?!//)")


class RemoteFailed(Exception):
    """A remote answered no, or not at all; ``said`` is the end of what git printed."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


@dataclass(frozen=True)
class Git:
    """How git is called.

    Args:
        proxy: URL of a proxy for remotes; None leaves it to the environment and the user's configuration.
        ca: a PEM file with certificates for remotes; None likewise.
        offline: remotes are not asked, but for those on this computer.
        stop: ends a call early when set.
    """

    proxy: str | None = None
    ca: Path | None = None
    offline: bool = False
    stop: threading.Event | None = None

    def here(
        self,
        argv: Sequence[str],
        deadline: Deadline,
        *,
        repository: Path | None = None,
        env: Mapping[str, str | None] | None = None,
        cwd: Path | None = None,
        config: Mapping[str, str] | None = None,
    ) -> Completed:
        """A call that stays on this computer; its exit code is the caller's to judge.

        Args:
            repository: the git folder; None lets git look from ``cwd`` upwards.

        Raises:
            ArtifactError: it was stopped.
            DeadlineExceeded, HostError: it did not end in time; there is no git.
        """
        settings = _config({**_ALWAYS, **(config or {})}, 0)
        where = {"GIT_DIR": str(repository)} if repository else {}
        return self._run(argv, deadline, {**_HERE, **settings, **where, **(env or {})}, cwd)

    def text(self, argv: Sequence[str], deadline: Deadline, *, repository: Path) -> str | None:
        """What such a call printed, or None when it failed."""
        done = self.here(argv, deadline, repository=repository)
        return done.out.strip() if done.code == 0 else None

    def remote(
        self,
        argv: Sequence[str],
        remote: str,
        deadline: Deadline,
        *,
        repository: Path,
        on_line: Callable[[str], None] | None = None,
    ) -> tuple[Completed, int]:
        """A call that talks to ``remote``, which is `REMOTE` in its arguments; with the bytes of the packs received.

        Raises:
            RemoteFailed: it ended badly.
            ArtifactError: it was stopped, or may not be asked.
            DeadlineExceeded, HostError: it did not end in time; there is no git.
        """
        if self.offline and not remote.startswith(("file://", "/")):
            raise ArtifactError(
                f"--offline forbids to ask {shown(remote)}, and the cache does not hold what is needed of it",
                remedy="run once without --offline, or name a local checkout: --path",
            )
        settings = {**_ALWAYS, **_FETCHING, f"remote.{REMOTE}.url": remote}
        if self.proxy:
            settings["http.proxy"] = self.proxy
        if self.ca:
            settings["http.sslCAInfo"] = str(self.ca)
        # A setting in the environment (a CI's token) stays in force: ours are counted after it.
        before = os.environ.get("GIT_CONFIG_COUNT", "0")
        env: dict[str, str | None] = {**_config(settings, int(before) if before.isdigit() else 0)}
        env["GIT_DIR"] = str(repository)
        if _SSH.match(remote) and not self._own_ssh(deadline, repository):
            env["GIT_SSH_COMMAND"] = "ssh -oBatchMode=yes -oConnectTimeout=20"
        # In the repository, which the caller has alone: what a killed run left is not counted, and does not add up.
        events = (repository / "events").absolute()
        events.unlink(missing_ok=True)
        env["GIT_TRACE2_EVENT"] = str(events)
        try:
            done = self._run(argv, deadline, env, None, on_line)
            received = _received(events)
        finally:
            events.unlink(missing_ok=True)
        if done.code != 0:
            raise RemoteFailed("\n".join(tail(_clean(done.err))) or f"git ended with exit code {done.code}")
        return done, received

    def _own_ssh(self, deadline: Deadline, repository: Path) -> bool:
        if os.environ.get("GIT_SSH_COMMAND") or os.environ.get("GIT_SSH"):
            return True
        env = {"GIT_DIR": str(repository)}
        return self._run(["config", "--get", "core.sshCommand"], deadline, env, None).code == 0

    def _run(
        self,
        argv: Sequence[str],
        deadline: Deadline,
        env: Mapping[str, str | None],
        cwd: Path | None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        whole: dict[str, str | None] = {**dict.fromkeys(_OUTER), **_QUIET, **env}
        _require_new(shutil.which("git") or "git")
        done = run(["git", *argv], timeout=deadline.remaining(), cwd=cwd, env=whole, on_line=on_line, stop=self.stop)
        if self.stop is not None and self.stop.is_set():
            raise ArtifactError(f"git {argv[0]} was stopped", remedy="run it again: it goes on from here")
        return done


@cache
def _require_new(program: str) -> None:
    """Refuse a git that does not do what we tell it.

    Raises:
        HostError: it is too old, or there is none.
    """
    said = run([program, "version"], timeout=30).out.strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is not None and (int(found[1]), int(found[2])) < _OLDEST:
        raise HostError(
            f"{program} is too old to build from source: {said}",
            remedy=f"install git {_OLDEST[0]}.{_OLDEST[1]} or newer, and put it first on PATH",
        )


def unreachable(remote: str, said: str) -> ArtifactError:
    """The error for a remote that cannot be read, or whose answer cannot be kept."""
    if _NO_PLACE.search(said):
        return ArtifactError(
            f"what {shown(remote)} sends cannot be kept in the cache",
            details=_hide(said),
            remedy="make room on that disk (`invoke cache` shows what the cache holds), then run it again",
        )
    return ArtifactError(
        f"{shown(remote)} cannot be read",
        details=_hide(said),
        remedy=f"try `git ls-remote {shown(remote)}`; look at the network, at `network.proxy`, at your credential "
        "helper or SSH agent (nobody is asked for a password here), and at the remote in the settings",
    )


def _hide(text: str) -> str:
    return "\n".join(shown(line) for line in text.splitlines())


def _config(settings: Mapping[str, str], first: int) -> dict[str, str]:
    """Settings as environment: nothing of them stands in a process list."""
    pairs = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings.items(), first):
        pairs[f"GIT_CONFIG_KEY_{number}"] = key
        pairs[f"GIT_CONFIG_VALUE_{number}"] = value
    return pairs


def _clean(err: str) -> str:
    """Without the progress, of which only the last state was ever meant to be seen."""
    progress = re.compile(r"^(remote: )?[A-Z][a-z]+ [a-z ]+: +\d")
    return "\n".join(line for line in err.splitlines() if not progress.match(line))


def _received(events: Path) -> int:
    """Bytes of all packs that a command and its children received."""
    if not events.is_file():
        return 0
    total = 0
    for line in events.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"total_bytes"' in line:
            total += int(json.loads(line)["value"])
    return total
