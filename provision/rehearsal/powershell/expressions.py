"""Expressions: each kind of node has one function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from provision.rehearsal.powershell import dotnet, syntax
from provision.rehearsal.powershell.convert import convert, text, to_number, truth, unwrap
from provision.rehearsal.powershell.faults import ScriptError, Unsupported, error
from provision.rehearsal.powershell.members import (
    PropertyList,
    call_method,
    get_member,
    set_member,
    type_value,
)
from provision.rehearsal.powershell.operators import arithmetic, comparison, formatted, join, split_words
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.state import State
from provision.rehearsal.powershell.syntax import Node, Statement
from provision.rehearsal.powershell.types import type_of
from provision.rehearsal.powershell.values import Char, Hashtable, Record, ScriptBlock, TypeValue

Evaluate = Callable[[Any, Any], object]
_MAX_RANGE = 100_000


def each(value: object) -> list[object]:
    """The elements that a value is in a pipeline or a loop."""
    if value is NOTHING:
        return []
    if isinstance(value, list):
        return list(value)
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, PropertyList):
        return value.entries()
    return [value]


def collapse(values: list[object]) -> object:
    """What several outputs are as one value."""
    if not values:
        return NOTHING
    return values[0] if len(values) == 1 else values


class Expressions(State, ABC):
    """Evaluation of expressions."""

    @abstractmethod
    def statement(self, node: Statement) -> None: ...

    @abstractmethod
    def unjudged(self, node: Statement) -> None: ...

    @abstractmethod
    def body(self, body: syntax.Body) -> None: ...

    def raw(self, node: Node) -> object:
        """The value of an expression; `NOTHING` stays what it is."""
        return _EVALUATE[type(node)](self, node)

    def value(self, node: Node) -> object:
        """The value of an expression, null for nothing."""
        found = _EVALUATE[type(node)](self, node)
        return None if found is NOTHING else found

    def collect(self, body: syntax.Body) -> list[object]:
        """The outputs of statements."""
        found: list[object] = []
        with self.sink(found.append):
            self.body(body)
        return found

    def statement_value(self, node: Statement) -> object:
        """The value of a statement: of one expression as it is, else its outputs collapsed."""
        if isinstance(node, syntax.Pipeline) and len(node.elements) == 1:
            only = node.elements[0]
            if isinstance(only, syntax.ExpressionElement) and not only.redirects:
                self.line = node.line
                found = self.raw(only.expression)
                self.ok = True
                return found
        if isinstance(node, syntax.Assign):
            return self.assignment(node)
        found_all: list[object] = []
        with self.sink(found_all.append):
            self.unjudged(node)
        return collapse(found_all)

    def condition(self, node: Statement) -> bool:
        found = self.statement_value(node)
        return truth(None if found is NOTHING else found)

    # --- literals

    def _const(self, node: syntax.Const) -> object:
        return node.value

    def _expand(self, node: syntax.Expand) -> str:
        parts = []
        for part in node.parts:
            if isinstance(part, str):
                parts.append(part)
            elif isinstance(part, syntax.Sub):
                found = collapse(self.collect(part.body))
                parts.append("" if found is NOTHING else text(found, self._separator()))
            else:
                parts.append(text(self.value(part), self._separator()))
        return "".join(parts)

    def _separator(self) -> str:
        return text(self.lookup("OFS", "", 0))

    def _var(self, node: syntax.Var) -> object:
        return self.lookup(node.name, node.scope, node.line)

    def _array_literal(self, node: syntax.ArrayLiteral) -> object:
        return [self.value(item) for item in node.items]

    def _array_of(self, node: syntax.ArrayOf) -> object:
        return self.collect(node.body)

    def _sub(self, node: syntax.Sub) -> object:
        found = collapse(self.collect(node.body))
        self.ok = True
        return found

    def _paren(self, node: syntax.Paren) -> object:
        found = self.statement_value(node.body)
        self.ok = True
        return found

    def _hash(self, node: syntax.HashLiteral, ordered: bool = False) -> Hashtable:
        table = Hashtable(ordered=ordered)
        for key, statement in node.pairs:
            named = unwrap(self.value(key))
            if named in table:
                raise error(f"Duplicate key '{text(named)}'", "DuplicateKeyInHashLiteral", line=node.line)
            found = self.statement_value(statement)
            table[named] = None if found is NOTHING else found
        return table

    def _block(self, node: syntax.BlockLiteral) -> ScriptBlock:
        return ScriptBlock(node.block, node.text)

    # --- operators

    def _unary(self, node: syntax.Unary) -> object:
        if node.op == "not":
            return not truth(self.value(node.operand))
        operand = self.value(node.operand)
        if node.op in ("split", "isplit", "csplit"):
            return split_words(operand)
        if node.op == "join":
            return join(operand, "")
        if node.op == "bnot":
            return ~int(to_number(operand))
        return arithmetic("-" if node.op == "-" else "+", 0, operand)

    def _binary(self, node: syntax.Binary) -> object:
        op = node.op
        if op in ("and", "or"):
            left = truth(self.value(node.left))
            if left == (op == "or"):
                return left
            return truth(self.value(node.right))
        left_value, right_value = self.value(node.left), self.value(node.right)
        if op == "xor":
            return truth(left_value) != truth(right_value)
        if op in "+-*/%":
            return arithmetic(op, left_value, right_value)
        if op == "f":
            return formatted(left_value, right_value)
        if op == "..":
            return self._range(left_value, right_value)
        if op in ("band", "bor", "bxor"):
            a, b = int(to_number(left_value)), int(to_number(right_value))
            return a & b if op == "band" else a | b if op == "bor" else a ^ b
        return comparison(op, left_value, right_value, self)

    def _range(self, left: object, right: object) -> list[object]:
        first, last = int(to_number(left)), int(to_number(right))
        if abs(last - first) > _MAX_RANGE:
            raise Unsupported("a range of over 100,000 numbers", self.line)
        return list(range(first, last + 1)) if first <= last else list(range(first, last - 1, -1))

    def _cast(self, node: syntax.Cast) -> object:
        folded = node.type.lower()
        if isinstance(node.operand, syntax.HashLiteral):
            if folded == "ordered":
                return self._hash(node.operand, True)
            if folded in ("pscustomobject", "psobject"):
                return Record({text(k): v for k, v in self._hash(node.operand, True).items()})
        full = type_of(node.type)
        if full is None or folded == "ordered":
            raise error(f"Unable to find type [{node.type}].", "TypeNotFound", line=node.line)
        operand = self.value(node.operand)
        return NOTHING if full == "System.Void" else convert(operand, full)

    def _type(self, node: syntax.TypeLiteral) -> TypeValue:
        return type_value(node.name, node.line)

    # --- members and indexes

    def _name(self, name: str | Node) -> str:
        return name if isinstance(name, str) else text(self.value(name))

    def _member(self, node: syntax.Member) -> object:
        if node.static and isinstance(node.target, syntax.TypeLiteral):
            full = type_value(node.target.name, node.line).full
            return dotnet.static_property(self, full, self._name(node.name))  # type: ignore[arg-type]
        target = self.value(node.target)
        return get_member(target, self._name(node.name), self.scope.is_strict)

    def _call(self, node: syntax.Call) -> object:
        if node.static and isinstance(node.target, syntax.TypeLiteral):
            full = type_value(node.target.name, node.line).full
            arguments = [self.value(argument) for argument in node.arguments]
            return dotnet.static_method(self, full, self._name(node.name), arguments)  # type: ignore[arg-type]
        target = self.value(node.target)
        arguments = [self.value(argument) for argument in node.arguments]
        return call_method(self, target, self._name(node.name), arguments)  # type: ignore[arg-type]

    def _index(self, node: syntax.Index) -> object:
        target, index = self.value(node.target), unwrap(self.value(node.index))
        if target is None:
            raise error("Cannot index into a null array.", "NullArray", line=node.line)
        if isinstance(target, PropertyList):
            return target.index(index)
        if isinstance(target, Hashtable):
            if target.ordered and isinstance(index, int) and index not in target:
                values = target.values()
                return values[index] if 0 <= index < len(values) else None
            return [target.get(key) for key in index] if isinstance(index, list) else target.get(index)
        if isinstance(index, list):
            return [found for one in index for found in [self._element(target, one)] if found is not NOTHING]
        found = self._element(target, index)
        return None if found is NOTHING else found

    def _element(self, target: object, index: object) -> object:
        if not isinstance(target, (list, str, bytes)):
            if isinstance(target, Record):
                raise error("Unable to index into an object.", "CannotIndex")
            target = [target]
        at = int(to_number(index))
        if not -len(target) <= at < len(target):
            if self.scope.is_strict:
                message = "Index was outside the bounds of the array."
                raise error(message, "System.IndexOutOfRangeException", "System.IndexOutOfRangeException")
            return NOTHING
        found = target[at]
        return Char(found) if isinstance(target, str) else found

    # --- assignment

    def assignment(self, node: syntax.Assign) -> object:
        """Assign, and give the value."""
        target = node.target
        self.line = node.line
        value = self.statement_value(node.value)
        if node.op != "=":
            value = arithmetic(node.op[0], self._before(target), None if value is NOTHING else value)
        self.store(target, value)
        return value

    def _before(self, target: Node) -> object:
        """The old value for ``+=`` and ``++``: a function sees only a variable of its own there."""
        local = isinstance(target, syntax.Var) and not target.scope and self.scope.function_level
        if not local or target.name.lower() in self.scope.variables:  # type: ignore[attr-defined]
            return self.value(target)
        if self.scope.is_strict:
            raise Unsupported("+= or ++ of an outer variable in a function", target.line)
        return None

    def store(self, target: Node, value: object) -> None:
        """Put a value into a variable, member, element, or several of them."""
        if isinstance(target, syntax.Var):
            self.assign(target.name, target.scope, unwrap(value), target.line)
        elif isinstance(target, syntax.Cast):
            self._store_typed(target, value)
        elif isinstance(target, syntax.Member):
            plain = None if value is NOTHING else unwrap(value)
            if target.static and isinstance(target.target, syntax.TypeLiteral):
                full = type_value(target.target.name, target.line).full
                dotnet.set_static(full, self._name(target.name))
                return
            set_member(self.value(target.target), self._name(target.name), plain)
        elif isinstance(target, syntax.Index):
            self._store_element(target, None if value is NOTHING else unwrap(value))
        elif isinstance(target, syntax.ArrayLiteral):
            items = each(value)
            count = len(target.items)
            for at, one in enumerate(target.items):
                if at == count - 1 and len(items) > count:
                    self.store(one, items[at:])
                else:
                    self.store(one, items[at] if at < len(items) else None)
        else:
            raise Unsupported("assignment to such an expression", target.line)

    def _store_typed(self, target: syntax.Cast, value: object) -> None:
        inner = target.operand
        if not isinstance(inner, syntax.Var):
            raise Unsupported("a type in front of what is no variable", target.line)
        full = type_of(target.type)
        if full is None:
            raise error(f"Unable to find type [{target.type}].", "TypeNotFound", line=target.line)
        self.assign(inner.name, inner.scope, convert(None if value is NOTHING else value, full), target.line)
        self.constrain(inner.name, target.type)

    def _store_element(self, target: syntax.Index, value: object) -> None:
        holder, index = self.value(target.target), unwrap(self.value(target.index))
        if holder is None:
            raise error("Cannot index into a null array.", "NullArray", line=target.line)
        if isinstance(holder, Hashtable):
            if holder.ordered and isinstance(index, int) and index not in holder:
                raise Unsupported("assignment to an ordered table by number", target.line)
            holder[index] = value
        elif isinstance(holder, list):
            at = int(to_number(index))
            if not -len(holder) <= at < len(holder):
                message = "Index was outside the bounds of the array."
                raise error(message, "System.IndexOutOfRangeException", "System.IndexOutOfRangeException")
            holder[at] = value
        else:
            raise Unsupported("assignment to an element of this", target.line)

    def _step(self, node: syntax.Step) -> object:
        """``++`` and ``--`` as a value."""
        before = unwrap(self._before(node.target))
        if before is not None and (isinstance(before, bool) or not isinstance(before, (int, float))):
            message = "The '++' operator works only on numbers."
            raise error(message, "OperatorRequiresNumber", line=node.line)
        after = arithmetic("+", before or 0, node.delta)
        self.store(node.target, after)
        return after if node.prefix else (before or 0)


_EVALUATE: dict[type, Evaluate] = {
    syntax.Const: Expressions._const,
    syntax.Expand: Expressions._expand,
    syntax.Var: Expressions._var,
    syntax.ArrayLiteral: Expressions._array_literal,
    syntax.ArrayOf: Expressions._array_of,
    syntax.Sub: Expressions._sub,
    syntax.Paren: Expressions._paren,
    syntax.HashLiteral: Expressions._hash,
    syntax.BlockLiteral: Expressions._block,
    syntax.Unary: Expressions._unary,
    syntax.Binary: Expressions._binary,
    syntax.Cast: Expressions._cast,
    syntax.TypeLiteral: Expressions._type,
    syntax.Member: Expressions._member,
    syntax.Call: Expressions._call,
    syntax.Index: Expressions._index,
    syntax.Step: Expressions._step,
}

__all__ = ["Expressions", "ScriptError", "collapse", "each"]
