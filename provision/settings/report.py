"""What `invoke settings` shows: every setting with its value and where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from provision.secrets import MASK, Secret
from provision.settings.load import Loaded
from provision.settings.model import Settings
from provision.settings.shape import root

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Row:
    """One setting: dotted key (machines by name), value as it would be written, where it came from.

    Attributes:
        plain: the value as JSON knows it.
    """

    key: str
    value: str
    origin: str
    plain: Any


def effective(loaded: Loaded) -> list[Row]:
    """All settings in the order of the file; no secret among them."""
    values = [(key, plain(value)) for key, value in flatten(loaded.settings)]
    return [Row(key, _text(value), _origin(key, loaded), value) for key, value in values]


def _origin(key: str, loaded: Loaded) -> str:
    own = loaded.origins.get(key)
    # Keys of a table may come from elsewhere than the table itself.
    below = [origin for name, origin in loaded.origins.items() if name.startswith(f"{key}.")]
    others = [origin for origin in below if own is None or origin.kind != own.kind]
    places = [*([own] if own else []), *others]
    if places:
        return ", ".join(dict.fromkeys(str(place) for place in places))
    parts = key.split(".")
    for length in range(len(parts) - 1, 0, -1):
        around = loaded.origins.get(".".join(parts[:length]))
        # A table that an override gave as a whole; one in the file says nothing about keys that are not in it.
        if around is not None and around.kind != "file":
            return f"{around}, default"
    return "default"


def flatten(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Every key with its value; tables and lists that are free in form are one value."""
    for name in root().names():
        value = getattr(settings, name)
        if name == "machines":
            for machine in value:
                yield from _part(machine, f"machines.{machine.name}")
        else:
            yield from _part(value, name)


def _part(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            if not field.exclude:  # what PEM files hold, and the like: no keys of the file
                yield from _part(getattr(value, name), f"{key}.{name}")
    else:
        yield key, value


def plain(value: Any) -> Any:
    """A value as JSON and YAML know it, without secrets."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, IPv4Address | IPv4Network | FilePath):
        return str(value)
    if isinstance(value, str):
        # A proxy or mirror may carry a user and password.
        return _USER_INFO.sub("", value)
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(inner) for inner in value) + "]"
    return str(value)
