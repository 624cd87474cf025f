"""Methods of texts, lists, tables, dates and numbers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from provision.rehearsal.powershell.convert import convert, text, to_span, unwrap
from provision.rehearsal.powershell.faults import ErrorRecord, ScriptError, Unsupported, method_error
from provision.rehearsal.powershell.operators import compare, equal, sort_key
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.text_tools import as_utc, format_date, format_span, format_value
from provision.rehearsal.powershell.values import (
    ArrayList,
    Char,
    EnumValue,
    GenericList,
    Hashtable,
    Native,
    Record,
    TypedArray,
    Version,
)

Method = Callable[..., object]
_EPOCH = datetime(1, 1, 1)


def ticks(value: datetime) -> int:
    """100 ns since the year 1."""
    return round((value.replace(tzinfo=None) - _EPOCH) / timedelta(microseconds=1)) * 10


class _OutOfRange(Exception):
    """A method's argument lies outside."""


def _chars(arguments: tuple[object, ...]) -> str:
    found: list[str] = []
    for argument in arguments:
        found += [text(item) for item in argument] if isinstance(argument, list) else [text(argument)]
    return "".join(found)


def _split(s: str, *arguments: object) -> TypedArray:
    """5.1 has no Split(string): every character separates."""
    remove = any(isinstance(a, EnumValue) and a.number == 1 for a in arguments) or "RemoveEmptyEntries" in arguments
    kept = tuple(a for a in arguments if not isinstance(a, EnumValue) and a != "RemoveEmptyEntries" and a != "None")
    if any(isinstance(unwrap(a), int) for a in kept):
        raise Unsupported("Split with a count: use -split")
    separators = _chars(kept)
    parts: list[object] = []
    current: list[str] = []
    for c in s:
        if c in separators or (not separators and c.isspace()):
            parts.append("".join(current))
            current = []
        else:
            current.append(c)
    parts.append("".join(current))
    return TypedArray([part for part in parts if part or not remove])


def _folded(s: str, options: tuple[object, ...]) -> tuple[str, bool]:
    ignore = any("ignorecase" in text(option).lower() for option in options)
    return (s.lower() if ignore else s), ignore


def _starts(s: str, part: object, *options: object) -> bool:
    where, ignore = _folded(s, options)
    return where.startswith(text(part).lower() if ignore else text(part))


def _ends(s: str, part: object, *options: object) -> bool:
    where, ignore = _folded(s, options)
    return where.endswith(text(part).lower() if ignore else text(part))


def _index(s: str, part: object, *options: object) -> int:
    where, ignore = _folded(s, options)
    start = next((int(o) for o in options if isinstance(o, int)), 0)
    return where.find(text(part).lower() if ignore else text(part), start)


def _substring(s: str, start: object, length: object = None) -> str:
    begin = int(start)  # type: ignore[call-overload]
    end = len(s) if length is None else begin + int(length)  # type: ignore[call-overload]
    if not 0 <= begin <= end <= len(s):
        raise _OutOfRange("startIndex cannot be larger than length of string.")
    return s[begin:end]


def _remove(s: str, start: int, count: int | None = None) -> str:
    if not 0 <= start <= len(s):
        raise _OutOfRange("startIndex must be less than length of string.")
    return s[:start] + ("" if count is None else s[start + count :])


def _equals(s: object, other: object, *options: object) -> bool:
    if isinstance(s, str) and isinstance(other, str):
        where, ignore = _folded(s, options)
        return where == (other.lower() if ignore else other)
    return type(s) is type(other) and s == other


def _strip(sides: str) -> Method:
    def strip(s: str, *characters: object) -> str:
        chosen = _chars(characters) if characters else None
        if sides == "both":
            return s.strip(chosen)
        return s.lstrip(chosen) if sides == "start" else s.rstrip(chosen)

    return strip


