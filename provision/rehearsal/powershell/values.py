"""The values that a script handles, beyond Python's own None, bool, int, float, str, bytes, list, datetime, timedelta.

A plain list is an ``Object[]``.  Names of keys and properties are looked up in any case, as PowerShell does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provision.rehearsal.powershell.syntax import Block


def fold(key: object) -> object:
    """The form under which a key is looked up: texts in lower case, numbers beside equal texts apart."""
    return key.lower() if isinstance(key, str) else key


class Char(str):
    """One character, ``System.Char``."""

    __slots__ = ()


class Long(int):
    """An ``Int64`` that would fit an Int32."""


class Switch(int):
    """The value of a ``[switch]`` parameter: true or false, but an object of its own in JSON."""


class Byte(int):
    """A number of type ``Byte``."""


class TypedArray(list[object]):
    """An array with a declared element type, such as ``String[]``."""

    def __init__(self, items: Iterator[object] | list[object], element: str = "String") -> None:
        super().__init__(items)
        self.element = element


class ArrayList(list[object]):
    """``System.Collections.ArrayList``."""


class GenericList(list[object]):
    """``System.Collections.Generic.List[T]``."""

    element = "String"


class Record:
    """An object with named properties: a custom object, or what a command gave.

    Args:
        properties: name -> value, order kept.
        type_name: full .NET name.
        text: what the object is in a string; None shows ``@{a=1; b=2}``.
    """

    __slots__ = ("_names", "_values", "text", "type_name")

    def __init__(
        self,
        properties: Mapping[str, object] | None = None,
        *,
        type_name: str = "System.Management.Automation.PSCustomObject",
        text: str | None = None,
    ) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, object] = {}
        self.type_name = type_name
        self.text = text
        for name, value in (properties or {}).items():
            self.set(name, value)

    @property
    def custom(self) -> bool:
        """Whether it is a plain custom object."""
        return self.type_name.endswith("PSCustomObject")

    def has(self, name: str) -> bool:
        return name.lower() in self._values

    def get(self, name: str, default: object = None) -> object:
        return self._values.get(name.lower(), default)

    def set(self, name: str, value: object) -> None:
        self._names.setdefault(name.lower(), name)
        self._values[name.lower()] = value

    def remove(self, name: str) -> None:
        self._names.pop(name.lower(), None)
        self._values.pop(name.lower(), None)

    def names(self) -> list[str]:
        return list(self._names.values())

    def items(self) -> list[tuple[str, object]]:
        return [(name, self._values[key]) for key, name in self._names.items()]

    def __repr__(self) -> str:
        return f"Record({dict(self.items())!r})"

    def __str__(self) -> str:
        return self.text if self.text is not None else self.type_name


class Hashtable:
    """``@{ }`` or ``[ordered]@{ }``; texts as keys in any case.

    The plain kind has an order of its own when it is enumerated, unrelated to how it was written, as .NET's has:
    a script that leans on the order shows it here.
    """

    __slots__ = ("_items", "ordered")

    def __init__(self, items: Mapping[object, object] | None = None, *, ordered: bool = False) -> None:
        self._items: dict[object, tuple[object, object]] = {}
        self.ordered = ordered
        for key, value in (items or {}).items():
            self[key] = value

    def __getitem__(self, key: object) -> object:
        return self._items[fold(key)][1]

    def get(self, key: object, default: object = None) -> object:
        found = self._items.get(fold(key))
        return default if found is None else found[1]

    def __setitem__(self, key: object, value: object) -> None:
        known = self._items.get(fold(key))
        self._items[fold(key)] = (known[0] if known else key, value)

    def __delitem__(self, key: object) -> None:
        self._items.pop(fold(key), None)

    def __contains__(self, key: object) -> bool:
        return fold(key) in self._items

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> list[tuple[object, object]]:
        pairs = list(self._items.items())
        if not self.ordered:
            pairs.sort(key=lambda pair: hashlib.sha1(repr(pair[0]).encode(), usedforsecurity=False).digest())
        return [value for _, value in pairs]

    def keys(self) -> list[object]:
        return [key for key, _ in self.items()]

    def values(self) -> list[object]:
        return [value for _, value in self.items()]

    def copy(self) -> Hashtable:
        twin = Hashtable(ordered=self.ordered)
        twin._items = dict(self._items)
        return twin

    def __repr__(self) -> str:
        return f"Hashtable({dict(self.items())!r})"


class Dictionary(Hashtable):
    """``$PSBoundParameters``: keeps its order and has a table's methods."""

    __slots__ = ()


@dataclass(frozen=True)
class EnumValue:
    """A member of an enumeration: shows its name, compares by name, becomes its number in JSON."""

    type_name: str
    name: str
    number: int = 0

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class SecureString:
    """Text that is never shown."""

    text: str = field(repr=False)

    def __str__(self) -> str:
        return "System.Security.SecureString"


@dataclass(frozen=True)
class TypeValue:
    """A .NET type as a value, by its full name."""

    full: str

    @property
    def name(self) -> str:
        return self.full.rsplit(".", 1)[-1]


@dataclass(frozen=True, order=True)
class Version:
    """``System.Version``; a part that was not given is -1."""

    parts: tuple[int, int, int, int]

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.parts if part >= 0)


class ScriptBlock:
    """``{ }`` as a value."""

    __slots__ = ("block", "scope", "text")

    def __init__(self, block: Block, text: str, scope: object = None) -> None:
        self.block = block
        self.text = text
        self.scope = scope  # only of a closure


class Stream:
    """A record of another stream than output, once it is redirected (``WarningRecord`` and so on)."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return self.message


class Native:
    """An object of the closed list of .NET classes: members are looked up in two tables.

    Attributes:
        type_name: full .NET name.
        properties: name in lower case -> function without arguments.
        methods: name in lower case -> function of the arguments.
    """

    type_name = "System.Object"

    def __init__(self) -> None:
        self.properties: dict[str, Callable[[], object]] = {}
        self.methods: dict[str, Callable[..., object]] = {}

    def __str__(self) -> str:
        return self.type_name
