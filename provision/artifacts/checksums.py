"""Publishers' checksum files: a bare SHA-256, or ``digest  name`` lines."""

from __future__ import annotations

import re

from provision.artifacts.web import shown
from provision.errors import ArtifactError

_DIGEST = re.compile("[0-9a-fA-F]{64}")


def published_digest(text: str, file_name: str, where: str) -> str:
    """The SHA-256 of a file in a publisher's checksum file.

    Args:
        file_name: the last part of the file's URL.
        where: the checksum file's address, for the error.

    Raises:
        ArtifactError: the text names no digest of this file, or two.
    """
    rows = [line.split() for line in text.splitlines() if line.strip()]
    found = {
        row[0].lower()
        for row in rows
        if _DIGEST.fullmatch(row[0])
        and (
            (len(row) == 1 and len(rows) == 1)
            or (len(row) > 1 and row[1].lstrip("*").replace("\\", "/").rsplit("/", 1)[-1] == file_name)
        )
    }
    if len(found) == 1:
        return found.pop()
    others = ", ".join(sorted({row[1] for row in rows if len(row) > 1 and _DIGEST.fullmatch(row[0])})[:5])
    raise ArtifactError(
        f"{shown(where)} holds {'two digests' if found else 'no SHA-256'} of {file_name}",
        details=f"it is about {others}" if others and not found else text[:200],
        remedy="look at the address with a browser; a proxy or mirror may answer something else",
    )
