"""Values into text, truth, numbers and other types, as Windows PowerShell 5.1 converts them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from provision.rehearsal.powershell.faults import ErrorRecord, NetException, Unsupported, error
from provision.rehearsal.powershell.scan import number
from provision.rehearsal.powershell.types import ENUMS, RANGES, enum_member
from provision.rehearsal.powershell.values import (
    ArrayList,
    Byte,
    Char,
    EnumValue,
    GenericList,
    Hashtable,
    Long,
    Native,
    Record,
    ScriptBlock,
    SecureString,
    Stream,
    Switch,
    TypedArray,
    TypeValue,
    Version,
)


class BareNumber:
    """A number written bare as an argument: a number for most parameters, its spelling for texts and programs."""

    __slots__ = ("source", "value")

    def __init__(self, value: int | float, source: str) -> None:
        self.value = value
        self.source = source


def type_name(value: object) -> str:
    """The full .NET name of a value's type."""
    if isinstance(value, TypedArray):
        return f"System.{value.element}[]"
    if isinstance(value, GenericList):
        return "System.Collections.Generic.List`1"
    if isinstance(value, (Record, Native)):
        return value.type_name
    if isinstance(value, Hashtable):
        return "System.Collections.Specialized.OrderedDictionary" if value.ordered else "System.Collections.Hashtable"
    if isinstance(value, Stream):
        return f"System.Management.Automation.{value.kind}Record"
    if isinstance(value, EnumValue):
        return value.type_name
    if isinstance(value, int) and not isinstance(value, (bool, Byte, Switch)):
        return "System.Int64" if isinstance(value, Long) or not -(2**31) <= value < 2**31 else "System.Int32"
    for kind, name in _NAMES:
        if isinstance(value, kind):
            return name
    raise Unsupported(f"type of {type(value).__name__}")


_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "System.Boolean"),
    (Switch, "System.Management.Automation.SwitchParameter"),
    (Byte, "System.Byte"),
    (float, "System.Double"),
    (Char, "System.Char"),
    (str, "System.String"),
    (bytes, "System.Byte[]"),
    (ArrayList, "System.Collections.ArrayList"),
    (list, "System.Object[]"),
    (datetime, "System.DateTime"),
    (timedelta, "System.TimeSpan"),
    (Version, "System.Version"),
    (ScriptBlock, "System.Management.Automation.ScriptBlock"),
    (SecureString, "System.Security.SecureString"),
    (TypeValue, "System.RuntimeType"),
    (ErrorRecord, "System.Management.Automation.ErrorRecord"),
    (Exception, "System.Exception"),
)


def float_text(value: float) -> str:
    """A Double as .NET Framework writes it (15 digits)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:.15G}"
    if "E" in text:
        mantissa, exponent = text.split("E")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}E{exponent[0]}{exponent[1:].zfill(2)}"
    return "0" if text == "-0" else text


def span_text(value: timedelta) -> str:
    """A TimeSpan in its constant form."""
    ticks = round(value / timedelta(microseconds=1)) * 10
    ticks = getattr(value, "ticks", ticks)
    sign, ticks = ("-", -ticks) if ticks < 0 else ("", ticks)
    seconds, rest = divmod(ticks, 10_000_000)
    days, seconds = divmod(seconds, 86400)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return sign + (f"{days}." if days else "") + text + (f".{rest:07}" if rest else "")


class TickSpan(timedelta):
    """A TimeSpan of a few ticks, finer than Python's."""

    ticks: int


