"""YAML to plain values, each with its place: through pyyaml's nodes, so that nothing is lost on the way.

A single value is taken as the text that stands in the file, so an unquoted ``1.30`` is 1.30 and not 1.3;
the model turns texts into numbers.  Only where the model takes anything (``kubelet_config``) YAML's own
types count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml
from rapidfuzz import fuzz, process

from provision.settings import shape as shapes
from provision.settings.problems import Origin, Path, Problem, dotted
from provision.settings.shape import Shape

_DEEPEST = 30
_MOST = 100_000  # values, each anchor counted as often as it is used
_DEEP = f"tables and lists are nested more than {_DEEPEST} levels deep"


@dataclass
class Document:
    """Plain values by key, where each came from, and what is wrong with their form."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def origin(self, path: Path) -> Origin:
        """The place of a path, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            found = self.origins.get(path[:length])
            if found is not None:
                return found
        return Origin()


def compose(text: str, name: str, into: Document) -> yaml.Node | None:
    """The root node of a YAML text; None when it is empty or, with a problem noted, cannot be read."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        deep = _too_deep(node)
        if deep is None and node is not None and _size(node, {}) > _MOST:
            many = f"anchors make more than {_MOST} values of it"
            into.problems.append(Problem(Origin("file", name), (), many, "write out what is meant"))
            return None
        if deep is None:
            return node
        line, column = deep.start_mark.line + 1, deep.start_mark.column + 1
        into.problems.append(Problem(Origin("file", name, line, column), (), _DEEP, "look for a bracket too many"))
    except RecursionError:
        into.problems.append(Problem(Origin("file", name), (), _DEEP, "look for a bracket too many"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        what = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
        into.problems.append(Problem(Origin("file", name, line, column), (), what, _remedy(text, mark, what)))
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
        what = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        into.problems.append(Problem(Origin("file", name, line, column), (), what, "delete it"))
    return None


def _too_deep(root: yaml.Node | None) -> yaml.Node | None:
    """The first node below the deepest level that any settings need; None when all is well."""
    level: list[yaml.Node] = [root] if root else []
    seen: set[int] = set()
    for _ in range(_DEEPEST):
        inner: list[yaml.Node] = []
        for node in level:
            if isinstance(node, yaml.ScalarNode) or id(node) in seen:
                continue
            seen.add(id(node))
            pairs = isinstance(node, yaml.MappingNode)
            inner += [part for pair in node.value for part in pair] if pairs else node.value
        level = inner
    return level[0] if level else None


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for; anchors make few lines into very many."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 1  # while it is being counted: an anchor may contain itself
        pairs = isinstance(node, yaml.MappingNode)
        parts = [part for pair in node.value for part in pair] if pairs else node.value
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _remedy(text: str, mark: yaml.Mark | None, what: str) -> str:
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in what:
        return "indent with spaces; YAML allows no tabs there"
    if "single document" in what:
        return "keep one document: delete the line ---"
    if "alias" in what or "anchor" in what:
        return "define the anchor (&name) before it is used (*name), or quote a text that begins with * or &"
    return "look at this line and the one above: a missing blank after a colon, a missing quote, or other indentation"


def read(text: str, name: str, *, base: FilePath, hints: dict[str, str] | None = None) -> Document:
    """The values of a settings file in today's form.

    Args:
        name: the file's name as it stands in problems.
        base: the folder that relative paths in the file start from.
        hints: keys of older forms -> today's spelling, for remedies.
    """
    document = Document()
    node = compose(text, name, document)
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return document
    reader = _Reader(document, name, base, hints or {})
    if not isinstance(node, yaml.MappingNode):
        where = reader.place(node)
        document.problems.append(Problem(where, (), "the file is not a table of settings", "write key: value lines"))
        return document
    document.values = reader.build(node, shapes.root(), ())
    return document


def read_value(text: str, wanted: Shape, path: Path, origin: Origin, *, base: FilePath) -> Document:
    """One value from the environment or ``--set``: a text as it is, or YAML where a table or list is wanted."""
    document = Document(origins={path: origin})
    if wanted.kind == "leaf":
        # null brings a key's default back, as it does in the file; so does nothing where null has a meaning.
        null = text in ("~", "null") or (text == "" and wanted.optional)
        document.values = {"value": None if null else _leaf(text, wanted, base)}
        return document
    node = compose(text, origin.source, document)
    document.problems = [Problem(origin, path, problem.what, problem.remedy) for problem in document.problems]
    if node is not None:
        reader = _Reader(document, origin.source, base, {}, fixed=origin)
        document.values = {"value": reader.build(node, wanted, path)}
    return document


def suggest(key: str, candidates: tuple[str, ...]) -> str:
    """The candidate that was probably meant; empty when none is near."""
    found = process.extractOne(key.lower(), candidates, scorer=fuzz.ratio, score_cutoff=65)
    return found[0] if found else ""


def unknown_key(key: str, where: Path, wanted: Shape, hints: dict[str, str]) -> str:
    """What to do about a key that does not exist."""
    if key in hints:
        return f"this is the older spelling: {hints[key]}"
    near = suggest(key, wanted.names())
    if near:
        return f"did you mean {dotted((*where, near))}?"
    elsewhere = [dotted(path) for path, _ in shapes.leaves() if path[-1] == key.lower()]
    if elsewhere:
        return f"did you mean {' or '.join(elsewhere)}?"
    return f"known here: {', '.join(wanted.offered())}"


def _leaf(text: str, wanted: Shape, base: FilePath) -> str:
    return str(base / FilePath(text).expanduser()) if text and wanted.file(text) else text


class _Reader:
    """Walks nodes beside the model's shape."""

    def __init__(
        self, document: Document, name: str, base: FilePath, hints: dict[str, str], fixed: Origin | None = None
    ) -> None:
        self.document = document
        self.name = name
        self.base = base
        self.hints = hints
        self.fixed = fixed
        self.constructor = yaml.SafeLoader("")
        self.open: list[int] = []

    def place(self, node: yaml.Node) -> Origin:
        if self.fixed:
            return self.fixed
        return Origin("file", self.name, node.start_mark.line + 1, node.start_mark.column + 1)

    def complain(self, node: yaml.Node, path: Path, what: str, remedy: str) -> None:
        self.document.problems.append(Problem(self.place(node), path, what, remedy))

    def build(self, node: yaml.Node, wanted: Shape, path: Path) -> Any:
        self.document.origins.setdefault(path, self.place(node))
        if id(node) in self.open:
            self.complain(node, path, "the anchor contains itself", "write the value out")
            return None
        self.open.append(id(node))
        try:
            return self._build(node, wanted, path)
        finally:
            self.open.pop()

    def _build(self, node: yaml.Node, wanted: Shape, path: Path) -> Any:
        null = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"
        if wanted.kind == "any":
            return self._anything(node, path)
        if null:
            return None
        if wanted.kind in ("part", "table"):
            if isinstance(node, yaml.MappingNode):
                return self._table(node, wanted, path)
            what = "a list" if isinstance(node, yaml.SequenceNode) else f"the single value {_short(node)}"
            keys = ", ".join(wanted.offered()) if wanted.kind == "part" else wanted.about
            where = "behind the dash" if path[-1].isdecimal() else f"below {path[-1]}"
            remedy = f"write keys {where}{': ' if keys else ''}{keys}"
            self.complain(node, path, f"{what} where a table is wanted", remedy)
            return None
        if wanted.kind == "list":
            if isinstance(node, yaml.SequenceNode):
                inner = wanted.below("")
                assert inner is not None
                return [self.build(item, inner, (*path, str(i))) for i, item in enumerate(node.value)]
            self.complain(node, path, "not a list", "begin each item with a dash")
            return None
        if isinstance(node, yaml.ScalarNode):
            return _leaf(node.value, wanted, self.base)
        what = "a table" if isinstance(node, yaml.MappingNode) else "a list"
        self.complain(node, path, f"{what} where one value is wanted", f"write one value: {wanted.about or path[-1]}")
        return None

    def _pairs(self, node: yaml.MappingNode, path: Path) -> list[tuple[str, yaml.Node, yaml.Node]]:
        first: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.complain(key, path, "a key that is no text", "write plain words as keys")
            elif key.value in first and key.value != "<<":
                line = first[key.value].start_mark.line + 1
                again = f"{key.value} is there twice, first in line {line}"
                self.complain(key, (*path, key.value), again, "keep one of the two")
            else:
                first[key.value] = key
        try:
            self.constructor.flatten_mapping(node)
        except yaml.constructor.ConstructorError as error:
            self.complain(node, path, str(error.problem), "merge (<<) a table")
        # After flattening merged keys stand before a table's own, which therefore win.
        return [(key.value, key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]

    def _table(self, node: yaml.MappingNode, wanted: Shape, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, key_node, value in self._pairs(node, path):
            inner = wanted.below(key)
            here = (*path, key)
            if inner is None:
                self.complain(key_node, here, "there is no such key", unknown_key(key, path, wanted, self.hints))
                continue
            self.document.origins[here] = self.place(key_node)
            made[key] = self.build(value, inner, here)
        return made

    def _anything(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            made = {}
            for key, key_node, value in self._pairs(node, path):
                self.document.origins[(*path, key)] = self.place(key_node)
                made[key] = self.build(value, Shape("any"), (*path, key))
            return made
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, Shape("any"), (*path, str(i))) for i, item in enumerate(node.value)]
        try:
            value = self.constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self.complain(node, path, f"{_short(node)} cannot be read: {error}", "quote it if it is a text")
            return None
        # Dates have no place in any of these documents; they are versions or names that look like one.
        return value if isinstance(value, str | int | float | bool | None) else str(getattr(node, "value", value))


def _short(node: yaml.Node) -> str:
    text = str(node.value)
    return repr(text if len(text) <= 40 else text[:37] + "...")
