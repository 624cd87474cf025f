"""`invoke lock`: ask the publishers what is newest, show what changes, write it."""

from __future__ import annotations

import json as json_format
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from provision.app.resolve import PLANE
from provision.app.session import Session, open_session, with_words
from provision.artifacts import words
from provision.artifacts.lock import ArtifactLock, Document, Entry
from provision.clock import Deadline
from provision.console import Screen
from provision.errors import ArtifactError, ProvisionError

T = TypeVar("T")

_DEADLINE = 1800.0  # seconds; only files without a published digest are fetched, and those are small
_AT_ONCE = 8
_VERSION = "kubernetes.version"


@dataclass(frozen=True)
class Change:
    """One line of what changes; ``was`` is empty for what is new.

    Attributes:
        republished: its publisher has replaced the file under the same address.
    """

    section: str
    what: str
    was: str
    becomes: str
    republished: bool = False


def lock(
    variables: str = "", set: Sequence[str] = (), check: bool = False, offline: bool = False, json: bool = False
) -> int:
    """Refresh the lock on purpose; with ``check`` only show what would change."""
    session = open_session(variables, set, offline=offline)
    screen = Screen(stream=sys.stderr if json else None, rehearsed=session.rehearsed)
    for notice in session.notices:
        screen.say(notice, "yellow")
    old = session.lock()
    sections = _refreshed(session, old, screen)
    new = old.document.model_copy(update=dict(sections))
    found = changes(old.document, new)
    if found and not check:
        old.change(lambda _: sections)
    _show(session, old, found, screen, written=bool(found) and not check, as_json=json)
    return 0


class Anew:
    """In place of the lock's pins: every word of Kubernetes means what its publisher says now.

    Args:
        pinned: what the lock says, for ``offline``.
    """

    def __init__(self, ask: words.Ask, pinned: ArtifactLock, *, offline: bool) -> None:
        self._ask = ask
        self._pinned = pinned
        self._offline = offline
        self.found: dict[str, str] = {}

    def word(self, key: str) -> str | None:
        if self._offline:
            return self._pinned.word(key)
        setting, _, word = key.partition(" ")
        if setting != _VERSION or not words.is_word(word):
            return None
        if key not in self.found:
            self.found[key] = words.newest(setting, word, self._ask)
        return self.found[key]

    def source(self, project: str) -> Mapping[str, object] | None:
        return self._pinned.source(project) if self._offline else None

    def pin_word(self, key: str, meaning: str) -> None:
        self.found[key] = meaning

    def pin_source(self, project: str, row: Mapping[str, object]) -> None:
        """What was found out is written at once, at the end."""


def _refreshed(session: Session, old: ArtifactLock, screen: Screen) -> dict[str, object]:
    """The sections of the lock as they are to be."""
    screen.say(f"asking the publishers{' (rehearsal)' if session.rehearsed else ''}")
    anew = Anew(session.ask, old, offline=session.offline)
    session = with_words(session, look=True, pins=anew)
    resolved = session.resolved
    assert resolved is not None  # with `look` nothing stays unknown
    now = old.document
    meant = {**now.words, **anew.found, **resolved.words, **session.runtime_words()}
    sources = {**now.sources, **{project: dict(row) for project, row in resolved.sources.items()}}
    return {"words": meant, "sources": sources, "artifacts": {**now.artifacts, **_artifacts(session)}}


def _artifacts(session: Session) -> dict[str, Entry]:
    store = session.store()
    store.require_offline()
    stop = threading.Event()
    deadline = Deadline(_DEADLINE, "asking the publishers")

    def look(name: str) -> Callable[[], Entry | None]:
        return lambda: store.published_now(name, deadline, stop)

    try:
        found = at_once({name: look(name) for name in store.specs}, deadline)
    finally:
        stop.set()
    return {name: entry for name, entry in found.items() if entry is not None}