TEXT: dict[str, Method] = {
    "trim": _strip("both"),
    "trimstart": _strip("start"),
    "trimend": _strip("end"),
    "split": _split,
    "replace": lambda s, old, new: s.replace(text(old), text(new)),
    "startswith": _starts,
    "endswith": _ends,
    "tolower": lambda s: s.lower(),
    "toupper": lambda s: s.upper(),
    "tolowerinvariant": lambda s: s.lower(),
    "toupperinvariant": lambda s: s.upper(),
    "padleft": lambda s, width, fill=" ": s.rjust(width, text(fill)),
    "padright": lambda s, width, fill=" ": s.ljust(width, text(fill)),
    "substring": _substring,
    "indexof": _index,
    "lastindexof": lambda s, part: s.rfind(text(part)),
    "contains": lambda s, part: text(part) in s,
    "insert": lambda s, at, part: s[:at] + text(part) + s[at:],
    "remove": _remove,
    "tochararray": lambda s: TypedArray([Char(c) for c in s], "Char"),
    "equals": _equals,
    "compareto": lambda s, other: compare(s, text(other), True),
    "tostring": lambda s, *_: str(s),
}


def _append(items: list[object], item: object) -> object:
    element = "System." + items.element if isinstance(items, GenericList) else ""
    items.append(convert(item, element) if element else item)
    return len(items) - 1 if isinstance(items, ArrayList) else NOTHING


def _extend(items: list[object], more: object) -> object:
    items.extend(more if isinstance(more, list) else [more])
    return NOTHING


def _discard(items: list[object], item: object) -> object:
    at = next((i for i, known in enumerate(items) if known == item), None)
    if at is not None:
        del items[at]
    return NOTHING if isinstance(items, ArrayList) else at is not None


def _sort(items: list[object]) -> object:
    items.sort(key=lambda item: sort_key(item) if isinstance(item, str) else item)  # type: ignore[arg-type, return-value]
    return NOTHING


def _nothing(action: Callable[..., Any]) -> Method:
    def run(value: object, *arguments: object) -> object:
        action(value, *arguments)
        return NOTHING

    return run


def _fixed(*_: object) -> object:
    raise method_error("Add", 1, "System.NotSupportedException", "Collection was of a fixed size.")


ARRAY: dict[str, Method] = {
    "contains": lambda items, item: item in items,
    "indexof": lambda items, item: items.index(item) if item in items else -1,
    "add": _fixed,
    "clone": lambda items: type(items)(items) if type(items) is list else list(items),
    "getenumerator": lambda items: list(items),
}
_LIST: dict[str, Method] = {
    "add": _append,
    "addrange": _extend,
    "insert": _nothing(list.insert),
    "remove": _discard,
    "removeat": _nothing(list.pop),
    "clear": _nothing(list.clear),
    "toarray": lambda items: TypedArray(items, items.element) if isinstance(items, GenericList) else list(items),
    "sort": _sort,
    "reverse": _nothing(list.reverse),
}
LIST: dict[str, Method] = ARRAY | _LIST


def _add_key(table: Hashtable, key: object, value: object) -> object:
    if key in table:
        raise method_error("Add", 2, "System.ArgumentException", f"Item has already been added. Key: '{text(key)}'")
    table[key] = value
    return NOTHING


def _remove_key(table: Hashtable, key: object) -> object:
    del table[key]
    return NOTHING


def entries(table: Hashtable) -> list[object]:
    """The pairs of a table as objects."""
    kind = "System.Collections.DictionaryEntry"
    return [Record({"Key": k, "Value": v, "Name": k}, type_name=kind) for k, v in table.items()]


TABLE: dict[str, Method] = {
    "add": _add_key,
    "remove": _remove_key,
    "contains": lambda table, key: key in table,
    "containskey": lambda table, key: key in table,
    "containsvalue": lambda table, value: any(equal(v, value, True) for v in table.values()),
    "clear": _nothing(lambda table: [table.__delitem__(key) for key in table.keys()]),  # noqa: SIM118 - no dict
    "clone": lambda table: table.copy(),
    "getenumerator": entries,
}
_ORDERED_TABLE = {
    name: method for name, method in TABLE.items() if name not in ("containskey", "clone", "containsvalue")
}


def _date_text(value: datetime, form: object = "", *_: object) -> str:
    return format_date(value, text(form)) if form and isinstance(form, str) else text(value)


