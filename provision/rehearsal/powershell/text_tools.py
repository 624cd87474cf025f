"""Patterns and formats: .NET regular expressions, wildcards, the ``-f`` operator, formats of numbers and dates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from provision.rehearsal.powershell.convert import float_text, span_text, text, unwrap
from provision.rehearsal.powershell.faults import Unsupported, error
from provision.rehearsal.powershell.values import EnumValue

_FOREIGN = re.compile(r"\\p\{|\\P\{|\\G|\(\?<\w+-\w+>|\(\?\(|\[[^\]]*-\[")


@lru_cache(maxsize=512)
def regex(pattern: str, ignore_case: bool = True) -> re.Pattern[str]:
    """A .NET pattern as one of Python's.

    Raises:
        Unsupported: it uses what Python spells otherwise or has not.
        ScriptError: it is no pattern.
    """
    if _FOREIGN.search(pattern):
        raise Unsupported(f"regular expression {pattern}")
    translated = re.sub(r"\(\?<(?![=!])", "(?P<", pattern)
    translated = re.sub(r"\(\?'(\w+)'", r"(?P<\1>", translated)
    translated = re.sub(r"\\k<(\w+)>", r"(?P=\1)", translated)
    translated = translated.replace(r"\z", r"\Z") if r"\Z" not in translated else translated
    try:
        return re.compile(translated, re.IGNORECASE if ignore_case else 0)
    except re.error as problem:
        raise error(f"parsing '{pattern}' - {problem}", "InvalidRegularExpression") from problem


def replacement(pattern: re.Pattern[str], template: str) -> str:
    """A .NET replacement text as one of Python's."""

    def group(found: re.Match[str]) -> str:
        if found.group() == "$$":
            return "$"
        name = found.group(1) or found.group(2)
        known = name in pattern.groupindex or (name.isdigit() and int(name) <= pattern.groups)
        return f"\\g<{name}>" if known else found.group().replace("\\", "\\\\")

    parts = re.split(r"(\$\$|\$\{?\w+\}?|\$&)", template)
    out = []
    for part in parts:
        if part == "$&":
            out.append("\\g<0>")
        elif part.startswith("$") and len(part) > 1:
            found = re.fullmatch(r"\$\$|\$\{(\w+)\}|\$(\d+)", part)
            out.append(group(found) if found else part.replace("\\", "\\\\"))
        else:
            out.append(part.replace("\\", "\\\\"))
    return "".join(out)


@lru_cache(maxsize=512)
def wildcard(pattern: str, ignore_case: bool = True) -> re.Pattern[str]:
    """A wildcard pattern (``* ? [a-z]``, backtick escapes) as a regular expression for the whole text."""
    out, at = [], 0
    while at < len(pattern):
        c = pattern[at]
        if c == "`" and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        elif c == "*":
            out.append(".*")
        elif c == "?":
            out.append(".")
        elif c == "[" and (end := pattern.find("]", at + 1)) > 0:
            out.append("[" + pattern[at + 1 : end].replace("\\", "\\\\") + "]")
            at = end
        else:
            out.append(re.escape(c))
        at += 1
    return re.compile("".join(out) + r"\Z", (re.IGNORECASE if ignore_case else 0) | re.DOTALL)


def has_wildcards(pattern: str) -> bool:
    return any(c in pattern for c in "*?[")


def format_items(template: str, items: Sequence[object]) -> str:
    """The ``-f`` operator and ``[string]::Format``.

    Raises:
        ScriptError: an index without a value, or braces that do not match.
    """
    out, at = [], 0
    while at < len(template):
        c = template[at]
        if c in "{}" and template[at : at + 2] == c * 2:
            out.append(c)
            at += 2
            continue
        if c == "{":
            found = re.compile(r"\{(\d+)\s*(?:,\s*(-?\d+))?(?::([^}]*))?\}").match(template, at)
            if not found or int(found.group(1)) >= len(items):
                raise error("Error formatting a string: Input string was not in a correct format.", "FormatError")
            value = format_value(items[int(found.group(1))], found.group(3) or "")
            width = int(found.group(2) or 0)
            out.append(value.rjust(width) if width >= 0 else value.ljust(-width))
            at = found.end()
            continue
        if c == "}":
            raise error("Error formatting a string: Input string was not in a correct format.", "FormatError")
        out.append(c)
        at += 1
    return "".join(out)


def format_value(value: object, form: str) -> str:
    """``ToString(form)`` of numbers, dates and time spans, in the invariant culture."""
    value = unwrap(value)
    if not form:
        return text(value)
    if isinstance(value, datetime):
        return format_date(value, form)
    if isinstance(value, timedelta):
        return format_span(value, form)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        if isinstance(value, EnumValue):
            return str(value.number) if form.lower() == "d" else value.name
        return text(value)
    return _format_number(value, form)


