"""Words for versions (``1.36``, ``ci/latest-1.37``): what their publishers say that they mean now.

Sources: dl.k8s.io serves ``release/stable-<minor>.txt`` and, of each merge's build, ``ci/latest.txt`` and
``ci/latest-<minor>.txt`` (kubernetes/kubeadm docs/testing-pre-releases.md). ``ci/fast/`` has no builds for Windows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from provision import knowledge
from provision.errors import ArtifactError
from provision.settings.model import Settings

Ask = Callable[[str], str]
"""From a URL to the small text file there; raises ArtifactError."""

_CI = re.compile(r"ci/latest(?:-\d+\.\d+)?")
_LINE = re.compile(r"\d+\.\d+")


def key(setting: str, word: str) -> str:
    """The lock's key of a word: ``kubernetes.version 1.36``."""
    return f"{setting} {word}"


def is_word(text: str) -> bool:
    """Whether a version is a word, whose meaning changes with time: a minor, or a CI build that is not named whole."""
    return bool(_LINE.fullmatch(text) or _CI.fullmatch(text))


def address(setting: str, word: str) -> str | None:
    """Where the publisher says what a word means now; None when nobody does (then the product's tables do)."""
    if _CI.fullmatch(word):
        return f"https://dl.k8s.io/{word}.txt"
    if setting.startswith("kubernetes.") and _LINE.fullmatch(word):
        return f"https://dl.k8s.io/release/stable-{word}.txt"
    return None


def newest(setting: str, word: str, ask: Ask) -> str:
    """What a word means now, in full, without ``v``: its publisher is asked, where one says it.

    Args:
        setting: whose word it is, such as ``kubernetes.version`` or ``containerd.linux``.

    Raises:
        ArtifactError: the publisher cannot be asked, or answers something else than a version.
        knowledge.NotKnown: a minor that no table has.
    """
    url = address(setting, word)
    return known(setting, word) if url is None else version_in(ask(url), word, url)


def known(setting: str, word: str) -> str:
    """The latest patch of a minor that the product's tables have; opens nothing.

    Raises:
        knowledge.NotKnown: no table has it.
    """
    project = setting.partition(".")[0]
    if project == "kubernetes":
        return knowledge.kubernetes_patch(word)
    return knowledge.containerd_patch(word) if project == "containerd" else knowledge.cni_patch(project, word)


def runtime_words(written: Settings) -> Iterator[tuple[str, str]]:
    """The words that stand for versions of containerd and of the pod network: setting and word.

    Args:
        written: the settings before anything was filled in.
    """
    for setting in ("containerd.linux", "containerd.windows", f"{written.cni}.version"):
        part, _, name = setting.partition(".")
        word = str(getattr(getattr(written, part), name))
        if is_word(word):
            yield setting, word


def meanings(settings: Settings, written: Settings) -> dict[str, str]:
    """What `runtime_words` mean in settings that are complete: the lock's key -> version."""
    found = {}
    for setting, word in runtime_words(written):
        part, _, name = setting.partition(".")
        found[key(setting, word)] = str(getattr(getattr(settings, part), name))
    return found


def as_pinned(settings: Settings, written: Settings, meaning: Callable[[str], str | None]) -> Settings:
    """The settings with containerd's and the pod network's words as they were pinned, whatever is known by now.

    Args:
        meaning: the lock's `word`.
    """
    for setting, word in runtime_words(written):
        pinned = meaning(key(setting, word))
        if pinned is not None:
            part, _, name = setting.partition(".")
            changed = getattr(settings, part).model_copy(update={name: pinned})
            settings = settings.model_copy(update={part: changed})
    return settings


def version_in(text: str, word: str, where: str) -> str:
    """The version in a publisher's answer, without ``v``.

    Raises:
        ArtifactError: it is none, or not one that this word can mean.
    """
    remedy = "open it with a browser; a proxy or mirror may answer something else"
    line = text.strip()
    try:
        if "\n" in line or len(line) > 100:
            raise ValueError("not one line")
        version = knowledge.parse(line)
        if version.patch is None:
            raise ValueError("not a whole version")
    except ValueError as error:
        raise ArtifactError(
            f"{where} holds no version, so nobody says what {word} means",
            details=f"it begins with {line[:80]!r}",
            remedy=remedy,
        ) from error
    wanted = re.search(r"\d+\.\d+$", word)
    if wanted and version.line != wanted[0]:
        raise ArtifactError(f"{where} says {version}, which is no {wanted[0]}", remedy=remedy)
    if _LINE.fullmatch(word) and version.pre:
        raise ArtifactError(f"{where} says {version}, which is no release", remedy=remedy)
    return str(version)
