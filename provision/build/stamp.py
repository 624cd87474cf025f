"""How a program is built: flags and variables, version stamps as each project's own build has them.

Sources: Kubernetes' ``hack/lib/version.sh`` and ``hack/lib/golang.sh``, containerd's ``Makefile``.  Different here on
purpose: the build's date is the commit's, so that the same source gives the same file; programs for Linux are built
without cgo (no C compiler is asked for, and they run whatever the machine's libc is); git is not asked by Go.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from provision.build.base import Source
from provision.build.targets import Target

# Raise it when what is built changes in a way that flags and variables do not show.
EDITION = 1

# Both packages have the same variables: servers read the first, clients the second.
_KUBERNETES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_NUMBERED = re.compile(r"\d+\.\d+\.\d+")
_PARTS = re.compile(r"v(\d+)\.(\d+)(\.\d+)?(-[^+]*)?(\+.*)?")


@dataclass(frozen=True)
class Recipe:
    """All that decides what a build gives, but source and compiler.

    Attributes:
        flags: of ``go build``, without paths.
        variables: of the environment.
        version: what is found in the program afterwards, without ``v``; None when nothing is.
    """

    flags: tuple[str, ...]
    variables: Mapping[str, str]
    version: str | None


def recipe(source: Source, target: Target, *, debug: bool = False) -> Recipe:
    """The recipe of a target.

    Args:
        debug: symbols, paths and unoptimised code, for a debugger.
    """
    tags = [tag for tag in target.tags if not (debug and tag == "grpcnotrace")]
    link = " ".join(f"-X {name}={value}" for name, value in stamps(source).items())
    flags = ["-buildvcs=false", *([f"-tags={','.join(tags)}"] if tags else [])]
    if debug:
        flags += ["-gcflags=all=-N -l", f"-ldflags=all={link}"]
    else:
        flags += ["-trimpath", f"-ldflags=all={link} -s -w"]
    variables = {"GOOS": target.os, "GOARCH": target.arch, "CGO_ENABLED": "0"}
    # hcsshim's own build stamps nothing; a source without tags calls itself by its commit.
    found = target.stamped and source.project != "hcsshim" and _NUMBERED.match(source.version)
    return Recipe(tuple(flags), variables, source.version if found else None)


def stamps(source: Source) -> dict[str, str]:
    """The linker's ``-X`` values: full name of the variable -> value."""
    version = f"v{source.version}"
    if source.project == "containerd":
        module = containerd_module(source.version)
        revision = source.commit + (".m" if source.dirty else "")
        values = {"Version": version, "Revision": revision, "Package": module}
        return {f"{module}/version.{name}": value for name, value in values.items()}
    if source.project == "hcsshim":
        return {"main.version": version, "main.gitCommit": source.commit}
    values = {
        "buildDate": build_date(source.committed),
        "gitCommit": source.commit,
        "gitTreeState": "dirty" if source.dirty else "clean",
        "gitVersion": version,
    }
    if parts := _PARTS.fullmatch(version):
        values |= {"gitMajor": parts[1], "gitMinor": parts[2] + ("+" if parts[4] else "")}
    return {f"{package}.{name}": value for package in _KUBERNETES for name, value in values.items()}


def build_date(committed: int) -> str:
    """A commit's time as Kubernetes writes dates of builds: ``2026-01-01T00:00:00Z``."""
    return datetime.fromtimestamp(committed, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def containerd_module(version: str) -> str:
    """Go's name of containerd's module at a version: from major 2 on it ends with the major.

    A version without numbers (no tag is behind it) is that of a newer source.
    """
    major = int(version.split(".")[0]) if _NUMBERED.match(version) else 2
    return "github.com/containerd/containerd" + (f"/v{major}" if major > 1 else "")


def key(source: Source, target: Target, go: str, *, debug: bool = False) -> str:
    """The digest of all that decides what a build gives: the same key is the same file.

    Args:
        go: the compiler's release.
    """
    how = recipe(source, target, debug=debug)
    parts = [
        EDITION, source.project, source.tree, target.name, target.package, target.test,
        list(how.flags), dict(sorted(how.variables.items())), source.version, go,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
