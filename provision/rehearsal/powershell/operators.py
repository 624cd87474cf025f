"""The operators that take two values."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from provision.rehearsal.powershell.convert import (
    convert,
    text,
    to_date,
    to_number,
    to_span,
    to_version,
    truth,
    type_name,
    unwrap,
)
from provision.rehearsal.powershell.faults import ErrorRecord, NetException, ScriptError, Unsupported, derives, error
from provision.rehearsal.powershell.syntax import CASED
from provision.rehearsal.powershell.text_tools import format_items, regex, replacement, wildcard
from provision.rehearsal.powershell.types import type_of
from provision.rehearsal.powershell.values import (
    ArrayList,
    Char,
    EnumValue,
    Hashtable,
    Long,
    Record,
    Stream,
    Switch,
    TypedArray,
    TypeValue,
    Version,
)


class Matches(Protocol):
    """Where ``-match`` leaves its groups."""

    def set_matches(self, groups: Hashtable) -> None: ...


def arithmetic(op: str, left: object, right: object) -> object:
    """``+ - * / %``: the left operand decides."""
    left, right = unwrap(left), unwrap(right)
    if op == "+":
        return _add(left, right)
    if op == "*" and isinstance(left, str):
        return text(left) * int(to_number(right))
    if op == "*" and isinstance(left, list):
        return list(left) * int(to_number(right))
    if isinstance(left, datetime) and op == "-":
        return left - right if isinstance(right, timedelta) else _difference(left, to_date(right))
    if isinstance(left, timedelta):
        if op == "-":
            return left - to_span(right)
        raise Unsupported(f"operator {op} on a time span")
    a, b = to_number(left), to_number(right)
    if op == "-":
        return _number(a - b, left, right)
    if op == "*":
        return _number(a * b, left, right)
    if b == 0 and not isinstance(b, float) and not isinstance(a, float):
        raise error(
            "Attempted to divide by zero.",
            "RuntimeException",
            "System.Management.Automation.RuntimeException",
            category="NotSpecified",
            inner=NetException("System.DivideByZeroException", "Attempted to divide by zero."),
        )
    if op == "/":
        if isinstance(a, int) and isinstance(b, int) and a % b == 0:
            return _number(a // b, left, right)
        return a / b
    if isinstance(a, int) and isinstance(b, int):
        return abs(a) % abs(b) * (-1 if a < 0 else 1)
    raise Unsupported("operator % on fractions")


def _difference(left: datetime, right: datetime) -> timedelta:
    return left.replace(tzinfo=None) - right.replace(tzinfo=None)


def _number(value: int | float, left: object, right: object) -> object:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value)
    if isinstance(value, int) and (isinstance(left, Long) or isinstance(right, Long)):
        return Long(value)
    return int(value) if isinstance(value, int) else value


def _add(left: object, right: object) -> object:
    if isinstance(left, str):
        return text(left) + text(right)
    if isinstance(left, list):
        added = [*left, *right] if isinstance(right, list) else [*left, right]
        if isinstance(left, TypedArray):
            full = "System." + left.element
            return TypedArray([convert(item, full) for item in added], left.element)
        return added
    if isinstance(left, Hashtable):
        if not isinstance(right, Hashtable):
            raise error("A hash table can only be added to another hash table.", "AddHashTableToNonHashTable")
        merged = left.copy()
        for key, value in right.items():
            if key in merged:
                raise error("Item has already been added.", "AddHashTableDuplicate")
            merged[key] = value
        return merged
    if left is None:
        return right
    if isinstance(left, (datetime, timedelta)):
        return left + to_span(right)
    if isinstance(left, (bool, int, float)):
        return _number(to_number(left) + to_number(right), left, right)
    raise error(
        f"Method invocation failed because [{type_name(left)}] does not contain a method named 'op_Addition'.",
        "MethodNotFound",
    )


def equal(left: object, right: object, case: bool = False) -> bool:
    """``-eq`` of two single values: the right side becomes the left one's type."""
    left, right = unwrap(left), unwrap(right)
    if left is None or right is None:
        return left is None and right is None
    if isinstance(left, (bool, Switch)):
        return bool(left) == truth(right)
    if isinstance(left, EnumValue):
        return _equal_enum(left, right)
    if isinstance(left, str):
        a, b = text(left), text(right)
        return a == b if case else a.lower() == b.lower()
    if isinstance(left, (int, float)):
        if isinstance(right, EnumValue):
            return left == right.number
        try:
            return bool(left == to_number(right))
        except ScriptError:
            return False
    if isinstance(left, (datetime, timedelta, Version)):
        return _comparable(left, right) == _comparable(left, left)
    if isinstance(left, TypeValue):
        return isinstance(right, TypeValue) and left.full == right.full
    if isinstance(left, (Stream, ErrorRecord)) or (isinstance(left, Record) and isinstance(right, str)):
        return text(left).lower() == text(right).lower() if isinstance(right, str) else left is right
    return left is right


