"""The parameters of the Windows commands that our scripts use: rows of ``commands.json``.

The rows are distilled from Microsoft's reference for Windows PowerShell 5.1 and Windows Server
(PowerShell-Docs, windows-powershell-docs); ``update_commands.py`` takes them from the full table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files

ALL = "(All)"


@dataclass(frozen=True)
class Place:
    """A parameter in one set."""

    required: bool = False
    position: int | None = None
    by_value: bool = False
    by_property: bool = False
    remaining: bool = False


@dataclass(frozen=True)
class ParameterRow:
    """One parameter: ``type`` as .NET spells it, ``values`` of an enumeration or accepted texts."""

    name: str
    type: str
    sets: dict[str, Place]
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    allow_empty: bool = False

    @property
    def switch(self) -> bool:
        return self.type in ("SwitchParameter", "System.Management.Automation.SwitchParameter")

    @property
    def listed(self) -> bool:
        return self.type.endswith("[]")

    def place(self, chosen: str | None) -> Place | None:
        """Where the parameter stands in a set, None when it is not in it."""
        return self.sets.get(ALL) or (self.sets.get(chosen) if chosen else None)


def _common(name: str, kind: str, alias: str, *values: str) -> ParameterRow:
    return ParameterRow(name, kind, {ALL: Place()}, (alias,), values)


ACTIONS = ("SilentlyContinue", "Stop", "Continue", "Inquire", "Ignore", "Suspend")
ACTION = "System.Management.Automation.ActionPreference"
COMMON = (
    _common("Verbose", "SwitchParameter", "vb"),
    _common("Debug", "SwitchParameter", "db"),
    _common("ErrorAction", ACTION, "ea", *ACTIONS),
    _common("WarningAction", ACTION, "wa", *ACTIONS),
    _common("InformationAction", ACTION, "infa", *ACTIONS),
    _common("ErrorVariable", "String", "ev"),
    _common("WarningVariable", "String", "wv"),
    _common("InformationVariable", "String", "iv"),
    _common("OutVariable", "String", "ov"),
    _common("OutBuffer", "Int32", "ob"),
    _common("PipelineVariable", "String", "pv"),
)
COMMON_NAMES = frozenset(row.name for row in COMMON)


@dataclass(frozen=True)
class CommandRow:
    """One command: its parameters by name in lower case, its default set."""

    name: str
    parameters: dict[str, ParameterRow]
    default: str | None = None
    common: bool = True
    loose: bool = False  # a plain function: what no parameter takes goes to $args
    _found: dict[str, tuple[ParameterRow, ...]] = field(default_factory=dict, compare=False)

    @cached_property
    def sets(self) -> tuple[str, ...]:
        """Names of the sets, without the one that stands for all."""
        names: dict[str, None] = {}
        for row in self.parameters.values():
            names.update(dict.fromkeys(name for name in row.sets if name != ALL))
        return tuple(names)

    @cached_property
    def positional(self) -> tuple[ParameterRow, ...]:
        """The parameters that have a position in some set."""
        return tuple(
            row for row in self.parameters.values() if any(place.position is not None for place in row.sets.values())
        )

    def match(self, name: str) -> tuple[ParameterRow, ...]:
        """The parameters that a written name can mean: one when it is exact or an unambiguous beginning."""
        folded = name.lower()
        if folded not in self._found:
            self._found[folded] = self._match(folded)
        return self._found[folded]

    def _match(self, folded: str) -> tuple[ParameterRow, ...]:
        rows = list(self.parameters.values()) + (list(COMMON) if self.common else [])
        for row in rows:
            if folded == row.name.lower() or folded in (alias.lower() for alias in row.aliases):
                return (row,)
        return tuple(
            row
            for row in rows
            if row.name.lower().startswith(folded) or any(a.lower().startswith(folded) for a in row.aliases)
        )


# the reference does not tell which parameters take all that is left
_REMAINING = (("Write-Output", "inputobject"), ("Write-Host", "object"), ("ForEach-Object", "argumentlist"))


def _place(data: dict[str, object]) -> Place:
    pipeline = str(data.get("pipeline", ""))
    position = data.get("position")
    return Place(
        bool(data.get("required")),
        position if isinstance(position, int) else None,
        "ByValue" in pipeline,
        "ByPropertyName" in pipeline,
        bool(data.get("remaining")),
    )


def row_of(name: str, data: dict[str, dict[str, dict[str, object]]]) -> CommandRow:
    """A row from its JSON form."""
    parameters: dict[str, ParameterRow] = {}
    for parameter, form in data["parameters"].items():
        sets: dict[str, dict[str, object]] = form["sets"]  # type: ignore[assignment]
        parameters[parameter.lower()] = ParameterRow(
            parameter,
            str(form["type"]),
            {chosen: _place(place) for chosen, place in sets.items()},
            tuple(str(a) for a in form.get("aliases", ())),  # type: ignore[attr-defined]
            tuple(str(v) for v in form.get("values", ())),  # type: ignore[attr-defined]
            str(form["type"]).removesuffix("[]") in ("Object", "PSObject"),
        )
    if name == "Set-StrictMode":
        parameters["version"] = replace(parameters["version"], type="String")  # it takes "Latest" too
    for command, parameter in _REMAINING:
        if command == name and parameter in parameters:
            row = parameters[parameter]
            places = {chosen: replace(place, remaining=True) for chosen, place in row.sets.items()}
            parameters[parameter] = replace(row, sets=places)
    default = data.get("default")
    return CommandRow(name, parameters, str(default) if default else None)


@cache
def _data() -> dict[str, tuple[str, dict[str, dict[str, dict[str, object]]]]]:
    loaded = json.loads(files(__package__).joinpath("commands.json").read_text(encoding="utf-8"))
    return {name.lower(): (name, data) for name, data in loaded.items()}


@cache
def command_row(name: str) -> CommandRow | None:
    """The row of a command by its name in any case, None when the table does not have it."""
    found = _data().get(name.lower())
    return row_of(*found) if found else None


def modules() -> frozenset[str]:
    """The modules of the table's commands, in lower case."""
    return frozenset(str(data.get("module", "")).lower() for _, data in _data().values())