def text(value: object, separator: str = " ", nested: bool = False) -> str:
    """A value in a string."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, Switch)):
        return "True" if value else "False"
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, BareNumber):
        return value.source
    if isinstance(value, list):
        return type_name(value) if nested else separator.join(text(item, separator, True) for item in value)
    if isinstance(value, bytes):
        return type_name(value) if nested else separator.join(str(b) for b in value)
    if isinstance(value, Record):
        if value.text is not None or not value.custom:
            return value.text if value.text is not None else value.type_name
        return "@{" + "; ".join(f"{n}={text(v, separator, True)}" for n, v in value.items()) + "}"
    if isinstance(value, Hashtable):
        return type_name(value)
    if isinstance(value, datetime):
        return value.strftime("%m/%d/%Y %H:%M:%S")
    if isinstance(value, timedelta):
        return span_text(value)
    if isinstance(value, ScriptBlock):
        return value.text
    if isinstance(value, TypeValue):
        return value.full
    return str(value)


def truth(value: object) -> bool:
    """A value in a condition."""
    if isinstance(value, list):
        if len(value) == 1:
            return truth(value[0]) if not isinstance(value[0], list) else bool(value[0])
        return len(value) > 0
    if isinstance(value, BareNumber):
        return bool(value.value)
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return bool(value)
    return True


def unwrap(value: object) -> object:
    """A bare number as a number."""
    return value.value if isinstance(value, BareNumber) else value


def _invalid(value: object, full: str, why: str, id: str = "InvalidCastFromStringToInteger") -> Exception:
    message = f'Cannot convert value "{text(value)}" to type "{full}". Error: "{why}"'
    inner = NetException("System.Management.Automation.PSInvalidCastException", message)
    return error(message, id, category="InvalidArgument", inner=inner)


def to_number(value: object, full: str = "") -> int | float:
    """A value as an operand of arithmetic.

    Raises:
        ScriptError: the text is no number.
    """
    value = unwrap(value)
    if value is None:
        return 0
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, EnumValue):
        return value.number
    if isinstance(value, Char) and full:
        return ord(value)
    if isinstance(value, str):
        stripped = value.strip()
        sign = -1 if stripped.startswith("-") else 1
        found = number(stripped.lstrip("+-") if stripped[:1] in "+-" else stripped) if stripped else 0
        if found is not None:
            return sign * found
        raise _invalid(value, full or "System.Int32", "Input string was not in a correct format.")
    raise _invalid(value, full or "System.Int32", "no number", "ConvertToFinalInvalidCastException")


def to_integer(value: object, full: str) -> int:
    found = to_number(value, full)
    rounded = round(found) if isinstance(found, float) else int(found)
    low, high, noun = RANGES[full]
    if not low <= rounded <= high:
        raise _invalid(value, full, f"Value was either too large or too small for {noun}.")
    if full == "System.Int64":
        return Long(rounded)
    return Byte(rounded) if full == "System.Byte" else rounded


def to_span(value: object) -> timedelta:
    value = unwrap(value)
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        span = TickSpan(microseconds=value // 10)
        span.ticks = value
        return span
    if isinstance(value, str):
        found = re.fullmatch(r"(-)?(?:(\d+)\.)?(\d+):(\d+)(?::(\d+(?:\.\d+)?))?|(-)?(\d+)", value.strip())
        if found:
            sign, days, hours, minutes, seconds, _, only = found.groups()
            if only is not None:
                return timedelta(days=int(only))
            found_span = timedelta(
                days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=float(seconds or 0)
            )
            return -found_span if sign else found_span
    raise _invalid(value, "System.TimeSpan", "String was not recognized as a valid TimeSpan.", "InvalidCast")


_DATES = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d",
          "%m/%d/%Y %H:%M:%S", "%m/%d/%Y", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S.%f")  # fmt: skip


def to_date(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        trimmed = re.sub(r"(\.\d{6})\d+", r"\1", value.strip())
        for form in _DATES:
            try:
                found = datetime.strptime(trimmed, form)
            except ValueError:
                continue
            return found if found.tzinfo is None else found.astimezone(UTC)
    raise _invalid(value, "System.DateTime", "String was not recognized as a valid DateTime.", "InvalidCast")


def to_version(value: object) -> Version:
    if isinstance(value, Version):
        return value
    parts = str(value).strip().split(".")
    if not 2 <= len(parts) <= 4 or not all(part.isdigit() for part in parts):
        why = "Version string portion was too short or too long."
        raise _invalid(value, "System.Version", why, "InvalidCastParseTargetInvocation")
    numbers = [int(part) for part in parts] + [-1, -1]
    return Version((numbers[0], numbers[1], numbers[2], numbers[3]))


def _to_array(value: object, element: str) -> list[object]:
    value = unwrap(value)
    if isinstance(value, bytes) and element == "System.Byte":
        return value  # type: ignore[return-value]
    items = [] if value is None else list(value) if isinstance(value, list) else [value]
    if element in ("System.Object", "System.Array"):
        return items
    return TypedArray([convert(item, element) for item in items], element.removeprefix("System."))


def _to_exception(value: object, full: str) -> NetException:
    if isinstance(value, NetException):
        return value
    return NetException(full, text(value))


def _to_record(value: object) -> object:
    if isinstance(value, Hashtable):
        return Record({text(key): item for key, item in value.items()})
    return value


def _to_char(value: object) -> Char:
    if isinstance(value, int):
        return Char(chr(value))
    if isinstance(value, str) and len(value) == 1:
        return Char(value)
    raise _invalid(
        value, "System.Char", "String must be exactly one character long.", "InvalidCastParseTargetInvocation"
    )


def _to_bool(value: object) -> bool:
    return truth(value)


def _to_hashtable(value: object) -> Hashtable:
    if isinstance(value, Hashtable):
        return value
    raise _invalid(value, "System.Collections.Hashtable", "no table", "ConvertToFinalInvalidCastException")


def _to_block(value: object) -> ScriptBlock:
    if isinstance(value, ScriptBlock):
        return value
    raise _invalid(value, "System.Management.Automation.ScriptBlock", "no block", "ConvertToFinalInvalidCastException")


def _to_list(value: object) -> object:
    return ArrayList(value if isinstance(value, list) else [value])


_CASTS: dict[str, Callable[[object], object]] = {
    "System.String": text,
    "System.Object": unwrap,
    "System.Boolean": _to_bool,
    "System.Management.Automation.SwitchParameter": lambda value: Switch(truth(value)),
    "System.Double": lambda value: float(to_number(value, "System.Double")),
    "System.Char": _to_char,
    "System.DateTime": to_date,
    "System.TimeSpan": to_span,
    "System.Version": to_version,
    "System.Array": lambda value: _to_array(value, "System.Object"),
    "System.Void": lambda _: None,
    "System.Management.Automation.PSCustomObject": _to_record,
    "System.Management.Automation.PSObject": unwrap,
    "System.Collections.Hashtable": _to_hashtable,
    "System.Management.Automation.ScriptBlock": _to_block,
    "System.Collections.ArrayList": _to_list,
}


def convert(value: object, full: str) -> object:
    """A value as another type, by the type's full name.

    Raises:
        ScriptError: it cannot be converted.
        Unsupported: a type that casts do not know here.
    """
    if full in RANGES:
        return to_integer(value, full)
    cast = _CASTS.get(full)
    if cast:
        return cast(value)
    if full.endswith("[]"):
        return _to_array(value, full[:-2])
    if full.endswith("Exception"):
        return _to_exception(value, full)
    if full in ENUMS:
        if isinstance(value, EnumValue):
            return value
        member = enum_member(full, text(value))
        if member is None:
            raise _invalid(value, full, "no such member", "InvalidCastFromStringToEnumeration")
        return member
    if isinstance(value, (Native, Record)) and type_name(value) == full:
        return value
    raise Unsupported(f"cast to [{full}]")