def _format_number(value: int | float, form: str) -> str:
    standard = re.fullmatch(r"([A-Za-z])(\d*)", form)
    if standard:
        kind, digits = standard.group(1), int(standard.group(2)) if standard.group(2) else None
        lower = kind.lower()
        if lower == "d" and isinstance(value, int):
            return ("-" if value < 0 else "") + str(abs(int(value))).zfill(digits or 0)
        if lower == "x" and isinstance(value, int):
            shown = f"{value & 0xFFFFFFFF if value < 0 else value:x}".zfill(digits or 0)
            return shown.upper() if kind == "X" else shown
        if lower == "f":
            return f"{value:.{2 if digits is None else digits}f}"
        if lower == "n":
            return f"{value:,.{2 if digits is None else digits}f}"
        if lower == "p":
            return f"{value * 100:,.{2 if digits is None else digits}f} %"
        if lower == "g" and digits is None:
            return float_text(float(value)) if isinstance(value, float) else str(value)
        raise Unsupported(f"number format {form}")
    custom = re.fullmatch(r"([0#,]*)(?:\.([0#]*))?", form)
    if not custom:
        raise Unsupported(f"number format {form}")
    whole, places = custom.group(1), custom.group(2) or ""
    shown = f"{abs(value):{',' if ',' in whole else ''}.{len(places)}f}"
    integer, _, fraction = shown.partition(".")
    integer = integer.zfill(whole.count("0"))
    if integer == "0" and "0" not in whole:
        integer = ""
    while fraction and places[len(fraction) - 1] == "#" and fraction.endswith("0"):
        fraction = fraction[:-1]
    return ("-" if value < 0 else "") + integer + ("." + fraction if fraction else "")


_DATE_PART = re.compile(
    r"yyyy|yy|MMMM|MMM|MM|M|dddd|ddd|dd|d|HH|H|hh|h|mm|m|ss|s|f{1,7}|tt|zzz|K|'[^']*'|\"[^\"]*\"|\\."
)
_STANDARD_DATES = {
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffK",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
    "d": "MM/dd/yyyy",
}


def format_date(value: datetime, form: str) -> str:
    """A date in a standard (``o s u d``) or custom format."""
    form = _STANDARD_DATES.get(form.lower() if form != "D" else form, form) if len(form) == 1 else form
    if len(form) == 1:
        raise Unsupported(f"date format {form}")
    utc = value.tzinfo is not None

    def part(found: re.Match[str]) -> str:
        key = found.group()
        if key[0] in "'\"":
            return key[1:-1]
        if key[0] == "\\":
            return key[1]
        if key[0] == "f":
            return f"{value.microsecond:06}0"[: len(key)]
        simple = {
            "yyyy": f"{value.year:04}", "yy": f"{value.year % 100:02}", "MM": f"{value.month:02}",
            "M": str(value.month),
            "MMM": value.strftime("%b"), "MMMM": value.strftime("%B"), "dd": f"{value.day:02}", "d": str(value.day),
            "ddd": value.strftime("%a"), "dddd": value.strftime("%A"), "HH": f"{value.hour:02}", "H": str(value.hour),
            "hh": f"{(value.hour - 1) % 12 + 1:02}", "h": str((value.hour - 1) % 12 + 1), "mm": f"{value.minute:02}",
            "m": str(value.minute), "ss": f"{value.second:02}", "s": str(value.second),
            "tt": "AM" if value.hour < 12 else "PM", "zzz": "+00:00", "K": "Z" if utc else "",
        }  # fmt: skip
        return simple[key]

    return _DATE_PART.sub(part, form)


def format_span(value: timedelta, form: str) -> str:
    """A time span in a custom format."""
    if form in ("c", "t", "T"):
        return span_text(value)
    seconds = int(abs(value.total_seconds()))
    parts = {
        "dd": f"{abs(value).days:02}", "d": str(abs(value).days), "hh": f"{seconds // 3600 % 24:02}",
        "h": str(seconds // 3600 % 24), "mm": f"{seconds // 60 % 60:02}", "m": str(seconds // 60 % 60),
        "ss": f"{seconds % 60:02}", "s": str(seconds % 60), "fff": f"{abs(value).microseconds // 1000:03}",
    }  # fmt: skip
    return re.sub(r"\\(.)|dd?|hh?|mm?|ss?|fff", lambda m: m.group(1) or parts[m.group()], form)


def as_utc(value: datetime) -> datetime:
    """A date in UTC; the modelled machines live there."""
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
