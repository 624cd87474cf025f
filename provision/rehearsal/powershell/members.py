"""Properties and methods of values: a closed list, in tables by kind of value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from provision.rehearsal.powershell import methods
from provision.rehearsal.powershell.convert import text, type_name
from provision.rehearsal.powershell.faults import ErrorRecord, ScriptError, Unsupported, error
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.types import enum_member, type_of
from provision.rehearsal.powershell.values import (
    EnumValue,
    Hashtable,
    Native,
    Record,
    ScriptBlock,
    Stream,
    Switch,
    TypedArray,
    TypeValue,
    Version,
)

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime

Getter = Callable[[object], object]


class _Absent:
    pass


ABSENT = _Absent()


def _date(get: Callable[[datetime], object]) -> Getter:
    return lambda value: get(value)  # type: ignore[arg-type]


def _span(get: Callable[[timedelta], object]) -> Getter:
    return lambda value: get(value)  # type: ignore[arg-type]


_DATE: dict[str, Getter] = {
    "year": _date(lambda d: d.year),
    "month": _date(lambda d: d.month),
    "day": _date(lambda d: d.day),
    "hour": _date(lambda d: d.hour),
    "minute": _date(lambda d: d.minute),
    "second": _date(lambda d: d.second),
    "millisecond": _date(lambda d: d.microsecond // 1000),
    "dayofyear": _date(lambda d: d.timetuple().tm_yday),
    "date": _date(lambda d: d.replace(hour=0, minute=0, second=0, microsecond=0)),
    "ticks": _date(methods.ticks),
    "dayofweek": _date(lambda d: enum_member("System.DayOfWeek", d.strftime("%A"))),
    "kind": _date(lambda d: enum_member("System.DateTimeKind", "Utc" if d.tzinfo else "Unspecified")),
}
_SPAN: dict[str, Getter] = {
    "days": _span(lambda s: int(s.total_seconds() / 86400)),
    "hours": _span(lambda s: int(s.total_seconds() / 3600) % 24),
    "minutes": _span(lambda s: int(s.total_seconds() / 60) % 60),
    "seconds": _span(lambda s: int(s.total_seconds()) % 60),
    "milliseconds": _span(lambda s: s.microseconds // 1000),
    "totaldays": _span(lambda s: s.total_seconds() / 86400),
    "totalhours": _span(lambda s: s.total_seconds() / 3600),
    "totalminutes": _span(lambda s: s.total_seconds() / 60),
    "totalseconds": _span(lambda s: s.total_seconds()),
    "totalmilliseconds": _span(lambda s: s.total_seconds() * 1000),
    "ticks": _span(lambda s: getattr(s, "ticks", round(s.total_seconds() * 10_000_000))),
}
_VERSION = ("major", "minor", "build", "revision")


def _error_property(record: ErrorRecord, name: str) -> object:
    if name == "exception":
        return record.exception
    if name == "fullyqualifiederrorid":
        return record.id
    if name == "targetobject":
        return record.target
    if name == "errordetails":
        return None
    if name == "scriptstacktrace":
        return f"at <ScriptBlock>, line {record.line}"
    if name == "categoryinfo":
        category = EnumValue("System.Management.Automation.ErrorCategory", record.category)
        reason = record.exception.type_name.rsplit(".", 1)[-1]
        properties = {"Category": category, "Activity": record.command, "Reason": reason}
        shown = f"{record.category}: (:) [{record.command}], {reason}"
        return Record(properties, type_name="System.Management.Automation.ErrorCategoryInfo", text=shown)
    if name == "invocationinfo":
        properties = {"ScriptLineNumber": record.line, "MyCommand": Record({"Name": record.command})}
        return Record(properties, type_name="System.Management.Automation.InvocationInfo")
    return ABSENT


class Properties(Native):
    """``$x.PSObject``."""

    type_name = "System.Management.Automation.PSObject"

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.properties = {
            "properties": lambda: PropertyList(record),
            "typenames": lambda: TypedArray([record.type_name]),
        }


class PropertyList(Native):
    """``$x.PSObject.Properties``."""

    type_name = "System.Management.Automation.PSMemberInfoIntegratingCollection"

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record = record
        self.methods = {"remove": self._remove, "add": self._refuse}

    def _remove(self, name: object) -> object:
        self.record.remove(text(name))
        return NOTHING

    def _refuse(self, *_: object) -> object:
        raise Unsupported("PSObject.Properties.Add")

    def entries(self) -> list[object]:
        """The properties as objects with a name and a value."""
        kind = "System.Management.Automation.PSNoteProperty"
        return [Record({"Name": name, "Value": value}, type_name=kind) for name, value in self.record.items()]

    def index(self, name: object) -> object:
        """One property by its name, null when there is none."""
        return next((e for e in self.entries() if text(e.get("Name")).lower() == text(name).lower()), None)  # type: ignore[attr-defined]


def own_property(value: object, name: str) -> object:
    """A property of one value, ``ABSENT`` when it has none of that name."""
    if isinstance(value, Record):
        return value.get(name) if value.has(name) else _record_extra(value, name)
    if isinstance(value, Hashtable):
        return _table_property(value, name)
    if isinstance(value, Native):
        getter = value.properties.get(name)
        return getter() if getter else ABSENT
    if isinstance(value, (str, bytes)):
        return len(value) if name == "length" else ABSENT
    if isinstance(value, datetime):
        return _DATE[name](value) if name in _DATE else ABSENT
    if isinstance(value, timedelta):
        return _SPAN[name](value) if name in _SPAN else ABSENT
    if isinstance(value, Version):
        return value.parts[_VERSION.index(name)] if name in _VERSION else ABSENT
    if isinstance(value, ErrorRecord):
        return _error_property(value, name)
    if isinstance(value, TypeValue):
        return {"name": value.name, "fullname": value.full}.get(name, ABSENT)
    if isinstance(value, Stream):
        return value.message if name in ("message", "messagedata") else ABSENT
    if isinstance(value, EnumValue):
        return value.number if name == "value__" else ABSENT
    if isinstance(value, Switch) and name == "ispresent":
        return bool(value)
    return ABSENT


def _record_extra(value: Record, name: str) -> object:
    return Properties(value) if name == "psobject" else ABSENT


def _table_property(value: Hashtable, name: str) -> object:
    for key, item in value.items():
        if isinstance(key, str) and key.lower() == name:
            return item
    if name == "keys":
        return value.keys()
    if name == "values":
        return value.values()
    return len(value) if name == "count" else ABSENT


def get_member(value: object, name: str, strict: bool) -> object:
    """``$value.Name``.

    Raises:
        ScriptError: in strict mode, nothing has such a property.
    """
    folded = name.lower()
    if isinstance(value, PropertyList):
        if folded in ("count", "length"):
            return len(value.entries())
        value = value.entries()
    if isinstance(value, list):
        if folded in ("count", "length"):
            return len(value)
        found = _each(value, folded, strict)
    else:
        found = own_property(value, folded)
    if found is not ABSENT:
        return found
    if strict:
        message = f"The property '{name}' cannot be found on this object. Verify that the property exists."
        raise error(message, "PropertyNotFoundStrict", "System.Management.Automation.PropertyNotFoundException")
    if folded in ("count", "length"):
        # a custom object has neither in 5.1
        return None if isinstance(value, Record) and value.custom else 0 if value is None else 1
    return None


def _each(items: list[object], name: str, strict: bool) -> object:
    """Member enumeration: the property of each element."""
    found: list[object] = []
    for item in items:
        one = own_property(item, name) if not isinstance(item, list) else _each(item, name, strict)
        if one is ABSENT:
            if isinstance(item, Record) and item.custom and not strict:
                found.append(None)
            continue
        if isinstance(one, list):
            found += one
        else:
            found.append(one)
    if not found:
        return ABSENT
    return found[0] if len(found) == 1 else found


def set_member(value: object, name: str, item: object) -> None:
    """``$value.Name = item``.

    Raises:
        ScriptError: there is no such property.
    """
    if isinstance(value, Hashtable):
        value[name] = item
        return
    if isinstance(value, Record):
        if value.has(name):
            value.set(name, item)
            return
        message = f'Exception setting "{name}": "The property \'{name}\' cannot be found on this object."'
        exception = "System.Management.Automation.SetValueInvocationException"
        raise error(message, "ExceptionWhenSetting", exception, category="NotSpecified")
    if isinstance(value, Native) and "set_" + name.lower() in value.methods:
        value.methods["set_" + name.lower()](item)
        return
    message = f"The property '{name}' cannot be found on this object. Verify that the property exists and can be set."
    id = "PropertyAssignmentException" if isinstance(value, list) else "PropertyNotFound"
    raise error(message, id, "System.Management.Automation.RuntimeException")


def call_method(rt: Runtime, value: object, name: str, arguments: list[object]) -> object:
    """``$value.Name(arguments)``.

    Raises:
        ScriptError: the value has no such method, or the method failed.
        Unsupported: a method outside the closed list.
    """
    folded = name.lower()
    if folded == "gettype" and value is not None:
        return TypeValue(type_name(value))
    if value is None:
        raise error("You cannot call a method on a null-valued expression.", "InvokeMethodOnNull")
    if isinstance(value, list) and folded in ("where", "foreach"):
        block = arguments[0]
        if len(arguments) != 1 or not isinstance(block, ScriptBlock):
            raise Unsupported(f".{name}() with other arguments than one block")
        return rt.each_method(value, block, folded == "where")
    if isinstance(value, ScriptBlock):
        return rt.block_method(value, folded, arguments)
    table = methods.table_for(value)
    method = table.get(folded)
    if method is not None:
        return methods.invoke(method, name, value, arguments)
    if isinstance(value, list) and not isinstance(value, PropertyList):
        found: list[object] = []
        for item in value:
            one = call_method(rt, item, name, arguments)
            found += one if isinstance(one, list) else [] if one is NOTHING else [one]
        return found[0] if len(found) == 1 else found
    if folded in ("tostring", "equals"):
        return text(value) if folded == "tostring" else value is arguments[0]
    known_absent = type(value) is Hashtable and value.ordered and folded == "containskey"
    if known_absent or (isinstance(value, Record) and value.custom):
        raise not_found(value, name)
    raise Unsupported(f"method {name} of {type_name(value)}")


def not_found(value: object, name: str) -> ScriptError:
    """The error of a method that a value does not have."""
    message = f"Method invocation failed because [{type_name(value)}] does not contain a method named '{name}'."
    return error(message, "MethodNotFound")


def type_value(name: str, line: int) -> TypeValue:
    """``[name]`` as a value.

    Raises:
        ScriptError: no type of the closed list.
    """
    full = type_of(name)
    if full is None:
        raise error(f"Unable to find type [{name}].", "TypeNotFound", line=line)
    return TypeValue(full)