def at_once(calls: Mapping[str, Callable[[], T]], deadline: Deadline) -> dict[str, T]:
    """Several calls at the same time; daemon threads, because a pool's end would wait for a blocked read.

    Raises:
        ArtifactError: one or more of them failed, each with its own words; a single failure as it is.
    """
    todo = list(calls.items())
    done: dict[str, T] = {}
    failed: dict[str, Exception] = {}
    mutex = threading.Lock()

    def work() -> None:
        while True:
            with mutex:
                if not todo:
                    return
                name, call = todo.pop(0)
            try:
                done[name] = call()
            except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
                failed[name] = error

    threads = [threading.Thread(target=work, daemon=True) for _ in range(_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline.remaining())
    deadline.check(f"{len(done)} of {len(calls)} answers")
    for error in failed.values():
        if len(failed) == 1 or not isinstance(error, ProvisionError):
            raise error
    if failed:
        raise ArtifactError(
            f"{len(failed)} files cannot be asked for",
            details="\n".join(f"{name}: {error}" for name, error in sorted(failed.items())),
            remedy="nothing was written; mend these, then run it again",
        )
    return {name: done[name] for name in calls}


def changes(old: Document, new: Document) -> list[Change]:
    """What differs, one line each."""
    found = []
    for key in sorted(old.words.keys() | new.words.keys()):
        was, becomes = old.words.get(key, ""), new.words.get(key, "")
        if was != becomes:
            found.append(Change("word", key, was, becomes))
    for project in sorted(new.sources):
        was, becomes = _state(old.sources.get(project)), _state(new.sources[project])
        if was != becomes:
            found.append(Change("source", project, was, becomes))
    for name, entry in sorted(new.artifacts.items()):
        before = old.artifacts.get(name)
        if before == entry:
            continue
        same = before is not None and (before.url, before.version) == (entry.url, entry.version)
        if before is None or (not same and before.version != entry.version):
            found.append(Change("file", name, before.version if before else "", entry.version))
        else:
            again = same and before.sha256 != entry.sha256
            found.append(Change("file", name, _told(before, same), _told(entry, same), republished=again))
    return found


def _told(entry: Entry, same_address: bool) -> str:
    return f"{entry.version}, sha256 {entry.sha256[:12]}" + ("" if same_address else f", {entry.url}")


def _state(row: Mapping[str, object] | None) -> str:
    return f"{row.get('version')} ({str(row.get('commit'))[:12]})" if row else ""


def _show(
    session: Session, old: ArtifactLock, found: list[Change], screen: Screen, *, written: bool, as_json: bool
) -> None:
    if as_json:
        document = {
            "lock": str(old.path),
            "rehearsed": session.rehearsed,
            "written": written,
            "changes": [change.__dict__ for change in found],
        }
        print(json_format.dumps(document, indent=2))
        return
    label = "rehearsal: " if session.rehearsed else ""
    if not found:
        screen.say(f"{label}nothing changed: {old.path} is what its publishers have")
        return
    rows = [(change.section, change.what, change.was or "-", change.becomes or "-") for change in found]
    screen.table("", ("", "what", "was", "becomes"), rows)
    again = [change.what for change in found if change.republished]
    if again:
        told = "their publishers have replaced them" if len(again) > 1 else "its publisher has replaced it"
        screen.say(f"{', '.join(again)}: {told} under the same address; find out why before you trust it", "red")
    made_again = session.workspace.provider_file.exists() and any(map(_of_control_plane, found))
    if made_again:
        screen.say("the cluster's control plane is another one then: it is made again, not changed in place", "yellow")
    if written:
        screen.say(f"{label}{len(found)} changes written to {old.path}")
        # Who wants the cluster as it is takes the former lock back.
        screen.say("next: invoke destroy, then invoke up" if made_again else "next: invoke up")
    else:
        screen.say(f"{label}{len(found)} changes; nothing was written (--check)")


def _of_control_plane(change: Change) -> bool:
    """Whether a change gives the control plane another version; what is new was not in use."""
    words = change.section == "word" and change.what.startswith("kubernetes.")
    return bool(change.was) and (words or (change.section == "source" and change.what == PLANE))
