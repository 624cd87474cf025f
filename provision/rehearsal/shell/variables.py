"""Variables, arrays and the scopes of functions."""

from __future__ import annotations

from dataclasses import dataclass, field


class ReadOnly(Exception):
    """An assignment to a readonly variable."""


@dataclass
class Variable:
    """``kind`` is ``text``, ``indexed`` or ``keyed``; a text's value stands under "0". None: declared, not set."""

    kind: str = "text"
    values: dict[str, str] = field(default_factory=dict)
    exported: bool = False
    readonly: bool = False

    def copy(self) -> Variable:
        return Variable(self.kind, dict(self.values), self.exported, self.readonly)

    def ordered(self) -> list[tuple[str, str]]:
        """Keys and values, by number for indexed arrays."""
        if self.kind == "indexed":
            return sorted(self.values.items(), key=lambda item: int(item[0]))
        return list(self.values.items())


class Variables:
    """A stack of scopes; a function's locals hide what is below (dynamic scope, as bash has it)."""

    def __init__(self, scopes: list[dict[str, Variable]] | None = None) -> None:
        self.scopes: list[dict[str, Variable]] = scopes or [{}]

    def copy(self) -> Variables:
        return Variables([{name: v.copy() for name, v in scope.items()} for scope in self.scopes])

    def find(self, name: str) -> Variable | None:
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def writable(self, name: str) -> Variable:
        """The variable to write to, made in the outermost scope when there is none.

        Raises:
            ReadOnly: it must not be written.
        """
        found = self.find(name)
        if found is None:
            found = self.scopes[0].setdefault(name, Variable())
        if found.readonly:
            raise ReadOnly(name)
        return found

    def declare(self, name: str, *, local: bool, kind: str | None = None) -> Variable:
        """The variable of a declaration, new in this scope for ``local``."""
        if local:
            found = self.scopes[-1].get(name)
            if found is None:
                above = self.find(name)
                if above is not None and above.readonly:
                    raise ReadOnly(name)
                found = self.scopes[-1].setdefault(name, Variable())
        else:
            found = self.find(name) or self.scopes[0].setdefault(name, Variable())
        if kind and found.kind == "text":
            found.kind = kind
        return found

    def text(self, name: str) -> str | None:
        """The value of a name without subscript; None when it is not set."""
        found = self.find(name)
        return None if found is None else found.values.get("0")

    def set(self, name: str, value: str) -> None:
        self.writable(name).values["0"] = value

    def unset(self, name: str) -> None:
        for scope in reversed(self.scopes):
            if name in scope:
                if scope[name].readonly:
                    raise ReadOnly(name)
                del scope[name]
                return

    def exported(self) -> dict[str, str]:
        """The environment of programs."""
        seen: dict[str, str] = {}
        for scope in self.scopes:
            for name, variable in scope.items():
                if variable.exported and "0" in variable.values and variable.kind == "text":
                    seen[name] = variable.values["0"]
                else:
                    seen.pop(name, None)
        return seen
