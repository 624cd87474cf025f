"""`invoke cache`: what this computer keeps of downloads and builds, and pruning it."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterable
from pathlib import Path

from provision.app.paths import cache_root
from provision.artifacts.cache import Cache
from provision.artifacts.inventory import Item, Pruned, inventory
from provision.artifacts.inventory import prune as prune_cache
from provision.console import Screen
from provision.errors import SettingsError

_DAY = 86400.0
_NEXT = "next: invoke cache --prune"


def cache(variables: str = "", prune: bool = False, older_than: str = "", all: bool = False, json: bool = False) -> int:
    """List the cache, or delete what is not needed."""
    if all and older_than:
        raise SettingsError("--all and --older-than contradict each other", remedy="give one of the two")
    seconds = _days(older_than) if older_than else None
    found = Cache(cache_root())
    root = Path(variables).resolve().parent if variables else Path.cwd()
    locks = [root / "artifacts.lock.yaml"]
    if prune or all or older_than:
        done = prune_cache(found, locks, older_than=seconds, everything=all)
        _pruned(found, done, as_json=json)
    else:
        _listed(found, inventory(found, locks), as_json=json)
    return 0


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < 1e6:
        raise SettingsError(f"--older-than {text} is no number of days", remedy="write it as --older-than 30")
    return days * _DAY


def _listed(cache: Cache, items: list[Item], *, as_json: bool) -> None:
    if as_json:
        document = {"cache": str(cache.root), "bytes": _sum(items), "items": [_row(item) for item in items]}
        print(json_format.dumps(document, indent=2))
        return
    screen = Screen()
    if not items:
        screen.say(f"{cache.root} is empty")
        return
    rows = [(i.kind, i.name, i.version, size(i.size), age(i.age), _why(i)) for i in items]
    screen.table("", ("", "what", "version", "size", "last used", "needed by"), rows)
    unneeded = [item for item in items if item.kind in ("file", "build") and not item.needed]
    screen.say(f"{size(_sum(items))} in {cache.root}, of which no lock needs {size(_sum(unneeded))}")
    if unneeded:
        screen.say(_NEXT)


def _pruned(cache: Cache, done: Pruned, *, as_json: bool) -> None:
    if as_json:
        document = {
            "cache": str(cache.root),
            "freed": done.freed,
            "gone": [_row(item) for item in done.gone],
            "held": [_row(item) for item in done.held],
        }
        print(json_format.dumps(document, indent=2))
        return
    screen = Screen()
    if done.gone:
        rows = [(item.kind, item.name, item.version, size(item.size), age(item.age)) for item in done.gone]
        screen.table("", ("deleted", "what", "version", "size", "last used"), rows)
    if done.held:
        screen.say(f"kept, because a run is at work: {', '.join(item.name for item in done.held)}", "yellow")
    screen.say(f"{size(done.freed)} freed in {cache.root}" if done.gone else f"nothing was to delete in {cache.root}")


def _row(item: Item) -> dict[str, object]:
    return {
        "kind": item.kind,
        "name": item.name,
        "version": item.version,
        "bytes": item.size,
        "seconds_since_use": round(item.age),
        "needed_by": list(item.needed),
    }


def _why(item: Item) -> str:
    if not item.needed:
        return "" if item.kind in ("file", "build") else "-"
    first = item.needed[0]
    more = f" and {len(item.needed) - 1} more" if len(item.needed) > 1 else ""
    return first.removesuffix("/artifacts.lock.yaml") + more


def _sum(items: Iterable[Item]) -> int:
    return sum(item.size for item in items)


def size(count: int) -> str:
    """Bytes for people: ``93 MiB``."""
    number, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if number < 1000:
            break
        number, unit = number / 1024, larger
    return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"


def age(seconds: float) -> str:
    """Time since the last use, for people."""
    if seconds < 3600:
        return "now" if seconds < 60 else f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} days ago"
