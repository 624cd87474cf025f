"""Variables: scopes that see those of their callers, constraints of type, preferences."""

from __future__ import annotations

from provision.rehearsal.powershell.syntax import Block


class _Nothing:
    """What an empty pipeline leaves: reads as null, but is no element of a list."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = _Nothing()


class Definition:
    """A function: its name and its block."""

    __slots__ = ("block", "name")

    def __init__(self, name: str, block: Block) -> None:
        self.name = name
        self.block = block


class Scope:
    """One level of variables and functions.

    Args:
        parent: the caller's scope; what is not here is read there.
        script: the path of the script file whose top this is, None for functions and blocks.
    """

    __slots__ = ("function_level", "functions", "parent", "script", "strict", "types", "variables")

    def __init__(self, parent: Scope | None = None, script: str | None = None) -> None:
        self.parent = parent
        self.script = script
        self.variables: dict[str, object] = {}
        self.types: dict[str, str] = {}
        self.functions: dict[str, Definition] = {}
        self.strict: bool | None = None
        self.function_level = False

    def find(self, name: str) -> Scope | None:
        """The nearest scope that has a variable."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.variables:
                return scope
            scope = scope.parent
        return None

    def function(self, name: str) -> Definition | None:
        scope: Scope | None = self
        folded = name.lower()
        while scope is not None:
            if folded in scope.functions:
                return scope.functions[folded]
            scope = scope.parent
        return None

    @property
    def is_strict(self) -> bool:
        scope: Scope | None = self
        while scope is not None:
            if scope.strict is not None:
                return scope.strict
            scope = scope.parent
        return False

    @property
    def top(self) -> Scope:
        """The scope of the script file."""
        scope = self
        while scope.script is None and scope.parent is not None:
            scope = scope.parent
        return scope

    @property
    def outermost(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope
