"""Options for Vagrant providers, the inactive ones too: Vagrant itself judges only the one that it runs with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from provision.knowledge.provider_options import OPTIONS, RESERVED, TABLES
from provision.settings.checks import Finding
from provision.settings.document import suggest
from provision.settings.model import Settings
from provision.settings.problems import Path

_WHOLE_PROVIDER = frozenset({"machines", "switch", "private_switch"})


def options(settings: Settings) -> Iterator[Finding]:
    """Options go to providers, and machines, that there are, by keys that those know."""
    names = tuple(machine.name for machine in settings.machines)
    for provider, given in settings.provider_options.items():
        path = ("provider_options", provider)
        if provider not in OPTIONS:
            yield Finding(path, "no provider of this name takes options", _near(provider, tuple(OPTIONS)))
            continue
        yield from _keys(path, given, OPTIONS[provider] | RESERVED[provider])
        machines = given.get("machines") or {}
        if not isinstance(machines, Mapping):
            yield Finding((*path, "machines"), "this is no table", "write machine names below it, options below those")
            continue
        for name, own in machines.items():
            here = (*path, "machines", name)
            if name not in names:
                yield Finding(here, f"there is no machine {name}", _near(name, names))
            elif not isinstance(own, Mapping):
                yield Finding(here, "this is no table", "write options below the machine's name")
            else:
                yield from _keys(here, own, OPTIONS[provider] | (RESERVED[provider] - _WHOLE_PROVIDER))


def _keys(path: Path, given: Mapping[str, Any], known: frozenset[str]) -> Iterator[Finding]:
    for key, value in given.items():
        if key not in known:
            near = suggest(key, tuple(sorted(known)))
            own = ", ".join(word for word in (*TABLES, "network", "vmx") if word in known)
            remedy = f"did you mean {near}?" if near else f"take a key of the provider's Vagrant settings, or of {own}"
            yield Finding((*path, key), f"{path[1]} has no such option", remedy)
        elif key in (*TABLES, "network", "vmx") and not isinstance(value, Mapping):
            yield Finding((*path, key), "this is no table", "write keys below it")


def _near(name: str, known: tuple[str, ...]) -> str:
    near = suggest(name, known)
    listed = f"known: {', '.join(known)}"
    return f"did you mean {near}? {listed}" if near else listed
