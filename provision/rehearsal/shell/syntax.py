"""What a parsed script is made of. Words keep their source text; `words` takes them apart when they run."""

from __future__ import annotations

from dataclasses import dataclass, field

from provision.errors import ProvisionError


class Unsupported(ProvisionError):
    """A script uses something that the rehearsal's shell does not know; never run as if it were nothing."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(
            f"line {line}: {what} is outside the rehearsal's bash",
            remedy="write the script with the known constructs, or teach provision/rehearsal/shell this one",
        )
        self.line = line


@dataclass(frozen=True)
class Word:
    """A word as it stands in the script, quotes and all."""

    raw: str
    line: int


@dataclass(frozen=True)
class Assignment:
    """``name=value``, ``name[index]=value``, ``name+=value`` or ``name=(a b c)``."""

    name: str
    index: Word | None
    append: bool
    value: Word | tuple[Word, ...]
    line: int


@dataclass(frozen=True)
class Redirect:
    """One redirection; ``operator`` is ``<``, ``>``, ``>>``, ``>|``, ``<&``, ``>&``, ``&>``, ``&>>``, ``<<``, ``<<<``.

    A here-document's body is the target's text; ``literal`` when its delimiter was quoted.
    """

    fd: int
    operator: str
    target: Word
    literal: bool = False


@dataclass(frozen=True)
class Simple:
    assignments: tuple[Assignment, ...]
    words: tuple[Word | Assignment, ...]
    line: int
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Pipeline:
    parts: tuple[Node, ...]
    negated: bool
    line: int


@dataclass(frozen=True)
class AndOr:
    """``first`` and then (operator, node) pairs, from left to right."""

    first: Node
    rest: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Sequence:
    """Statements one after another; True marks those sent to the background."""

    statements: tuple[tuple[Node, bool], ...]


@dataclass(frozen=True)
class Group:
    body: Sequence
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Subshell:
    body: Sequence
    line: int
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class If:
    """(condition, body) pairs, then the else part."""

    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence | None
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Loop:
    """``while`` or ``until``."""

    condition: Sequence
    body: Sequence
    until: bool
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class For:
    """``values`` is None for ``for x; do``: the positional parameters."""

    name: str
    values: tuple[Word, ...] | None
    body: Sequence
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class CountingFor:
    """``for ((start; condition; step))``."""

    start: str
    condition: str
    step: str
    body: Sequence
    line: int
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Case:
    subject: Word
    items: tuple[tuple[tuple[Word, ...], Sequence], ...]
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Function:
    name: str
    body: Node


@dataclass(frozen=True)
class Condition:
    """``[[ ... ]]`` as its words."""

    words: tuple[Word, ...]
    line: int
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True)
class Arithmetic:
    """``(( ... ))``."""

    text: str
    line: int
    redirects: tuple[Redirect, ...] = ()


Node = (
    Simple
    | Pipeline
    | AndOr
    | Sequence
    | Group
    | Subshell
    | If
    | Loop
    | For
    | CountingFor
    | Case
    | Function
    | Condition
    | Arithmetic
)


@dataclass
class Text:
    """Part of a word: plain text; quoted text is neither split nor matched."""

    text: str
    quoted: bool


@dataclass
class Parameter:
    """Part of a word: ``$name`` or ``${...}``.

    Attributes:
        index: the source text in brackets (``@`` and ``*`` included), None without brackets.
        operator: ``:-``, ``-``, ``:=``, ``:+``, ``+``, ``:?``, ``?``, ``%``, ``%%``, ``#``, ``##``, ``/``, ``//``,
            ``:``, ``^^``, ``,,``, ``^``, ``,`` or empty.
        argument: the source text behind the operator.
        prefix: ``#`` (length) or ``!`` (keys of an array; a variable named by a variable).
    """

    name: str
    quoted: bool
    index: str | None = None
    operator: str = ""
    argument: str = ""
    prefix: str = ""


@dataclass
class CommandOutput:
    """Part of a word: ``$( ... )``."""

    source: str
    quoted: bool


@dataclass
class ArithmeticValue:
    """Part of a word: ``$(( ... ))``."""

    text: str
    quoted: bool


@dataclass
class ProcessInput:
    """Part of a word: ``<( ... )``."""

    source: str
    quoted: bool = field(default=False)


Part = Text | Parameter | CommandOutput | ArithmeticValue | ProcessInput
