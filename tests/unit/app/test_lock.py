"""`invoke lock`: what differs, what words mean anew, several questions at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.app.lock import Anew, Change, at_once, changes
from provision.artifacts.lock import ArtifactLock, Document, Entry
from provision.clock import Deadline
from provision.errors import ArtifactError, DeadlineExceeded
from provision.settings.model import SourceState
from tests.waiting import PATIENCE


def entry(version: str, digest: str = "a", url: str = "https://up/x") -> Entry:
    return Entry(url=url, version=version, sha256=digest * 64, size=3, checked=True)


def row(version: str, commit: str) -> dict[str, object]:
    state = SourceState(remote="r", commit=commit, tree="t", dirty=False, version=version, committed=5, go="1.26")
    return {"word": "ref master", **state.model_dump()}


def test_what_differs_is_one_line_each() -> None:
    old = Document(
        words={"kubernetes.version 1.36": "1.36.3", "calico.version 3.32": "3.32.1"},
        sources={"kubernetes": row("1.37.0-alpha.1", "0" * 40)},
        artifacts={
            "same": entry("1"),
            "newer": entry("1"),
            "replaced": entry("1"),
            "elsewhere": entry("1"),
            "not asked for": entry("9"),
        },
    )
    new = Document(
        words={"kubernetes.version 1.36": "1.36.4", "calico.version 3.32": "3.32.1", "containerd.linux 2.3": "2.3.4"},
        sources={"kubernetes": row("1.37.0-alpha.2", "1" * 40)},
        artifacts={
            **old.artifacts,
            "newer": entry("2", "b"),
            "replaced": entry("1", "b"),
            "elsewhere": entry("1", url="https://other/x"),
            "new": entry("1"),
        },
    )
    assert changes(old, new) == [
        Change("word", "containerd.linux 2.3", "", "2.3.4"),
        Change("word", "kubernetes.version 1.36", "1.36.3", "1.36.4"),
        Change("source", "kubernetes", f"1.37.0-alpha.1 ({'0' * 12})", f"1.37.0-alpha.2 ({'1' * 12})"),
        Change("file", "elsewhere", f"1, sha256 {'a' * 12}, https://up/x", f"1, sha256 {'a' * 12}, https://other/x"),
        Change("file", "new", "", "1"),
        Change("file", "newer", "1", "2"),
        Change("file", "replaced", f"1, sha256 {'a' * 12}", f"1, sha256 {'b' * 12}", republished=True),
    ]
    assert changes(new, new) == []


def test_words_are_asked_once_each_and_pins_do_not_count(tmp_path: Path) -> None:
    lock = ArtifactLock(tmp_path / "lock.yaml")
    lock.pin_word("kubernetes.version 1.36", "1.36.1")
    lock.pin_source("kubernetes", row("1.37.0", "c"))
    asked: list[str] = []

    def ask(url: str) -> str:
        asked.append(url)
        return "v1.36.9"

    anew = Anew(ask, lock, offline=False)
    assert anew.word("kubernetes.version 1.36") == anew.word("kubernetes.version 1.36") == "1.36.9"
    assert anew.word("kubernetes.version 1.36.4") is None
    assert anew.word("kubernetes.control_plane auto 1.37") is None
    assert anew.source("kubernetes") is None
    assert asked == ["https://dl.k8s.io/release/stable-1.36.txt"]

    kept = Anew(ask, lock, offline=True)
    assert kept.word("kubernetes.version 1.36") == "1.36.1"
    assert kept.source("kubernetes") == row("1.37.0", "c")
    assert len(asked) == 1


def failing(error: Exception) -> Callable[[], int]:
    def call() -> int:
        raise error

    return call


def test_at_once_gives_each_answer_in_order() -> None:
    meet = threading.Barrier(3, timeout=PATIENCE)

    def call() -> int:
        return meet.wait() * 0 + 7

    assert at_once({"b": call, "a": call, "c": call}, Deadline(PATIENCE)) == {"b": 7, "a": 7, "c": 7}


def test_one_failure_is_raised_as_it_is_and_several_together() -> None:
    first, second = ArtifactError("x: not there"), ArtifactError("y: not there")
    with pytest.raises(ArtifactError) as caught:
        at_once({"x": failing(first), "ok": lambda: 1}, Deadline(PATIENCE))
    assert caught.value is first
    with pytest.raises(ArtifactError, match="2 files cannot be asked for") as both:
        at_once({"x": failing(first), "y": failing(second)}, Deadline(PATIENCE))
    assert "x: not there" in both.value.details and "y: not there" in both.value.details
    with pytest.raises(ZeroDivisionError):
        at_once({"x": failing(first), "y": failing(ZeroDivisionError())}, Deadline(PATIENCE))


def test_an_answer_that_does_not_come_ends_with_the_deadline() -> None:
    never = threading.Event()
    with pytest.raises(DeadlineExceeded, match="asking"):
        at_once({"x": lambda: never.wait(PATIENCE), "y": lambda: True}, Deadline(0.1, "asking"))
    never.set()
