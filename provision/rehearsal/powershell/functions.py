"""Functions and scripts as commands: their declared parameters as a row, defaults, validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.rehearsal.powershell import syntax
from provision.rehearsal.powershell.binder import Call
from provision.rehearsal.powershell.convert import convert, text, to_number, truth, unwrap
from provision.rehearsal.powershell.faults import Unsupported, error
from provision.rehearsal.powershell.scope import NOTHING, Scope
from provision.rehearsal.powershell.table import ALL, CommandRow, ParameterRow, Place
from provision.rehearsal.powershell.text_tools import regex
from provision.rehearsal.powershell.types import type_of
from provision.rehearsal.powershell.values import Dictionary, Switch

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime

_VALIDATION = "System.Management.Automation.ParameterBindingValidationException"
KNOWN_ATTRIBUTES = frozenset(
    {
        "parameter", "cmdletbinding", "alias", "validateset", "validaterange", "validatepattern", "validatescript",
        "validatenotnullorempty", "validatenotnull", "validatecount", "allowemptystring", "allownull",
        "allowemptycollection", "outputtype",
    }
)  # fmt: skip
_EMPTY: dict[str, object] = {
    "System.String": "",
    "System.Boolean": False,
    "System.Management.Automation.SwitchParameter": False,
    "System.Int32": 0,
    "System.Int64": 0,
    "System.Double": 0.0,
}
_rows: dict[tuple[str, syntax.Block], CommandRow] = {}


def _flag(attribute: syntax.Attribute, name: str) -> bool:
    for key, value in attribute.named:
        if key == name:
            constant = isinstance(value, syntax.Var) and value.name.lower() == "false"
            return not constant
    return False


def _number(attribute: syntax.Attribute, name: str) -> int | None:
    for key, value in attribute.named:
        if key == name and isinstance(value, syntax.Const):
            return int(to_number(value.value))
    return None


def _texts(attribute: syntax.Attribute) -> tuple[str, ...]:
    return tuple(text(a.value) for a in attribute.arguments if isinstance(a, syntax.Const))


def row_of_block(name: str, block: syntax.Block) -> CommandRow:
    """The parameters of a function, script or block as a row of the table."""
    key = (name, block)
    if key not in _rows:
        if len(_rows) > 5000:
            _rows.clear()
        _rows[key] = _row(name, block)
    return _rows[key]


def _row(name: str, block: syntax.Block) -> CommandRow:
    rows: dict[str, ParameterRow] = {}
    explicit = any(_number(a, "position") is not None for p in block.parameters for a in p.attributes)
    position = 0
    for declared in block.parameters:
        place, allow_empty = Place(), False
        aliases: tuple[str, ...] = ()
        values: tuple[str, ...] = ()
        kind = declared.type or "Object"
        for attribute in declared.attributes:
            folded = attribute.name.lower()
            if folded not in KNOWN_ATTRIBUTES:
                raise Unsupported(f"attribute [{attribute.name}()]", attribute.line)
            if folded == "parameter":
                place = Place(
                    _flag(attribute, "mandatory"),
                    _number(attribute, "position"),
                    _flag(attribute, "valuefrompipeline"),
                    _flag(attribute, "valuefrompipelinebypropertyname"),
                    _flag(attribute, "valuefromremainingarguments"),
                )
                if any(key == "parametersetname" for key, _ in attribute.named):
                    raise Unsupported("parameter sets of functions", attribute.line)
            aliases = _texts(attribute) if folded == "alias" else aliases
            values = _texts(attribute) if folded == "validateset" else values
            allow_empty = allow_empty or folded.startswith("allow")
        switch = kind.lower() in ("switch", "switchparameter")
        if place.position is None and not explicit and not switch and not place.remaining:
            place = Place(place.required, position, place.by_value, place.by_property, place.remaining)
            position += 1
        if switch:
            kind = "SwitchParameter"
        elif values and type_of(kind) == "System.Object":
            kind = "String"
        rows[declared.name.lower()] = ParameterRow(declared.name, kind, {ALL: place}, aliases, values, allow_empty)
    return CommandRow(name, rows, None, block.binding, not block.binding)


def enter(rt: Runtime, scope: Scope, block: syntax.Block, call: Call) -> None:
    """Fill a fresh scope with the parameters of a call: what was bound, else the defaults.

    Raises:
        ScriptError: a validation refuses a value, or a default fails.
    """
    scope.variables["psboundparameters"] = Dictionary({n: unwrap(v) for n, v in call.bound.items()}, ordered=True)
    scope.variables["args"] = [unwrap(item.value) for item in call.rest]
    action = call.bound.get("ErrorAction") if block.binding else None
    if action:
        scope.variables["erroractionpreference"] = action
    if block.binding and truth(call.bound.get("Verbose")):
        scope.variables["verbosepreference"] = "Continue"
    for declared in block.parameters:
        full = type_of(declared.type) if declared.type else None
        if declared.type and full is None:
            raise error(f"Unable to find type [{declared.type}].", "TypeNotFound", line=declared.line)
        name = declared.name.lower()
        if declared.name in call.bound:
            value = unwrap(call.bound[declared.name])
            validate(rt, call, declared, value)
        elif declared.default is not None:
            with rt.scoped(scope):
                found = rt.raw(declared.default)
            value = None if found is NOTHING else unwrap(found)
            value = convert(value, full) if full else value
        else:
            value = _EMPTY.get(full or "")
        if isinstance(value, list) and full and full.endswith("[]") and full != "System.Object[]":
            value = convert(value, full)
        if full == "System.Management.Automation.SwitchParameter":
            value = Switch(truth(value))
        scope.variables[name] = value
        if full and full not in ("System.Object", "System.Management.Automation.SwitchParameter"):
            scope.types[name] = full


def validate(rt: Runtime, call: Call, declared: syntax.ParameterDeclaration, value: object) -> None:
    """Apply the validating attributes to a bound value.

    Raises:
        ScriptError: the value is refused.
    """
    items = value if isinstance(value, list) else [value]
    for attribute in declared.attributes:
        folded = attribute.name.lower()
        limits = [unwrap(rt.value(a)) for a in attribute.arguments] if folded != "validatescript" else []
        good = True
        if folded == "validaterange":
            good = all(to_number(limits[0]) <= to_number(item) <= to_number(limits[1]) for item in items)
        elif folded == "validatepattern":
            good = all(regex(text(limits[0])).search(text(item)) for item in items)
        elif folded == "validatenotnullorempty":
            good = value is not None and value != "" and value != [] and "" not in items
        elif folded == "validatenotnull":
            good = value is not None
        elif folded == "validatecount":
            good = to_number(limits[0]) <= len(items) <= to_number(limits[1])
        elif folded == "validatescript":
            block = rt.value(attribute.arguments[0])
            good = all(truth(rt.call_block(block, item)) for item in items)
        if not good:
            message = f"Cannot validate argument on parameter '{declared.name}'. {text(value)} is refused by {folded}."
            raise call.fail(message, "ParameterArgumentValidationError", _VALIDATION, declared.name)
