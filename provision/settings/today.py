"""Settings written in today's form: the shipped variables.yaml, its comments and layout, other values."""

from __future__ import annotations

from itertools import count
from pathlib import Path as FilePath
from typing import Any

import yaml

from provision.errors import SettingsError
from provision.host.files import write_atomically
from provision.settings.load import TEMPLATE, Loaded
from provision.settings.model import Settings
from provision.settings.problems import Path
from provision.settings.report import plain
from provision.settings.shape import leaves

_WIDTH = 100


def write_today(loaded: Loaded, path: FilePath) -> FilePath | None:
    """Write the settings (defaults, file, environment and ``--set`` together) as today's variables.yaml.

    What was filled in (addresses, MACs, latest patches) is not written, nor is any password.  The file is
    replaced at once; what stood there before is kept beside it, and so is what was kept before that.

    Returns the kept copy; None when there was no file, or just this text in it.

    Raises:
        SettingsError: the file cannot be written.
    """
    try:
        text = today(loaded.written, folder=path.absolute().parent)
        before = path.read_bytes() if path.exists() else None
        if before == text.encode():
            return None
        kept = _free(path) if before is not None else None
        if kept is not None and before is not None:
            write_atomically(kept, before)
        write_atomically(path, text)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror or error}", remedy="make the folder writable, then try again"
        ) from error
    return kept


def _free(path: FilePath) -> FilePath:
    """A name for a copy that hides no earlier one: that may be the only place of somebody's own comments."""
    names = (path.with_name(f"{path.name}.bak{number or ''}") for number in count())
    return next(name for name in names if not name.exists())


def today(settings: Settings, *, folder: FilePath | None = None) -> str:
    """The text of a variables.yaml with these settings.

    Args:
        folder: files below it are written relative to it.
    """
    text = TEMPLATE.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    defaults = Settings()
    edits: list[tuple[int, int, str]] = []
    for path, _ in leaves():
        value, default = _value(settings, path, folder), _value(defaults, path, folder)
        if value != default:
            node = _node(root, path)
            replacement, start = _yaml(value, node), node.start_mark.index
            if replacement.startswith("\n"):
                start = len(text[:start].rstrip(" "))
            edits.append((start, _end(text, node), replacement))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _value(settings: Settings, path: Path, folder: FilePath | None) -> Any:
    here: Any = settings
    for key in path:
        here = getattr(here, key)
    if path == ("machines",):
        # The default machines' addresses are those that they would be given anyhow.
        ours = settings.machines == Settings().machines
        here = [
            machine.model_dump(exclude_unset=True, exclude={"password", *(["address"] if ours else [])})
            for machine in settings.machines
        ]
    return _relative(here, folder)


def _relative(value: Any, folder: FilePath | None) -> Any:
    if isinstance(value, FilePath):
        below = folder is not None and value.is_relative_to(folder)
        return f"./{value.relative_to(folder)}" if below and folder is not None else str(value)
    if isinstance(value, dict):
        return {key: _relative(inner, folder) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_relative(inner, folder) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        # Mirrors and boxes are texts, and may be files.
        below = folder is not None and value.startswith(f"{folder}/")
        return _relative(FilePath(value), folder) if below else value
    return plain(value)


def _node(root: yaml.Node, path: Path) -> yaml.Node:
    here = root
    for key in path:
        here = next(value for name, value in here.value if name.value == key)
    return here


def _end(text: str, node: yaml.Node) -> int:
    """Where a node's own text ends; a block's mark is behind the comments that follow it."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return node.end_mark.index
    last = node
    while not isinstance(last, yaml.ScalarNode) and last.value:
        last = last.value[-1][1] if isinstance(last, yaml.MappingNode) else last.value[-1]
    newline = text.find("\n", last.end_mark.index)
    return len(text) if newline < 0 else newline


def _yaml(value: Any, node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        indent = " " * node.start_mark.column
        lines = yaml.safe_dump(value, sort_keys=False, default_flow_style=False, width=10_000).splitlines()
        lines = [f"{line}  # MiB" if line.lstrip().startswith("memory:") else line for line in lines]
        return f"\n{indent}".join(lines)
    if isinstance(value, dict | list):
        flow = yaml.safe_dump(value, sort_keys=False, default_flow_style=True, width=10_000).strip()
        if node.start_mark.column + len(flow) <= _WIDTH:
            return flow
        # Inside a part, keys stand two columns in; their values below them four.
        indent = " " * (2 if node.start_mark.line and _top_level(node) else 4)
        block = yaml.safe_dump(value, sort_keys=False, default_flow_style=False, width=10_000).rstrip()
        return "".join(f"\n{indent}{line}" for line in block.splitlines())
    return str(yaml.safe_dump(value, default_flow_style=True, width=10_000)).removesuffix("\n").removesuffix("\n...")


def _top_level(node: yaml.Node) -> bool:
    buffer = node.start_mark.buffer
    if buffer is None:
        return False
    begin = buffer.rfind("\n", 0, node.start_mark.pointer) + 1
    return not buffer[begin].isspace()
