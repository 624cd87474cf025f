"""Arguments to parameters, as Windows binds them: names, positions, sets, types, then the pipeline.

Errors are identified by command, parameter and id; the ids are those of script functions and CDXML commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from provision.rehearsal.powershell import bind_values
from provision.rehearsal.powershell.faults import ErrorRecord, ScriptError
from provision.rehearsal.powershell.table import ALL, COMMON_NAMES, CommandRow, ParameterRow
from provision.rehearsal.powershell.values import Record, ScriptBlock

_BINDING = "System.Management.Automation.ParameterBindingException"


@dataclass
class Given:
    """One written argument: a value by position, or a parameter with or without its value.

    Args:
        value: the evaluated argument.
        name: the written parameter name, empty for a positional value.
        has_value: whether ``value`` belongs to ``name`` (colon, or splatted).
        text: the parameter's spelling, for those that are values after all.
    """

    value: object = None
    name: str = ""
    has_value: bool = False
    text: str = ""
    closed: bool = False  # behind ``--``
    order: int = 0


@dataclass
class Call:
    """A call being bound.

    Attributes:
        bound: parameter name -> converted value.
        rest: what no parameter took (plain functions only).
        sets: the parameter sets that are still possible.
    """

    row: CommandRow
    line: int = 0
    bound: dict[str, object] = field(default_factory=dict)
    rest: list[Given] = field(default_factory=list)
    sets: tuple[str, ...] = ()

    def copy(self) -> Call:
        return Call(self.row, self.line, dict(self.bound), self.rest, self.sets)

    def fail(self, message: str, id: str, exception: str = _BINDING, parameter: str = "") -> ScriptError:
        """The binding error; its target is the parameter."""
        record = ErrorRecord(
            message,
            f"{id},{self.row.name}",
            exception=exception,
            category="InvalidArgument",
            target=parameter or None,
            line=self.line,
            command=self.row.name,
        )
        return ScriptError(record)

    def ambiguous(self) -> ScriptError:
        message = (
            "Parameter set cannot be resolved using the specified named parameters. One or more parameters issued "
            "cannot be used together or an insufficient number of parameters were provided."
        )
        return self.fail(message, "AmbiguousParameterSet")

    def put(self, parameter: ParameterRow, value: object) -> None:
        """Bind a converted value; narrows the sets."""
        self.bound[parameter.name] = value
        if ALL not in parameter.sets and self.sets:
            left = tuple(name for name in self.sets if name in parameter.sets)
            if not left:
                raise self.ambiguous()
            self.sets = left

    def missing(self, chosen: str | None) -> list[ParameterRow]:
        """Mandatory parameters of a set that have no value."""
        found = []
        for parameter in self.row.parameters.values():
            place = parameter.place(chosen)
            if place and place.required and parameter.name not in self.bound:
                found.append(parameter)
        return found


def bind(row: CommandRow, given: Sequence[Given], line: int = 0) -> Call:
    """Bind the written arguments; mandatory ones are asked for by `settle`.

    Raises:
        ScriptError: an unknown or ambiguous name, a value missing, twice, or of the wrong type, one too many.
    """
    call = Call(row, line, sets=row.sets)
    positional = _named(call, given)
    _positional(call, positional)
    return call


def match(call: Call, name: str) -> ParameterRow | None:
    """The parameter that a written name means.

    Raises:
        ScriptError: it can mean several, or none although the command takes only its own.
    """
    found = call.row.match(name)
    if len(found) > 1:
        own = tuple(row for row in found if row.name not in COMMON_NAMES)
        found = own if len(own) == 1 else found  # the command's own name goes before a common one
    if len(found) == 1:
        return found[0]
    if found:
        names = " ".join(f"-{row.name}" for row in found)
        message = (
            f"Parameter cannot be processed because the parameter name '{name}' is ambiguous. "
            f"Possible matches include: {names}."
        )
        raise call.fail(message, "AmbiguousParameter", parameter=name)
    if call.row.loose:
        return None
    message = f"A parameter cannot be found that matches parameter name '{name}'."
    raise call.fail(message, "NamedParameterNotFound", parameter=name)


def _named(call: Call, given: Sequence[Given]) -> list[Given]:
    """Bind what has a name; gives back what has none, in order."""
    positional: list[Given] = []
    at = 0
    pairs: list[tuple[ParameterRow, object]] = []
    while at < len(given):
        item = given[at]
        item.order = at
        at += 1
        if not item.name or item.closed:
            positional.append(item)
            continue
        parameter = match(call, item.name)
        if parameter is None:
            # a plain function: the name and its value go to $args
            call.rest.append(Given(item.text, order=item.order))
            if item.has_value:
                call.rest.append(Given(item.value, order=item.order))
            elif at < len(given) and not given[at].name:
                call.rest.append(Given(given[at].value, order=at))
                at += 1
            continue
        if item.has_value:
            pairs.append((parameter, item.value))
        elif parameter.switch:
            pairs.append((parameter, True))
        else:
            if at >= len(given) or (given[at].name and not given[at].closed and call.row.match(given[at].name)):
                message = (
                    f"Missing an argument for parameter '{parameter.name}'. Specify a parameter of type "
                    f"'{bind_values.full_type(parameter.type)}' and try again."
                )
                raise call.fail(message, "MissingArgument", parameter=parameter.name)
            following = given[at]
            at += 1
            pairs.append((parameter, following.text if following.name else following.value))
    for parameter, value in pairs:
        if parameter.name in call.bound:
            message = (
                f"Cannot bind parameter because parameter '{parameter.name}' is specified more than once. To provide "
                "multiple values to parameters that can accept multiple values, use the array syntax. For example, "
                '"-parameter value1,value2,value3".'
            )
            raise call.fail(message, "ParameterAlreadyBound", parameter=parameter.name)
        call.put(parameter, bind_values.converted(call, parameter, value))
    return positional


def _candidates(call: Call) -> list[ParameterRow]:
    """The unbound parameters at the lowest free position of the possible sets."""
    best: int | None = None
    found: list[ParameterRow] = []
    sets = call.sets or (ALL,)
    for parameter in call.row.positional:
        if parameter.name in call.bound:
            continue
        positions = [place.position for name in sets if (place := parameter.place(name)) and place.position is not None]
        if not positions:
            continue
        position = min(positions)
        if best is None or position < best:
            best, found = position, []
        if position == best:
            found.append(parameter)
    default = call.row.default
    return sorted(found, key=lambda p: 0 if ALL in p.sets or default in p.sets else 1)


def _positional(call: Call, positional: list[Given]) -> None:
    for at, item in enumerate(positional):
        candidates = _candidates(call)
        if not candidates:
            _leftover(call, positional[at:])
            return
        taker = candidates[0]
        if any(place.remaining for place in taker.sets.values()):
            values = [one.value for one in positional[at:]]
            call.put(taker, bind_values.converted(call, taker, values if len(values) > 1 else values[0]))
            return
        exact = [p for p in candidates if bind_values.fits(p, item.value)]
        if exact:
            call.put(exact[0], bind_values.converted(call, exact[0], item.value))
            continue
        failure: ScriptError | None = None
        for parameter in candidates:
            try:
                call.put(parameter, bind_values.converted(call, parameter, item.value))
                failure = None
                break
            except ScriptError as error:
                failure = failure or error
        if failure:
            raise failure


def _leftover(call: Call, items: list[Given]) -> None:
    for parameter in call.row.parameters.values():
        place = parameter.place(call.row.default) or next(iter(parameter.sets.values()))
        if place.remaining and parameter.name not in call.bound:
            values = [item.value for item in items]
            call.put(parameter, bind_values.converted(call, parameter, values))
            return
    if call.row.loose:
        call.rest = sorted([*call.rest, *items], key=lambda item: item.order)
        return
    shown = bind_values.text(items[0].value)
    message = f"A positional parameter cannot be found that accepts argument '{shown}'."
    raise call.fail(message, "PositionalParameterNotFound", parameter=shown)


def settle(call: Call) -> str | None:
    """Choose the parameter set once everything is bound; None when the command has only one.

    Raises:
        ScriptError: a mandatory parameter is missing, or no set can be chosen.
    """
    if not call.row.sets:
        _demand(call, None)
        return None
    default = call.row.default
    satisfied = [name for name in call.sets if not call.missing(name)]
    if default in satisfied:
        return default
    if len(satisfied) == 1:
        return satisfied[0]
    if satisfied:
        raise call.ambiguous()
    if len(call.sets) == 1:
        _demand(call, call.sets[0])
    if default in call.sets:
        _demand(call, default)
    raise call.ambiguous()


def _demand(call: Call, chosen: str | None) -> None:
    missing = sorted(parameter.name for parameter in call.missing(chosen))
    if missing:
        names = " ".join(missing)
        message = f"Cannot process command because of one or more missing mandatory parameters: {names}."
        raise call.fail(message, "MissingMandatoryParameter", parameter=names)


def check_before_pipeline(call: Call) -> None:
    """Refuse early what no pipeline object could mend.

    Raises:
        ScriptError: a mandatory parameter is missing that takes nothing from the pipeline.
    """
    for name in call.sets or (ALL,):
        hopeless = [
            parameter
            for parameter in call.missing(None if name == ALL else name)
            if not ((place := parameter.place(name)) and (place.by_value or place.by_property))
        ]
        if not hopeless:
            return
    settle(call)


def bind_object(call: Call, item: object) -> Call:
    """A copy of ``call`` with one pipeline object bound to it.

    Raises:
        ScriptError: it fits no parameter, or what it fits cannot take it.
    """
    copy = call.copy()
    for coerce in (False, True):
        if _by_value(copy, item, coerce) or _by_property(copy, item, coerce):
            _by_property(copy, item, True)
            return copy
    settle(copy)
    message = (
        "The input object cannot be bound to any parameters for the command either because the command does not "
        "take pipeline input or the input and its properties do not match any of the parameters that take pipeline "
        "input."
    )
    raise copy.fail(message, "InputObjectNotBound")


def _takers(call: Call, by_value: bool) -> Iterable[ParameterRow]:
    default = call.row.default
    found = []
    for parameter in call.row.parameters.values():
        if parameter.name in call.bound:
            continue
        for name in call.sets or (ALL,):
            place = parameter.place(name)
            if place and (place.by_value if by_value else place.by_property):
                found.append((0 if ALL in parameter.sets or default in parameter.sets else 1, parameter))
                break
    return [parameter for _, parameter in sorted(found, key=lambda pair: pair[0])]


def _rank(call: Call, parameter: ParameterRow, item: object) -> int:
    """Objects know their kind: a rule goes to a command on rules as such, to another as its associated rule."""
    if not isinstance(item, Record) or item.custom:
        return 0
    if parameter.name == "InputObject" and call.row.name.partition("-")[2] in item.type_name:
        return 0
    if parameter.name.startswith("Associated"):
        return 1 if parameter.name.removeprefix("Associated") in item.type_name else 9
    return 2


def _by_value(call: Call, item: object, coerce: bool) -> bool:
    takers = [p for p in _takers(call, True) if _rank(call, p, item) < 9]
    for parameter in sorted(takers, key=lambda p: _rank(call, p, item)):
        if item is None:
            bind_values.refuse_null(call, parameter)
        if not coerce and not bind_values.fits(parameter, item):
            continue
        if coerce and isinstance(item, (Record, ScriptBlock)) and not bind_values.fits(parameter, item):
            continue
        try:
            value = bind_values.converted(call, parameter, item)
        except ScriptError:
            continue
        call.put(parameter, value)
        return True
    return False


def _by_property(call: Call, item: object, coerce: bool) -> bool:
    done = False
    if not isinstance(item, Record):
        return False
    for parameter in list(_takers(call, False)):
        name = next((n for n in (parameter.name, *parameter.aliases) if item.has(n)), None)
        if name is None or (call.sets and not any(parameter.place(s) for s in call.sets)):
            continue
        value = item.get(name)
        if not coerce and not bind_values.fits(parameter, value):
            continue
        try:
            call.put(parameter, bind_values.converted(call, parameter, value))
        except ScriptError:
            continue
        done = True
    return done
