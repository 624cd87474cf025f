"""The syntax tree: small frozen nodes, each with its line."""

from __future__ import annotations

from dataclasses import dataclass

# Operators that a c before them makes sensitive to case, an i insensitive.
CASED = frozenset(
    (
        "eq", "ne", "lt", "le", "gt", "ge", "like", "notlike", "match", "notmatch", "contains", "notcontains", "in",
        "notin", "replace", "split",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    line: int


# --- expressions


@dataclass(frozen=True, slots=True, eq=False)
class Const(Node):
    """A literal; ``source`` is its spelling, ``bare`` tells an unquoted word or number of a command."""

    value: object
    source: str = ""
    bare: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Expand(Node):
    """Text with values in it; ``bare`` as for `Const`, ``source`` is its spelling."""

    parts: tuple[str | Node, ...]
    bare: bool = False
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Var(Node):
    """``$name``, ``$scope:name``, ``$env:NAME``; scope in lower case."""

    name: str
    scope: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ArrayLiteral(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ArrayOf(Node):
    """``@( )``."""

    body: Body


@dataclass(frozen=True, slots=True, eq=False)
class Sub(Node):
    """``$( )``."""

    body: Body


@dataclass(frozen=True, slots=True, eq=False)
class Paren(Node):
    body: Statement


@dataclass(frozen=True, slots=True, eq=False)
class HashLiteral(Node):
    pairs: tuple[tuple[Node, Statement], ...]


@dataclass(frozen=True, slots=True, eq=False)
class BlockLiteral(Node):
    block: Block
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Node):
    op: str
    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Node):
    """``op`` without the dash, in lower case (``ceq``, ``match``, ``+``, ``..``)."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, eq=False)
class Cast(Node):
    type: str
    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class TypeLiteral(Node):
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Member(Node):
    target: Node
    name: str | Node
    static: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Call(Node):
    target: Node
    name: str | Node
    arguments: tuple[Node, ...]
    static: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Index(Node):
    target: Node
    index: Node


@dataclass(frozen=True, slots=True, eq=False)
class Step(Node):
    """``++`` and ``--``; ``delta`` is 1 or -1."""

    target: Node
    delta: int
    prefix: bool


# --- commands


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Node):
    """``-Name``; ``value`` only behind a colon, ``spaced`` when a blank stands between."""

    name: str
    text: str
    value: Node | None = None
    spaced: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Splat(Node):
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Redirect(Node):
    """``stream`` is 1-6 or ``*``; ``target`` None merges into output (``2>&1``)."""

    stream: str
    target: Node | None
    append: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Command(Node):
    """``call`` is the operator: empty, ``&`` or ``.``; ``tight`` when a parenthesis touches the name."""

    name: Node
    call: str
    arguments: tuple[Node, ...]
    redirects: tuple[Redirect, ...] = ()
    tight: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ExpressionElement(Node):
    expression: Node
    redirects: tuple[Redirect, ...] = ()


# --- statements


@dataclass(frozen=True, slots=True, eq=False)
class Statement(Node):
    pass


Body = tuple[Statement, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline(Statement):
    elements: tuple[Command | ExpressionElement, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Assign(Statement):
    target: Node
    op: str
    value: Statement


@dataclass(frozen=True, slots=True, eq=False)
class If(Statement):
    clauses: tuple[tuple[Statement, Body], ...]
    otherwise: Body | None


@dataclass(frozen=True, slots=True, eq=False)
class While(Statement):
    condition: Statement
    body: Body
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DoLoop(Statement):
    body: Body
    condition: Statement
    until: bool
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class For(Statement):
    start: Statement | None
    condition: Statement | None
    step: Statement | None
    body: Body
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ForEach(Statement):
    variable: Var
    items: Statement
    body: Body
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Switch(Statement):
    """``kind`` is exact, wildcard or regex; a clause's pattern is None for ``default``."""

    subject: Statement
    kind: str
    case: bool
    clauses: tuple[tuple[Node | None, Body], ...]
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Catch(Node):
    types: tuple[str, ...]
    body: Body


@dataclass(frozen=True, slots=True, eq=False)
class Try(Statement):
    body: Body
    catches: tuple[Catch, ...]
    last: Body | None


@dataclass(frozen=True, slots=True, eq=False)
class Throw(Statement):
    value: Statement | None


@dataclass(frozen=True, slots=True, eq=False)
class Return(Statement):
    value: Statement | None


@dataclass(frozen=True, slots=True, eq=False)
class Exit(Statement):
    value: Statement | None


@dataclass(frozen=True, slots=True, eq=False)
class Jump(Statement):
    """``break`` or ``continue``."""

    kind: str
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Function(Statement):
    name: str
    block: Block
    filter: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Attribute(Node):
    """``[Name(positional, key = value)]``."""

    name: str
    arguments: tuple[Node, ...] = ()
    named: tuple[tuple[str, Node | None], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ParameterDeclaration(Node):
    name: str
    type: str | None
    default: Node | None
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Block(Node):
    """A script, function or script block: either only ``end``, or the three named parts."""

    parameters: tuple[ParameterDeclaration, ...]
    begin: Body
    process: Body | None
    end: Body
    binding: bool = False  # [CmdletBinding()] or a [Parameter()] attribute


@dataclass(frozen=True, slots=True, eq=False)
class Script(Node):
    block: Block
    text: str
    requires: tuple[int, ...] = ()
