"""What a compiler said, as an error for people: its own first words on top."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from provision.errors import ArtifactError

# As Go writes places: relative to the folder it runs in, which is the source's.
PLACE = re.compile(r"(?P<place>(?:vet: )?[^\s:]+\.(?:go|s|mod|work|sum)(?::\d+){1,2}): (?P<words>.+)")
_FULL = re.compile(r"no space left on device|disk quota exceeded|file too large", re.IGNORECASE)
_KILLED = re.compile(r"signal: killed|cannot allocate memory|out of memory")
_LINES = 20

# What Go says of a tree as a whole -> what to do.
_TREES = {
    r"requires go >= (?P<go>\S+)": "put Go {go} on PATH (https://go.dev/dl/), then run it again",
    r"inconsistent vendoring|is explicitly required in go\.mod, but not marked": (
        "update the source's vendor folder (Kubernetes: hack/update-vendor.sh), then run it again"
    ),
    r"cannot find module providing package|no required module provides package": (
        "update the source's go.mod and vendor folder, then run it again"
    ),
    r"no Go files in|directory not found|matched no packages": "this source has no such program: build another one",
    r"GOPROXY list is not the empty string|module lookup disabled by GOPROXY": (
        "its modules are not in the cache: run it once without --offline"
    ),
}


def compile_error(lines: Sequence[str], names: Sequence[str], version: str, cache: Path, code: int) -> ArtifactError:
    """The error of a build that failed.

    Args:
        lines: what Go said, without the names of packages.
        names: what was built.
        cache: whose disk may be full.
        code: Go's exit code.
    """
    said = [line.rstrip() for line in lines if line.strip()]
    built = f"{', '.join(names)} {version}"
    for line in said:
        if _FULL.search(line):
            return ArtifactError(
                f"the disk is full: {built} could not be built",
                details=line.strip(),
                remedy=f"free some space where {cache} is (`invoke cache` says what is kept), then run it again",
            )
    for line in said:
        if _KILLED.search(line):
            return ArtifactError(
                f"memory ran out: {built} could not be built",
                details=line.strip(),
                remedy="close what you do not need, or build fewer components at once, then run it again",
            )
    first = next((match for line in said if (match := PLACE.match(line.strip()))), None)
    if first:
        start = next(number for number, line in enumerate(said) if line.strip().startswith(first["place"]))
        return ArtifactError(
            f"{built} does not compile: {first['place']}: {first['words']}",
            details="\n".join(said[start : start + _LINES]),
            remedy="mend it in the source, then run it again: what has been compiled is kept",
        )
    for pattern, remedy in _TREES.items():
        for line in said:
            if match := re.search(pattern, line):
                return ArtifactError(
                    f"{built} cannot be built: {line.strip().removeprefix('go: ')}",
                    details="\n".join(said[:_LINES]),
                    remedy=remedy.format(**match.groupdict()),
                )
    return ArtifactError(
        f"{built} could not be built: Go ended with exit code {code}",
        details="\n".join(said[-_LINES:]),
        remedy="look at what Go said; what has been compiled is kept",
    )
