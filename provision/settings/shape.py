"""What the model expects at a path: a part, a table, a list, one value, or anything. Pure."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from provision.settings.model import Settings
from provision.settings.problems import Path
from provision.settings.values import MayBeFile


def _never(_text: str) -> bool:
    return False


def _always(_text: str) -> bool:
    return True


@dataclass(frozen=True)
class Shape:
    """One place in the settings.

    Attributes:
        kind: part (fixed keys), table (free keys), list, leaf (one value) or any (YAML as it comes).
        part: the model of a part.
        inner: the shape of a table's values or a list's items.
        optional: null is a value of its own, not "the default".
        file: which values are paths, relative to where they are written.
        choices: the texts that a leaf may have, if they are few.
        about: what the key means, with its unit.
    """

    kind: Literal["part", "table", "list", "leaf", "any"]
    part: type[BaseModel] | None = None
    inner: Shape | None = None
    optional: bool = False
    file: Callable[[str], bool] = _never
    choices: tuple[str, ...] = ()
    about: str = ""

    def names(self) -> tuple[str, ...]:
        """The keys of a part."""
        return tuple(name for name in self.part.model_fields if self._field(name)) if self.part else ()

    def offered(self) -> tuple[str, ...]:
        """The keys of a part that a file may have: all but what is refused there."""
        return tuple(name for name in self.names() if name != "password")

    def _field(self, name: str) -> FieldInfo | None:
        """A field that the file may have; what is resolved later is none."""
        field = self.part.model_fields.get(name) if self.part else None
        return field if field and not field.exclude else None

    def below(self, key: str) -> Shape | None:
        """The shape of one key or item; None when there is no such key."""
        if self.kind == "part":
            field = self._field(key)
            return _of_field(field) if field else None
        if self.kind not in ("table", "list"):
            return Shape("any")
        return replace(self.inner, about=self.inner.about or self.about) if self.inner else None


@lru_cache(maxsize=1)
def root() -> Shape:
    """The shape of the whole file."""
    return Shape("part", part=Settings)


def at(path: Path) -> Shape | None:
    """The shape at a path; None when the path leads nowhere."""
    shape: Shape | None = root()
    for key in path:
        if shape is None:
            return None
        shape = shape.below(key)
    return shape


def leaves(shape: Shape | None = None, path: Path = ()) -> Iterator[tuple[Path, Shape]]:
    """Every key of the file that is not itself a part."""
    shape = shape or root()
    if shape.kind != "part":
        yield path, shape
        return
    for key in shape.names():
        inner = shape.below(key)
        assert inner is not None
        yield from leaves(inner, (*path, key))


def _of_field(field: FieldInfo) -> Shape:
    shape = _of(field.annotation)
    return Shape(
        shape.kind, shape.part, shape.inner, shape.optional, shape.file, shape.choices, field.description or shape.about
    )


def _of(annotation: Any) -> Shape:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        shape = _of(args[0])
        about = next((m.description for m in args[1:] if isinstance(m, FieldInfo) and m.description), "")
        file = next((m.means for m in args[1:] if isinstance(m, MayBeFile)), shape.file)
        return Shape(shape.kind, shape.part, shape.inner, shape.optional, file, shape.choices, about)
    if annotation is Any:
        return Shape("any")
    if origin in (Union, types.UnionType):
        members = [arg for arg in args if arg is not type(None)]
        shape = _of(members[0])
        choices = shape.choices if len(members) == 1 else ()
        return Shape(shape.kind, shape.part, shape.inner, type(None) in args, shape.file, choices)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape("part", part=annotation)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return Shape("table", inner=_of(args[1]))
    if origin is tuple:
        return Shape("list", inner=_of(args[0]))
    if origin is Literal:
        return Shape("leaf", choices=tuple(str(arg) for arg in args))
    if annotation is bool:
        return Shape("leaf", choices=("true", "false"))
    return Shape("leaf", file=_always if annotation is FilePath else _never)
