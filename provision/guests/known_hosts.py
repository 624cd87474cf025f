"""The cluster's file of pinned SSH host keys, in OpenSSH's format, written whole or not at all.

Keys are pinned by the machine's name, not by its address: forwarded ports move between starts, machines do not
change their keys.  ``ssh -o UserKnownHostsFile=... -o HostKeyAlias=<machine>`` reads the same file.
"""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from provision.errors import HostError
from provision.host.files import write_atomically


def damaged(path: Path, what: str) -> HostError:
    """A file that says nothing certain. Never taken for empty: that would pin whatever answers now."""
    return HostError(
        f"{path} is damaged: {what}",
        remedy="take it back from a backup; or delete it, and the keys that answer next are pinned anew",
    )


def _lines(path: Path) -> list[list[str]]:
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, "it is not text") from error
    lines = [words for line in text.splitlines() if (words := line.split()) and not words[0].startswith("#")]
    for words in lines:
        if len(words) < 3:
            raise damaged(path, f"its line `{' '.join(words)}` is no name, type and key")
    return lines


def pinned(path: Path, machine: str) -> tuple[str, str] | None:
    """The pinned key of a machine: its type and its base64, None when it has none."""
    for name, kind, key, *_ in _lines(path):
        if name == machine:
            return kind, key
    return None


def pin(path: Path, machine: str, kind: str, key: str) -> tuple[str, str]:
    """Pin a key unless one is pinned already; returns the one that is pinned now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(path.name + ".lock")):
        found = pinned(path, machine)
        if found is not None:
            return found
        lines = [*_lines(path), [machine, kind, key]]
        write_atomically(path, "".join(" ".join(words) + "\n" for words in lines), mode=0o600)
    return kind, key


def forget(path: Path, machine: str) -> None:
    """Unpin a machine's key: the machine was destroyed."""
    if not path.exists():
        return
    with FileLock(path.with_name(path.name + ".lock")):
        lines = [words for words in _lines(path) if words[0] != machine]
        write_atomically(path, "".join(" ".join(words) + "\n" for words in lines), mode=0o600)
