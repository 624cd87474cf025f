"""Walking the tree: every node with the statements and functions around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace

from provision.rehearsal.powershell import syntax
from provision.rehearsal.powershell.syntax import Node

_LOOPS = (syntax.While, syntax.DoLoop, syntax.For, syntax.ForEach, syntax.Switch)


@dataclass(frozen=True)
class Around:
    """What stands around a node.

    Attributes:
        loop: inside a loop or switch of the same block.
        calm: ``$ErrorActionPreference = 'Continue'`` was set before, in the same function or script.
        function: the function's block, None at the top of a script.
        own: names that a function has set before, in lower case.
    """

    loop: bool = False
    calm: bool = False
    function: syntax.Block | None = None
    own: frozenset[str] = field(default_factory=frozenset)


_names: dict[str, tuple[str, ...]] = {}


def _below(node: Node) -> tuple[str, ...]:
    """The fields of a node that can hold nodes."""
    kind = type(node).__name__
    if kind not in _names:
        _names[kind] = tuple(f.name for f in fields(node) if f.name not in ("line", "source", "text"))
    return _names[kind]


def children(node: Node) -> Iterator[Node | tuple[object, ...]]:
    """The nodes and groups of nodes directly below."""
    for name in _below(node):
        value = getattr(node, name)
        if isinstance(value, (Node, tuple)):
            yield value


def walk(item: object, around: Around | None = None) -> Iterator[tuple[Node, Around]]:
    """All nodes below and with ``item``, from the top, in order."""
    around = around or Around()
    if isinstance(item, tuple):
        yield from _group(item, around)
        return
    if not isinstance(item, Node):
        return
    yield item, around
    if isinstance(item, syntax.Function):
        around = Around(function=item.block, calm=False, own=_declared(item.block))
    elif isinstance(item, syntax.BlockLiteral):
        around = Around(False, around.calm, around.function, around.own | _declared(item.block))
    elif isinstance(item, _LOOPS):
        named = {item.variable.name.lower()} if isinstance(item, syntax.ForEach) else set()
        around = Around(True, around.calm, around.function, around.own | named)
    if isinstance(item, syntax.For) and isinstance(item.start, syntax.Assign):
        around = replace(around, own=around.own | set(assigned(item.start.target)))
    for child in children(item):
        yield from walk(child, around)
        if isinstance(item, syntax.Block) and child is item.begin:
            for statement in item.begin:
                around = _after(statement, around)


def _group(items: tuple[object, ...], around: Around) -> Iterator[tuple[Node, Around]]:
    for item in items:
        yield from walk(item, around)
        if isinstance(item, syntax.Statement):
            around = _after(item, around)


def _after(statement: syntax.Statement, around: Around) -> Around:
    """What the statements behind this one see."""
    calm = around.calm
    own = set(around.own)
    for node, inner in walk(statement, Around(function=around.function)):
        if isinstance(node, syntax.Assign) and inner.function is around.function:
            for name in assigned(node.target):
                own.add(name)
            if "erroractionpreference" in assigned(node.target) and node is statement:
                calm = (assigned_text(node) or "").lower() == "continue"
        elif isinstance(node, syntax.ForEach):
            own.add(node.variable.name.lower())
    return Around(around.loop, calm, around.function, frozenset(own))


def _declared(block: syntax.Block) -> frozenset[str]:
    return frozenset(p.name.lower() for p in block.parameters)


def assigned(target: Node) -> list[str]:
    """The plain variables that an assignment sets, in lower case."""
    if isinstance(target, syntax.Var):
        return [target.name.lower()] if not target.scope else []
    if isinstance(target, syntax.Cast):
        return assigned(target.operand)
    if isinstance(target, syntax.ArrayLiteral):
        return [name for item in target.items for name in assigned(item)]
    return []


def constant(statement: syntax.Statement) -> object:
    """The literal that a statement is, None for anything else."""
    if isinstance(statement, syntax.Pipeline) and len(statement.elements) == 1:
        element = statement.elements[0]
        if isinstance(element, syntax.ExpressionElement) and isinstance(element.expression, syntax.Const):
            return element.expression.value
    return None


def assigned_text(node: syntax.Assign) -> str | None:
    """The literal text that an assignment gives."""
    value = constant(node.value)
    return value if isinstance(value, str) else None


def argument_of(command: syntax.Command, name: str) -> bool:
    """Whether a parameter is written out, or could be in what is splatted."""
    folded = name.lower()
    return any(
        isinstance(a, syntax.Splat) or (isinstance(a, syntax.Parameter) and a.name.lower() == folded)
        for a in command.arguments
    )


def command_name(command: syntax.Command) -> str | None:
    """The literal name of a command, None when it is computed."""
    name = command.name
    if isinstance(name, syntax.Const):
        return name.value if isinstance(name.value, str) else name.source
    return None
