"""The JSON schema of variables.yaml, for editors: ``docs/variables.schema.json``."""

from __future__ import annotations

import json
from typing import Any

from provision.settings.shape import Shape, root

_FREE: dict[str, Any] = {}


def schema() -> dict[str, Any]:
    """The schema as a document; made from the model's keys, choices and descriptions."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "variables.yaml",
        **_of(root()),
    }


def schema_text() -> str:
    """The text of ``docs/variables.schema.json``."""
    return json.dumps(schema(), indent=2) + "\n"


def _of(shape: Shape) -> dict[str, Any]:
    made: dict[str, Any] = {"description": shape.about} if shape.about else {}
    if shape.kind == "part":
        below = {key: _of(inner) for key in shape.names() if (inner := shape.below(key))}
        # Passwords never stand in the file.
        below.pop("password", None)
        return {**made, "type": ["object", "null"], "properties": below, "additionalProperties": False}
    if shape.kind == "table":
        assert shape.inner is not None
        return {**made, "type": ["object", "null"], "additionalProperties": _of(shape.inner)}
    if shape.kind == "list":
        assert shape.inner is not None
        return {**made, "type": ["array", "null"], "items": _of(shape.inner)}
    if shape.kind == "any":
        return {**made, **_FREE}
    if shape.choices == ("true", "false"):
        return {**made, "type": ["boolean", "null"]}
    if shape.choices:
        # 2022 is as good as "2022": the text counts.
        numbers = [int(choice) for choice in shape.choices if choice.isdigit()]
        return {**made, "enum": [*shape.choices, *numbers, None]}
    return {**made, "type": ["string", "number", "null"]}
