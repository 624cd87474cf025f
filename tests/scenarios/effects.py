"""What the Windows scripts do, as data: said, changed, and left behind, from several beginnings.

The golden files (tests/golden/effects/) hold what the whole scripts do; `Judge` says whether a changed
template would be noticed.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jinja2

from provision.render.engine import environment
from provision.settings.model import Machine, Settings
from tests.scenarios.inprocess import Rehearsed, complaint

GOLDEN = Path(__file__).parents[1] / "golden" / "effects"

SETTINGS = Settings(
    machines=(
        Machine(name="cp1", os="linux", role="control-plane"),
        Machine(name="winw1", os="windows", memory=6144),
    )
)

_VOLATILE = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)?"), "<time>"),
    (re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"), "<token>"),
    (re.compile(r":\d{5}/[0-9a-zA-Z_-]{16,}"), ":<port>/<path>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
)


def steady(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text


def effects(cluster: Rehearsed) -> dict[str, Any]:
    """One run, and what it left behind on the Windows machine."""
    result = cluster.up()
    facts = cluster.facts().machine("winw1")
    return {
        "complaint": steady(complaint(result)),
        "applied": sorted(end.step.name for end in result.applied if "winw1" in end.step.name),
        "said": {
            step: [steady(line) for line in lines]
            for step, lines in sorted(cluster.heard.lines.items())
            if step.endswith("@winw1")
        },
        "state": left_behind(cluster.park.get("winw1").state.data),
        "facts": json.loads(steady(json.dumps(facts.sections, sort_keys=True))),
    }


# Parts of a machine's state that say what was done to it; times, logs and counters are left out.
_LEFT_OUT = {"power", "faults", "files", "events", "processes", "spec", "journal"}


def left_behind(state: Mapping[str, Any]) -> Any:
    """A machine's state, without what differs from run to run."""
    kept = {key: value for key, value in state.items() if key not in _LEFT_OUT}
    files = sorted(steady(name) for name in state.get("files", {}))
    return json.loads(steady(json.dumps({**kept, "file names": files}, sort_keys=True, default=str)))


def beginnings(folder: Path, templates: Path) -> Iterator[tuple[str, Callable[[], Rehearsed]]]:
    """Name and cluster of each scenario; later ones start from a copy of the finished first one."""

    def fresh() -> Rehearsed:
        return Rehearsed(folder / "fresh", SETTINGS)

    def finished() -> Rehearsed:
        return Rehearsed(_copy(templates, folder / "finished"), SETTINGS)

    def disturbed() -> Rehearsed:
        cluster = Rehearsed(_copy(templates, folder / "disturbed"), SETTINGS)
        disturb(cluster)
        return cluster

    yield "fresh", fresh
    yield "finished", finished
    yield "disturbed", disturbed


def _copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def disturb(cluster: Rehearsed) -> None:
    """Undo or spoil one thing of each kind, as time, updates and people do."""
    raise NotImplementedError


@contextmanager
def template_as(name: str, text: str) -> Iterator[None]:
    """Another text for one template, as long as the block lasts."""
    env = environment()
    before = env.loader
    assert before is not None
    assert env.cache is not None
    env.loader = jinja2.ChoiceLoader([jinja2.DictLoader({name: text}), before])
    env.cache.clear()
    try:
        yield
    finally:
        env.loader = before
        env.cache.clear()


class Judge:
    """Says what notices a changed template; '' when nothing does."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="hybrid-mutations-"))
        self._finished = self._folder / "start"
        Rehearsed(self._finished, SETTINGS).up()

    def notices(self, template: str, text: str) -> str:
        """The first check that fails: a scenario's name and the part that differs."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            with template_as(template, text):
                for name, begin in beginnings(folder, self._finished):
                    wanted = json.loads((GOLDEN / f"{name}.json").read_text())
                    try:
                        found = effects(begin())
                    except Exception as error:  # noqa: BLE001 - a crash is noticed, too
                        return f"{name}: {type(error).__name__}"
                    for part, value in wanted.items():
                        if found[part] != value:
                            return f"{name}: {part}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return ""