def _equal_enum(left: EnumValue, right: object) -> bool:
    if isinstance(right, EnumValue):
        return left.name == right.name
    if isinstance(right, int):
        return left.number == right
    return left.name.lower() == text(right).lower()


def _comparable(like: object, value: object) -> object:
    if isinstance(like, datetime):
        return to_date(value).replace(tzinfo=None)
    if isinstance(like, timedelta):
        return to_span(value)
    return to_version(value)


def compare(left: object, right: object, case: bool = False) -> int:
    """Below, at or above 0 as ``left`` is smaller, equal or greater.

    Raises:
        ScriptError: the right side does not convert to the left one's type.
    """
    left, right = unwrap(left), unwrap(right)
    if left is None or right is None:
        if left is None and right is None:
            return 0
        if left is None:
            return -1 if not isinstance(right, (int, float)) or right > 0 else (1 if right < 0 else 0)
        return 1 if not isinstance(left, (int, float)) else compare(left, 0)
    if isinstance(left, (datetime, timedelta, Version)):
        a, b = _comparable(left, left), _comparable(left, right)
        return int(a > b) - int(a < b)  # type: ignore[operator]
    if isinstance(left, EnumValue):
        return left.number - int(to_number(right.number if isinstance(right, EnumValue) else right))
    if isinstance(left, (bool, int, float)):
        x, y = to_number(left), to_number(right)
        return (x > y) - (x < y)
    if isinstance(left, (str, Char)):
        s, t = sort_key(text(left), case), sort_key(text(right), case)
        return (s > t) - (s < t)
    message = f'Cannot compare "{text(left)}" because it is not IComparable.'
    raise error(message, "NotIcomparable", "System.Management.Automation.RuntimeException")


def sort_key(value: str, case: bool = False) -> tuple[str, ...]:
    """Order of texts: letters by the alphabet, then, when case counts, small before large."""
    return (value.lower(), value.swapcase()) if case else (value.lower(),)


_ORDERED: dict[str, Callable[[int], bool]] = {
    "lt": lambda c: c < 0,
    "le": lambda c: c <= 0,
    "gt": lambda c: c > 0,
    "ge": lambda c: c >= 0,
}


def comparison(op: str, left: object, right: object, matches: Matches) -> object:
    """A comparison; an array on the left is filtered by it."""
    case, name = _case(op)
    if name in ("contains", "notcontains", "in", "notin"):
        items, wanted = (left, right) if name.endswith("contains") else (right, left)
        found = any(equal(item, wanted, case) for item in (items if isinstance(items, list) else [items]))
        return found != name.startswith("not")
    if name in ("replace", "split", "join"):
        return _text_operator(name, case, left, right)
    if name in ("is", "isnot", "as"):
        return _types(name, left, right)
    if name in ("shl", "shr"):
        shift = int(to_number(right))
        return int(to_number(left)) << shift if name == "shl" else int(to_number(left)) >> shift
    test = _test(name, case, right)
    if isinstance(left, list):
        return [item for item in left if test(item)]
    if name in ("match", "notmatch"):
        found_match = regex(text(right), not case).search(text(left))
        if found_match:
            matches.set_matches(groups_of(found_match))
        return bool(found_match) == (name == "match")
    return test(left)


