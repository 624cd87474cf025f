"""containerd's config.toml: ours, with the user's own keys merged into it. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import tomli_w


def merged(text: str, own: Mapping[str, Any]) -> str:
    """A configuration with other keys merged into it: tables key by key, everything else as the user wrote it.

    Without any the text is as it was, comments included.
    """
    if not own:
        return text
    document = tomllib.loads(text)
    _merge(document, own)
    return f"# containerd, with containerd.config of the settings merged in.\n{tomli_w.dumps(document)}"


def _merge(into: dict[str, Any], own: Mapping[str, Any]) -> None:
    for key, value in own.items():
        before = into.get(key)
        if isinstance(before, dict) and isinstance(value, Mapping):
            _merge(before, value)
        else:
            into[key] = value
