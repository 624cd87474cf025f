"""``ctr images`` and ``crictl images|pull``: what they take and print, the same on both systems.

Sources: containerd cmd/ctr/commands/images (urfave/cli: flags stand before operands, unknown ones are refused) and
cri-tools cmd/crictl/image.go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from provision.rehearsal.image_store import ImageError, ImageStore

# verb -> flags without and with a value
_CTR: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "ls": (frozenset({"-q", "--quiet"}), frozenset()),
    "pull": (
        frozenset({"-k", "--skip-verify", "--plain-http", "--all-platforms", "--local"}),
        frozenset({"--hosts-dir", "--platform", "-u", "--user", "--snapshotter"}),
    ),
    "import": (
        frozenset({"--digests", "--all-platforms", "--no-unpack", "--local", "--compress-blobs"}),
        frozenset({"--base-name", "--index-name", "--platform", "--snapshotter"}),
    ),
    "export": (
        frozenset({"--all-platforms", "--skip-manifest-json", "--skip-non-distributable", "--local"}),
        frozenset({"--platform"}),
    ),
    "tag": (frozenset({"--force", "--local"}), frozenset()),
    "rm": (frozenset({"--sync"}), frozenset()),
}
_ALIASES = {"list": "ls", "remove": "rm", "del": "rm", "delete": "rm"}
_CRICTL_IMAGES = (frozenset({"-q", "--quiet", "-v", "--verbose", "--no-trunc"}), frozenset({"-o", "--output"}))


class WrongUse(Exception):
    """The command line is not one that the program takes."""


@dataclass(frozen=True)
class Flags:
    """Flags by name (a value, or empty text), and the words behind them."""

    given: Mapping[str, str]
    words: Sequence[str]


class FilesOf(Protocol):
    """How the client reads and writes files, by paths as they were written."""

    def read(self, path: str) -> bytes: ...
    def write(self, path: str, data: bytes) -> None: ...


def ctr_images(
    store: ImageStore,
    arguments: Sequence[str],
    files: FilesOf,
    say: Callable[[str], object],
    wait: Callable[[], object],
) -> None:
    """``ctr -n k8s.io images ...``.

    Args:
        say: takes lines of output.
        wait: takes as long as a pull does.

    Raises:
        WrongUse: what ctr does not take.
        ImageError: what containerd refuses.
        OSError: a file is not there.
    """
    verb = _ALIASES.get(arguments[0], arguments[0]) if arguments else ""
    if verb not in _CTR:
        raise WrongUse(f"No help topic for '{verb}'")
    flags = parse(arguments[1:], *_CTR[verb])
    words = list(flags.words)
    platform = flags.given.get("--platform", f"{store.machine.os}/amd64")
    if platform.partition("/")[0].partition("(")[0] != store.machine.os:
        raise ImageError(f"image might be filtered out: no match for platform {platform}: not found")
    if verb == "ls" and not words:
        _list(store, say, quiet=bool({"-q", "--quiet"} & set(flags.given)))
    elif verb == "pull" and len(words) == 1:
        if "/" not in words[0] or ("." not in words[0].split("/")[0] and ":" not in words[0].split("/")[0]):
            raise ImageError(f'failed to resolve reference "{words[0]}": object required')
        wait()
        # ctr asks the registries themselves: it knows containerd's folder of hosts only by --hosts-dir.
        ImageStore(store.machine, flags.given.get("--hosts-dir", "")).pull(words[0])
        say(f"{words[0]}: resolved\ndone")
    elif verb == "import" and len(words) == 1:
        for name, digest in store.load(files.read(words[0])):
            say(f"unpacking {name} ({digest})...done")
    elif verb == "export" and len(words) == 2:
        files.write(words[0], store.save(words[1]))
    elif verb == "tag" and len(words) == 2:
        store.tag(words[0], words[1])
        say(words[1])
    elif verb == "rm" and words:
        for name in words:
            store.remove(name)
            say(name)
    else:
        raise WrongUse(f"rehearsal: ctr images {' '.join(arguments)} is not modelled")


def _list(store: ImageStore, say: Callable[[str], object], *, quiet: bool) -> None:
    names = store.names()
    if quiet:
        for name in names:
            say(name)
        return
    say("REF TYPE DIGEST SIZE PLATFORMS LABELS")
    for name, digest in names.items():
        kind = "application/vnd.oci.image.index.v1+json"
        say(f"{name} {kind} {digest} 12.3 MiB {store.machine.os}/amd64 io.cri-containerd.image=managed")


def crictl_images(store: ImageStore, arguments: Sequence[str], say: Callable[[str], object]) -> None:
    """``crictl images [-q] [-o json] [NAME]``.

    Raises:
        WrongUse: what crictl does not take.
    """
    flags = parse(arguments, *_CRICTL_IMAGES)
    if len(flags.words) > 1 or flags.given.get("-o", flags.given.get("--output", "table")) not in ("table", "json"):
        raise WrongUse(f"rehearsal: crictl images {' '.join(arguments)} is not modelled")
    found = {
        name: digest
        for name, digest in store.names().items()
        if not flags.words or flags.words[0] in (name, name.rpartition(":")[0])
    }
    if {"-q", "--quiet"} & set(flags.given):
        for name in found:
            say(_identity(name))
    elif {"-o", "--output"} & set(flags.given):
        rows = [
            {"id": _identity(name), "repoTags": [name], "repoDigests": [f"{name.rpartition(':')[0]}@{digest}"]}
            for name, digest in found.items()
        ]
        say(json.dumps({"images": rows}))
    else:
        say(f"{'IMAGE':<50} {'TAG':<30} {'IMAGE ID':<20} SIZE")
        for name in found:
            image, _, tag = name.rpartition(":")
            say(f"{image:<50} {tag:<30} {_identity(name)[7:20]:<20} 12.3MB")


def parse(words: Sequence[str], switches: frozenset[str], values: frozenset[str], *, verbs: bool = False) -> Flags:
    """Flags as urfave/cli reads them: before the operands, strictly.

    Args:
        verbs: the first operand is a command with flags of its own.

    Raises:
        WrongUse: an unknown flag, or one without its value.
    """
    rest, given = list(words), dict[str, str]()
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word, equals, value = rest.pop(0).partition("=")
        if word in switches:
            given[word] = ""
        elif word in values:
            if not equals and not rest:
                raise WrongUse(f"flag needs an argument: {word}")
            given[word] = value if equals else rest.pop(0)
        else:
            raise WrongUse(f"Incorrect Usage: flag provided but not defined: {word}")
    if not verbs and any(word.startswith("-") and word != "-" for word in rest):
        raise WrongUse(f"rehearsal: flags behind operands: {' '.join(rest)}")
    return Flags(given, rest)


def _identity(name: str) -> str:
    return "sha256:" + hashlib.sha256(name.encode()).hexdigest()