def _case(op: str) -> tuple[bool, str]:
    if op[0] in "ci" and op not in ("contains", "in", "is", "isnot") and op[1:] in CASED:
        return op[0] == "c", op[1:]
    return False, op


def _test(name: str, case: bool, right: object) -> Callable[[object], bool]:
    if name == "eq":
        return lambda item: equal(item, right, case)
    if name == "ne":
        return lambda item: not equal(item, right, case)
    if name in _ORDERED:
        return lambda item: _ORDERED[name](compare(item, right, case))
    if name in ("like", "notlike"):
        pattern = wildcard(text(right), not case)
        return lambda item: bool(pattern.match(text(item))) == (name == "like")
    expression = regex(text(right), not case)
    return lambda item: bool(expression.search(text(item))) == (name == "match")


def groups_of(found: re.Match[str]) -> Hashtable:
    """``$Matches`` of a match: groups that took part, by number or name."""
    groups = Hashtable()
    names = {number: name for name, number in found.re.groupindex.items()}
    for number in range(found.re.groups + 1):
        if found.group(number) is not None:
            groups[names.get(number, number)] = found.group(number)
    return groups


def _text_operator(name: str, case: bool, left: object, right: object) -> object:
    if name == "join":
        return join(left, text(right))
    if name == "split":
        return split(left, right, case)
    if isinstance(left, list):
        return [_replace(item, right, case) for item in left]
    return _replace(left, right, case)


def join(items: object, separator: str) -> str:
    return separator.join(text(item, " ", True) for item in (items if isinstance(items, list) else [items]))


def split(left: object, right: object, case: bool = False) -> TypedArray:
    """``-split``: a pattern, and how many parts at most."""
    arguments = right if isinstance(right, list) else [right]
    limit = int(to_number(arguments[1])) if len(arguments) > 1 else 0
    if len(arguments) > 2:
        raise Unsupported("-split with options")
    if limit < 0:
        raise Unsupported("-split with a negative count")
    pattern = regex(text(arguments[0]), not case)
    parts: list[object] = []
    for item in left if isinstance(left, list) else [left]:
        found = pattern.split(text(item), maxsplit=max(0, limit - 1)) if limit != 1 else [text(item)]
        parts += [part for part in found if part is not None]
    return TypedArray(parts)


def split_words(value: object) -> TypedArray:
    """Unary ``-split``."""
    return TypedArray([w for item in (value if isinstance(value, list) else [value]) for w in text(item).split()])


def _replace(value: object, right: object, case: bool) -> str:
    arguments = right if isinstance(right, list) else [right]
    pattern = regex(text(arguments[0]), not case)
    template = text(arguments[1]) if len(arguments) > 1 else ""
    return pattern.sub(replacement(pattern, template), text(value))


def _types(name: str, left: object, right: object) -> object:
    full = right.full if isinstance(right, TypeValue) else type_of(text(right))
    if full is None:
        raise error(f"Unable to find type [{text(right)}].", "TypeNotFound")
    if name == "as":
        try:
            return convert(left, full)
        except ScriptError:
            return None
    return is_type(left, full) == (name == "is")


def is_type(value: object, full: str) -> bool:
    """``-is``."""
    if value is None:
        return False
    if full == "System.Object":
        return True
    if full == "System.Array":
        return isinstance(value, (list, bytes)) and not isinstance(value, ArrayList)
    if isinstance(value, Record):
        special = ("PSCustomObject", "PSObject")
        return value.type_name == full or (value.custom and full.rsplit(".", 1)[-1] in special)
    if isinstance(value, NetException):
        return derives(value.type_name, full)
    return type_name(value) == full


def formatted(left: object, right: object) -> str:
    """``-f``."""
    return format_items(text(left), right if isinstance(right, list) else [right])
