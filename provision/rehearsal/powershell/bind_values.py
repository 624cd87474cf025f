"""Values for parameters: what a declared type takes, what it makes of it, what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from provision.rehearsal.powershell.convert import BareNumber, convert, text
from provision.rehearsal.powershell.faults import ScriptError, Unsupported
from provision.rehearsal.powershell.table import ACTION, COMMON_NAMES, ParameterRow
from provision.rehearsal.powershell.types import type_of
from provision.rehearsal.powershell.values import (
    EnumValue,
    Hashtable,
    Record,
    ScriptBlock,
    SecureString,
    Switch,
    Version,
)

if TYPE_CHECKING:
    from provision.rehearsal.powershell.binder import Call

__all__ = ["converted", "fits", "full_type", "refuse_null", "text"]

_TRANSFORMATION = "System.Management.Automation.ParameterBindingArgumentTransformationException"
_VALIDATION = "System.Management.Automation.ParameterBindingValidationException"
_ANYTHING = frozenset({"System.Object", "System.Management.Automation.PSObject"})
# objects that no text converts to; other unknown types are made of texts
_OBJECTS = frozenset(
    {
        "CimInstance", "CimClass", "ServiceController", "Process", "PSSession", "ErrorRecord", "Exception", "Stream",
        "XmlDocument", "X509Certificate", "PSCredential", "VMSwitch", "PSModuleInfo", "Assembly", "BitsJob",
    }
)  # fmt: skip
_TAKES: dict[str, type | tuple[type, ...]] = {
    "System.String": str,
    "System.Boolean": bool,
    "System.Management.Automation.SwitchParameter": bool,
    "System.TimeSpan": timedelta,
    "System.DateTime": datetime,
    "System.Version": Version,
    "System.Collections.Hashtable": Hashtable,
    "System.Management.Automation.ScriptBlock": ScriptBlock,
    "System.Security.SecureString": SecureString,
}
_ACTION_NUMBERS = ("SilentlyContinue", "Stop", "Continue", "Inquire", "Ignore", "Suspend")


def full_type(declared: str) -> str:
    """The full .NET name of a declared type; names outside the closed list stay as they are."""
    nullable = re.fullmatch(r"System\.Nullable`1\[\[?([\w.]+)\]?\]", declared)
    if nullable:
        declared = nullable.group(1)
    return type_of(declared) or declared


def _element(parameter: ParameterRow) -> str:
    return full_type(parameter.type[:-2] if parameter.listed else parameter.type)


def _is_number(full: str) -> bool:
    return bool(re.fullmatch(r"System\.(U?Int(16|32|64)|Byte|Double|Single)", full))


def _enumeration(parameter: ParameterRow) -> bool:
    return bool(parameter.values) and _element(parameter) != "System.String"


def fits(parameter: ParameterRow, value: object) -> bool:
    """Whether a value has the parameter's type already."""
    if isinstance(value, list):
        return parameter.listed and all(fits_one(parameter, item) for item in value)
    return fits_one(parameter, value)


def fits_one(parameter: ParameterRow, value: object) -> bool:
    """`fits` for one element of a list."""
    full = _element(parameter)
    if full in _ANYTHING:
        return not isinstance(value, ScriptBlock) or full == "System.Object"
    if isinstance(value, BareNumber):
        return _is_number(full)
    if full in _TAKES:
        return isinstance(value, _TAKES[full])
    if _is_number(full):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if _enumeration(parameter):
        return isinstance(value, EnumValue)
    return isinstance(value, Record) and not value.custom


def refuse_null(call: Call, parameter: ParameterRow) -> None:
    """Refuse a pipeline's null for a parameter by value."""
    message = f"Cannot bind argument to parameter '{parameter.name}' because it is null."
    raise call.fail(message, "ParameterArgumentValidationErrorNullNotAllowed", _VALIDATION, parameter.name)


def _refuse(call: Call, parameter: ParameterRow, why: str) -> ScriptError:
    if parameter.name in COMMON_NAMES:
        message = f"Cannot bind parameter '{parameter.name}'. {why}"
        return call.fail(message, "CannotConvertArgumentNoMessage", parameter=parameter.name)
    message = f"Cannot process argument transformation on parameter '{parameter.name}'. {why}"
    return call.fail(message, "ParameterArgumentTransformationError", _TRANSFORMATION, parameter.name)


def _cannot(value: object, full: str) -> str:
    return f'Cannot convert value "{text(value)}" to type "{full}".'


def converted(call: Call, parameter: ParameterRow, value: object) -> object:
    """The value that the parameter binds.

    Raises:
        ScriptError: the value does not convert, or is not among those that are accepted.
    """
    required = any(place.required for name, place in parameter.sets.items() if name in call.sets or name == "(All)")
    result = _list(call, parameter, value) if parameter.listed else _one(call, parameter, value)
    if required and not parameter.allow_empty:
        _refuse_empty(call, parameter, result)
    if parameter.values and _element(parameter) == "System.String":
        _accepted(call, parameter, result)
    return result


def _list(call: Call, parameter: ParameterRow, value: object) -> object:
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    if isinstance(value, bytes):
        return value
    return [_one(call, parameter, item) for item in items]


