"""What notices a changed template of a Windows script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import jinja2

from provision.render.engine import environment
from tests.scenarios.effects import Beginning, Call, Data, Snapshot, Stage, golden_file
from tests.scenarios.effects_guests import CALLS, GUESTS, SOURCES, source_as
from tests.scripts.windows_rules import broken_rules


@contextmanager
def template_as(name: str, text: str) -> Iterator[None]:
    """Another text for one template (or for one of the guests' scripts), as long as the block lasts."""
    if name.startswith(GUESTS):
        with source_as(name.removeprefix(GUESTS), text):
            yield
        return
    before = environment().loader
    assert before is not None
    # Jinja keeps templates by their loader: what the other one gave stays, and none is mistaken for another.
    with mock.patch.object(environment(), "loader", jinja2.ChoiceLoader([jinja2.DictLoader({name: text}), before])):
        yield


@contextmanager
def templates_used() -> Iterator[set[str]]:
    """The names of all templates that the block renders."""
    used: set[str] = set()

    whole = environment().get_template

    def noted(name: str, *given: Any, **named: Any) -> jinja2.Template:
        used.add(name)
        return whole(name, *given, **named)

    # An include asks the environment, too.
    with mock.patch.object(environment(), "get_template", noted):
        yield used


@dataclass(frozen=True)
class Scene:
    """One script of a beginning, ready to be run again with a changed template."""

    name: str
    call: Call
    before: Snapshot
    expected: Data
    templates: frozenset[str]


class Judge:
    """Says what notices a changed template. Making one runs everything once: what was seen is in ``seen``."""

    def __init__(self, beginnings: Sequence[Beginning], folder: Path) -> None:
        self._stage = Stage(folder)
        self._scenes: list[Scene] = []
        self.seen: dict[str, str] = {}
        for beginning in beginnings:
            rows = []
            for call, before, found in self._stage.run(beginning):
                with templates_used() as used:
                    if call.script in CALLS:
                        used |= {f"{GUESTS}{name}" for name in SOURCES}
                    elif call.script != "reboot":
                        self._stage.text(call)
                name = f"{beginning.name}: {call.script}"
                self._scenes.append(Scene(name, call, before, found, frozenset(used)))
                rows.append({"script": call.script, **found})
            self.seen[beginning.name] = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        # Few words first: a script on a finished machine says and changes little, and takes no time.
        self._scenes.sort(key=lambda scene: len(json.dumps(scene.expected)))

    def unwritten(self) -> list[str]:
        """The beginnings whose golden file does not hold what was seen."""
        return [name for name, text in self.seen.items() if golden_file(name).read_text() != text]

    def notices(self, template: str, text: str) -> str:
        """The first check that fails, and what differs; '' when nothing does."""
        concerned = [scene for scene in self._scenes if template in scene.templates]
        with template_as(template, text):
            rendered = text if template.startswith(GUESTS) else self._stage.text(concerned[0].call)
            for rule in broken_rules(rendered):
                return f"rule: {rule}"
            for scene in concerned:
                scene.before.restore(self._stage.bench)
                try:
                    found = self._stage.observe(scene.call)
                except Exception as error:
                    return f"{scene.name}: {type(error).__name__}"
                for part in sorted(found.keys() | scene.expected.keys()):
                    if found.get(part) != scene.expected.get(part):
                        return f"{scene.name}: {part}"
        return ""