def _shift(unit: str) -> Method:
    return lambda value, amount: value + timedelta(**{unit: float(amount)})


def _minus(value: datetime, other: object) -> object:
    if isinstance(other, datetime):
        return value.replace(tzinfo=None) - other.replace(tzinfo=None)
    return value - to_span(other)


DATE: dict[str, Method] = {
    "tostring": _date_text,
    "touniversaltime": lambda value: as_utc(value),
    "tolocaltime": lambda value: as_utc(value).replace(tzinfo=None),
    "adddays": _shift("days"),
    "addhours": _shift("hours"),
    "addminutes": _shift("minutes"),
    "addseconds": _shift("seconds"),
    "addmilliseconds": _shift("milliseconds"),
    "subtract": _minus,
    "add": lambda value, span: value + to_span(span),
    "tofiletimeutc": lambda value: ticks(as_utc(value)) - ticks(datetime(1601, 1, 1, tzinfo=UTC)),
}
SPAN: dict[str, Method] = {
    "tostring": lambda value, form="c": format_span(value, text(form)),
    "add": lambda value, other: value + to_span(other),
    "subtract": lambda value, other: value - to_span(other),
}
NUMBER: dict[str, Method] = {
    "tostring": lambda value, form="", *_: format_value(value, form if isinstance(form, str) else ""),
    "compareto": lambda value, other: compare(value, other),
    "equals": _equals,
}
VERSION: dict[str, Method] = {
    "tostring": lambda value, count=0: ".".join(str(value).split(".")[:count] if count else [str(value)]),
    "compareto": lambda value, other: compare(value, other),
}
_PLAIN: dict[str, Method] = {
    "tostring": lambda value, *_: text(value),
    "equals": lambda value, other: equal(value, other),
}

NAMES = frozenset(TEXT) | set(LIST) | set(TABLE) | set(DATE) | set(SPAN) | set(NUMBER) | set(VERSION) | set(_PLAIN) | {
    "gettype", "where", "foreach", "invoke", "getnewclosure",
}  # fmt: skip


def table_for(value: object) -> dict[str, Method]:
    """The methods of a value."""
    if isinstance(value, Native):
        return {name: _bound(method) for name, method in value.methods.items()}
    if isinstance(value, str):
        return TEXT
    if isinstance(value, (ArrayList, GenericList)):
        return LIST
    if isinstance(value, list):
        return ARRAY
    if isinstance(value, Hashtable):
        return _ORDERED_TABLE if value.ordered and type(value) is Hashtable else TABLE
    if isinstance(value, datetime):
        return DATE
    if isinstance(value, timedelta):
        return SPAN
    if isinstance(value, (int, float)):
        return NUMBER
    if isinstance(value, Version):
        return VERSION
    return _PLAIN if isinstance(value, (ErrorRecord, EnumValue)) else {}


def _bound(method: Callable[..., object]) -> Method:
    return lambda _value, *arguments: method(*arguments)


def invoke(method: Method, name: str, value: object, arguments: list[object]) -> object:
    """Call a method; Python's complaints become .NET's.

    Raises:
        ScriptError: what the method raises, wrapped as PowerShell wraps it.
        Unsupported: an overload outside the closed list.
    """
    plain = [unwrap(argument) for argument in arguments]
    try:
        return method(value, *plain)
    except (ScriptError, Unsupported):
        raise
    except _OutOfRange as problem:
        raise method_error(name, len(arguments), "System.ArgumentOutOfRangeException", str(problem)) from problem
    except FileNotFoundError as problem:
        why = f"Could not find file '{problem.filename or problem}'."
        raise method_error(name, len(arguments), "System.IO.FileNotFoundException", why) from problem
    except OSError as problem:
        raise method_error(name, len(arguments), "System.IO.IOException", str(problem)) from problem
    except ValueError as problem:
        raise method_error(name, len(arguments), "System.FormatException", str(problem)) from problem
    except TypeError as problem:
        raise Unsupported(f"method {name} with {len(arguments)} such arguments ({problem})") from problem
