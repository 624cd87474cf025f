"""Words for versions (``1.36``, ``ci/latest-1.37``): each is resolved once, and means the same until it is refreshed.

Sources: dl.k8s.io serves ``release/stable-<minor>.txt`` and, of each merge's build, ``ci/latest.txt`` and
``ci/latest-<minor>.txt`` (kubernetes/kubeadm docs/testing-pre-releases.md). ``ci/fast/`` has no builds for Windows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from provision import knowledge
from provision.artifacts.lock import ArtifactLock
from provision.errors import ArtifactError

Ask = Callable[[str], str]
"""From a URL to the small text file there; raises ArtifactError."""

_CI = re.compile(r"ci/latest(?:-(?P<line>\d+\.\d+))?")
_LINE = re.compile(r"\d+\.\d+")
_KUBERNETES = "kubernetes."


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
    if setting.startswith(_KUBERNETES) and _LINE.fullmatch(word):
        return f"https://dl.k8s.io/release/stable-{word}.txt"
    return None


class Words:
    """The meanings of one cluster's words.

    Args:
        lock: what has been resolved already stands there.
        ask: asks a publisher; raises ArtifactError, also where that is forbidden (``--offline``).
    """

    def __init__(self, lock: ArtifactLock, ask: Ask) -> None:
        self._lock = lock
        self._ask = ask
        self._fresh: dict[str, str] = {}

    @property
    def fresh(self) -> Mapping[str, str]:
        """What was resolved and is not pinned yet: key -> meaning."""
        return MappingProxyType(self._fresh)

    def meaning(self, setting: str, word: str) -> str:
        """The version in full, without ``v``.

        A full version means itself (``ci/v1.38.0-alpha.1+abc`` that build); a minor means what the lock pins,
        else the latest patch that the product knows; ``ci/latest...`` what the lock pins, else what its publisher
        says now.

        Args:
            setting: whose word it is, such as ``kubernetes.version`` or ``containerd.linux``.

        Raises:
            ArtifactError: the publisher cannot be asked, or answers something else than a version.
            knowledge.NotKnown: a minor that no table has.
        """
        if not is_word(word):
            return word.removeprefix("ci/").removeprefix("v")
        name = key(setting, word)
        found = self._lock.word(name) or self._fresh.get(name)
        if found is None:
            found = self.newest(setting, word) if _CI.fullmatch(word) else known(setting, word)
            self._fresh[name] = found
        return found

    def newest(self, setting: str, word: str) -> str:
        """What the publisher says that the word means now, whatever the lock pins; without ``v``.

        Raises:
            ArtifactError: as `meaning`; or nobody publishes meanings of this word.
        """
        url = address(setting, word)
        if url is None:
            return known(setting, word)
        return version_in(self._ask(url), word, url)

    def pin(self) -> None:
        """Write what was resolved into the lock."""
        if self._fresh:
            found, self._fresh = self._fresh, {}
            self._lock.change(lambda now: {"words": {**now.words, **found}})


def known(setting: str, word: str) -> str:
    """The latest patch of a minor that the product's tables have; opens nothing.

    Raises:
        knowledge.NotKnown: no table has it.
    """
    project = setting.partition(".")[0]
    if project == "kubernetes":
        return knowledge.kubernetes_patch(word)
    if project == "containerd":
        return knowledge.containerd_patch(word)
    return knowledge.cni_patch(project, word)


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
