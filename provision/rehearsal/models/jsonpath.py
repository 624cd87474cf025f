"""kubectl's JSONPath templates: literals, fields, subscripts, filters, range and end."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any


class BadTemplate(Exception):
    """kubectl would call the template an error."""


@dataclass
class _Text:
    text: str


@dataclass
class _Path:
    steps: list[tuple[str, Any]]


@dataclass
class _Range:
    path: _Path
    body: list[Any] = field(default_factory=list)


_FILTER = re.compile(r"""@(?P<path>(?:\.[\w\\./-]+)+)\s*(?:(?P<op>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[\w.-]+))?""")


def evaluate(template: str, data: Any) -> str:
    """The text that a template gives; missing keys give nothing, as `kubectl get` has it.

    Raises:
        BadTemplate: it cannot be read.
    """
    return "".join(_run(_parse(template), data, data))


def _parse(template: str) -> list[Any]:
    if "{" not in template:
        template = "{" + template + "}"
    stack: list[list[Any]] = [[]]
    i = 0
    while i < len(template):
        if template[i] != "{":
            end = template.find("{", i)
            end = len(template) if end < 0 else end
            stack[-1].append(_Text(template[i:end]))
            i = end
            continue
        end = _closing(template, i)
        body = template[i + 1 : end].strip()
        i = end + 1
        if body.startswith("range "):
            loop = _Range(_path(body[6:].strip()))
            stack[-1].append(loop)
            stack.append(loop.body)
        elif body == "end":
            if len(stack) == 1:
                raise BadTemplate("not in range, nothing to end")
            stack.pop()
        elif body[:1] in "\"'" and body:
            stack[-1].append(_Text(_unquoted(body)))
        else:
            stack[-1].append(_path(body))
    if len(stack) > 1:
        raise BadTemplate("unterminated range")
    return stack[0]


def _closing(template: str, start: int) -> int:
    quote = ""
    for i in range(start + 1, len(template)):
        c = template[i]
        if quote:
            quote = "" if c == quote and template[i - 1] != "\\" else quote
        elif c in "\"'":
            quote = c
        elif c == "}":
            return i
    raise BadTemplate("unclosed action")


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[-1] != text[0]:
        raise BadTemplate(f"unterminated quoted string {text}")
    return text[1:-1].encode().decode("unicode_escape")


def _path(text: str) -> _Path:
    steps: list[tuple[str, Any]] = []
    i = 0
    text = text.removeprefix("$")
    if text.startswith("@"):
        text = text[1:]
    while i < len(text):
        if text.startswith("..", i):
            raise BadTemplate(f"recursive descent is not supported: {text}")
        if text[i] == ".":
            found = re.compile(r"(?:\\.|[^.\[\]\\{}\s])+").match(text, i + 1)
            if not found:
                if text == ".":
                    return _Path([])
                raise BadTemplate(f"unexpected path node in {text}")
            steps.append(("key", re.sub(r"\\(.)", r"\1", found[0])))
            i = found.end()
        elif text[i] == "[":
            end = text.find("]", i)
            if text.startswith("[?(", i):
                end = text.find(")]", i) + 1
            if end <= 0:
                raise BadTemplate(f"unterminated array in {text}")
            steps.append(_subscript(text[i + 1 : end]))
            i = end + 1
        else:
            raise BadTemplate(f"unrecognized character in action: {text[i:]}")
    return _Path(steps)


def _subscript(text: str) -> tuple[str, Any]:
    if text == "*":
        return ("all", None)
    if re.fullmatch(r"-?\d+", text):
        return ("index", int(text))
    if text[:1] in "\"'":
        return ("key", _unquoted(text))
    found = _FILTER.fullmatch(text.removeprefix("?(").removesuffix(")").strip())
    if not text.startswith("?(") or not found:
        raise BadTemplate(f"unrecognized subscript [{text}]")
    value = found["value"]
    wanted = value.strip("\"'") if value else None
    return ("filter", (_path(found["path"]), found["op"], wanted))


def _find(path: _Path, data: Any) -> list[Any]:
    found = [data]
    for kind, what in path.steps:
        following: list[Any] = []
        for value in found:
            if kind == "key":
                if isinstance(value, dict) and what in value:
                    following.append(value[what])
            elif kind == "all":
                following += (
                    list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
                )
            elif kind == "index":
                if isinstance(value, list) and -len(value) <= what < len(value):
                    following.append(value[what])
            elif isinstance(value, list):
                following += [item for item in value if _passes(what, item)]
        found = following
    return found


def _passes(condition: tuple[_Path, str | None, str | None], item: Any) -> bool:
    path, operator, wanted = condition
    values = _find(path, item)
    if operator is None:
        return bool(values)
    return any((_text(value) == wanted) == (operator == "==") for value in values)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def _run(nodes: list[Any], data: Any, root: Any) -> list[str]:
    out: list[str] = []
    for node in nodes:
        if isinstance(node, _Text):
            out.append(node.text)
        elif isinstance(node, _Path):
            out.append(" ".join(_text(value) for value in _find(node, data)))
        else:
            for value in _find(node.path, data):
                out += _run(node.body, value, root)
    return out
