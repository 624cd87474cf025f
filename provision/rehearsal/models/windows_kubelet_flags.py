"""What kubelet.exe takes: flags and fields of its configuration, judged as that version would.

Sources: the kubelet's command-line reference and the KubeletConfiguration (v1beta1) reference of 1.36; flags
that left with an earlier or a later release come from the knowledge tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from provision import knowledge
from provision.rehearsal import yaml_text

_SWITCHES = frozenset(
    {"windows-service", "version", "help", "runonce", "register-node", "seccomp-default", "enable-server"}
)


@lru_cache(maxsize=1)
def _words() -> Mapping[str, frozenset[str]]:
    """The words of ``kubelet_words.yaml``: ``flags`` and ``fields``."""
    text = Path(__file__).with_name("kubelet_words.yaml").read_text()
    return {key: frozenset(words) for key, words in yaml_text.load(text).items()}


class Refused(Exception):
    """kubelet.exe ends with this text."""


def parse_flags(arguments: list[str], version: str) -> dict[str, str]:
    """Flags by name.

    Raises:
        Refused: a flag that this version does not have, or that lacks its value.
    """
    gone = {flag.lstrip("-") for flag in knowledge.removed_kubelet_flags(version)}
    found: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            raise Refused(f"unknown command {word}")
        name, equals, value = word.lstrip("-").partition("=")
        if name not in _words()["flags"] or name in gone or (len(name) > 1 and not word.startswith("--")):
            raise Refused(f"failed to parse kubelet flag: unknown flag: --{name}")
        if not equals and name in _SWITCHES:
            value = "true"
        elif not equals:
            if not words:
                raise Refused(f"failed to parse kubelet flag: flag needs an argument: --{name}")
            value = words.pop(0)
        found[name] = value
    return found


def judge_config(document: Any) -> Mapping[str, Any]:
    """A KubeletConfiguration as strict decoding takes it.

    Raises:
        Refused: it is none, or has unknown fields.
    """
    if not isinstance(document, dict) or document.get("kind") != "KubeletConfiguration":
        raise Refused(
            "failed to load kubelet config file: no kind KubeletConfiguration is registered for this document"
        )
    if document.get("apiVersion") != "kubelet.config.k8s.io/v1beta1":
        raise Refused(
            f"failed to load kubelet config file: no kind registered for version {document.get('apiVersion')}"
        )
    strange = sorted(set(document) - _words()["fields"])
    if strange:
        raise Refused(f"failed to load kubelet config file: strict decoding error: unknown field {strange[0]!r}")
    return document