def _one(call: Call, parameter: ParameterRow, value: object) -> object:
    full = _element(parameter)
    if full in ("System.Boolean", "System.Management.Automation.SwitchParameter"):
        return _boolean(call, parameter, value, full)
    if full in _ANYTHING:
        return value.value if isinstance(value, BareNumber) else value
    if full == "System.String":
        if isinstance(value, list):
            raise _refuse(call, parameter, "Cannot convert value to type System.String.")
        return text(value)
    if _enumeration(parameter):
        return _member(call, parameter, value)
    if isinstance(value, Record):
        if value.custom and full in _TAKES:
            raise _refuse(call, parameter, _cannot(value, full))
        return value
    special = _SPECIAL.get(full)
    if special:
        found = special(value)
        if found is None:
            shown = f'Cannot convert the value of type "System.String" to type "{full}".'
            raise _refuse(call, parameter, shown)
        return found
    if full in _TAKES or _is_number(full):
        try:
            return convert(value, full)
        except ScriptError as error:
            raise _refuse(call, parameter, error.record.message) from error
        except Unsupported as error:
            raise _refuse(call, parameter, _cannot(value, full)) from error
    short = full.rsplit(".", 1)[-1].split("`")[0]
    if value is None or (isinstance(value, (str, BareNumber)) and short not in _OBJECTS):
        return value.source if isinstance(value, BareNumber) else value
    if isinstance(value, (str, bool, int, float, BareNumber, list)):
        raise _refuse(call, parameter, _cannot(value, full))
    return value


def _boolean(call: Call, parameter: ParameterRow, value: object, full: str) -> bool:
    if isinstance(value, (bool, Switch)):
        return bool(value)
    if isinstance(value, BareNumber) and not parameter.switch:
        return bool(value.value)
    if isinstance(value, (int, float)) and not parameter.switch:
        return bool(value)
    why = (
        f'Cannot convert value "System.String" to type "{full}". Boolean parameters accept only Boolean values and '
        "numbers, such as $True, $False, 1 or 0."
    )
    raise _refuse(call, parameter, why)


def _secure(value: object) -> object:
    return value if isinstance(value, SecureString) else None


def _dictionary(value: object) -> object:
    return value if isinstance(value, Hashtable) else None


_SPECIAL: dict[str, Callable[[object], object]] = {
    "System.Security.SecureString": _secure,
    "System.Collections.IDictionary": _dictionary,
    "System.Collections.Hashtable": _dictionary,
}


def _member(call: Call, parameter: ParameterRow, value: object) -> object:
    """A member of an enumeration by its name or unambiguous beginning; several joined when it takes flags."""
    if isinstance(value, (bool, float)):
        raise _refuse(call, parameter, _cannot(value, parameter.type))
    number = value.value if isinstance(value, BareNumber) else value
    if isinstance(number, int):
        if parameter.type == ACTION and 0 <= number < len(_ACTION_NUMBERS):
            return _ACTION_NUMBERS[number]
        raise Unsupported(f"the number {number} for the enumeration {parameter.type} of {call.row.name}", call.line)
    written = value if isinstance(value, list) else [value]
    names = [part.strip() for item in written for part in text(item).split(",")]
    found = []
    for name in names:
        exact = [v for v in parameter.values if v.lower() == name.lower()]
        begins = exact or [v for v in parameter.values if name and v.lower().startswith(name.lower())]
        if len(begins) != 1:
            why = (
                f"Unable to match the identifier name {name} to a valid enumerator name. Specify one of the following "
                f"enumerator names and try again:\n{', '.join(parameter.values)}"
            )
            raise _refuse(call, parameter, f'{_cannot(name, parameter.type)} Error: "{why}"')
        found.append(begins[0])
    return ", ".join(found)


def _refuse_empty(call: Call, parameter: ParameterRow, value: object) -> None:
    kind = ""
    if value is None:
        kind = "Null"
    elif value == "" or (isinstance(value, list) and _element(parameter) == "System.String" and "" in value):
        kind = "EmptyString"
    elif isinstance(value, list) and not value:
        kind = "EmptyArray"
    elif isinstance(value, list) and any(item is None for item in value):
        kind = "Null"
    if kind:
        noun = {"Null": "null", "EmptyString": "an empty string", "EmptyArray": "an empty array"}[kind]
        message = f"Cannot bind argument to parameter '{parameter.name}' because it is {noun}."
        raise call.fail(message, f"ParameterArgumentValidationError{kind}NotAllowed", _VALIDATION, parameter.name)


def _accepted(call: Call, parameter: ParameterRow, value: object) -> None:
    for item in value if isinstance(value, list) else [value]:
        if text(item).lower() not in (known.lower() for known in parameter.values):
            allowed = ",".join(parameter.values)
            message = (
                f"Cannot validate argument on parameter '{parameter.name}'. The argument \"{text(item)}\" does not "
                f'belong to the set "{allowed}" specified by the ValidateSet attribute. Supply an argument that is in '
                "the set and then try the command again."
            )
            raise call.fail(message, "ParameterArgumentValidationError", _VALIDATION, parameter.name)
