"""What scripts of the subset do not use: traps of Windows PowerShell 5.1, and what the interpreter does not reproduce.

The rules are those of "what a real PowerShell did" (tests/data/powershell-recordings) and of Microsoft's reference.
Each finding names its construct; the names are stable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from provision.rehearsal.powershell import dotnet, lint_data, methods, own_commands, syntax
from provision.rehearsal.powershell.convert import float_text, text
from provision.rehearsal.powershell.functions import KNOWN_ATTRIBUTES
from provision.rehearsal.powershell.parse import ParseError, parse
from provision.rehearsal.powershell.table import command_row
from provision.rehearsal.powershell.types import enum_member, type_of
from provision.rehearsal.powershell.walk import (
    Around,
    argument_of,
    assigned,
    assigned_text,
    command_name,
    walk,
)


@dataclass(frozen=True, order=True)
class Finding:
    """One place that the subset refuses.

    Args:
        line: from 1.
        construct: stable name of what was met.
        why: one line for the script's author.
    """

    line: int
    construct: str
    why: str


Rule = Callable[[syntax.Node, Around], Iterator[tuple[str, str]]]
_JINJA = re.compile(r"\{\{\s*[\w.]+[^{}]*\}\}|\{%.*?%\}")


def lint(script: str) -> list[Finding]:
    """Everything in a script that the subset refuses, by line."""
    found: list[Finding] = []
    for number, line in enumerate(script.splitlines(), 1):
        if not line.isascii():
            found.append(Finding(number, "non-ascii", "5.1 reads a file without a mark as ANSI: keep to ASCII"))
        if _JINJA.search(line):
            found.append(Finding(number, "jinja-leftover", "a piece of the template was not rendered"))
    try:
        tree = parse(script)
    except ParseError as problem:
        return sorted([*found, Finding(problem.line, problem.construct, problem.why)])
    for node, around in walk(tree.block):
        for rule in _RULES.get(type(node), ()):
            found += [Finding(node.line, construct, why) for construct, why in rule(node, around)]
    return sorted(set(found))


def unknown_commands(script: str) -> list[Finding]:
    """Commands and parameters of a script that are neither its own nor in the table.

    Raises:
        ParseError: the script does not parse.
    """
    tree = parse(script)
    nodes = [node for node, _ in walk(tree.block)]
    functions = {node.name.lower() for node in nodes if isinstance(node, syntax.Function)}
    found: list[Finding] = []
    for node in nodes:
        if not isinstance(node, syntax.Command):
            continue
        name = command_name(node)
        if name is None or name.lower() in functions or lint_data.is_program(name):
            continue
        row = command_row(name)
        if row is None:
            found.append(Finding(node.line, "unknown-command", f"{name} is not in the table of commands"))
            continue
        for argument in node.arguments:
            if isinstance(argument, syntax.Parameter):
                matching = row.match(argument.name)
                exact = any(argument.name.lower() in (m.name.lower(), *map(str.lower, m.aliases)) for m in matching)
                if not exact:
                    why = f"{row.name} has no parameter -{argument.name}; abbreviations are written out"
                    found.append(Finding(node.line, "unknown-parameter", why))
    return found


# --- commands


def _names(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, syntax.Command)
    name = command_name(node)
    if name is None:
        return
    folded = name.lower()
    if folded in lint_data.ALIASES:
        yield "alias", f"{name} is an alias of {lint_data.ALIASES[folded]}: write the name, or .exe for the program"
    elif command_row(name) is None and "-" not in name and "." not in name and command_row("Get-" + name):
        yield "implicit-get", f"{name} runs Get-{name}: write it out"
    if any(name.lower() == refused.lower() for refused in own_commands.REFUSED):
        yield "command-left-out", f"{name} is not in the subset"
    if node.tight and not node.call:
        yield "call-with-parentheses", f"{name}(...) passes one list: separate arguments by blanks"


def _redirections(node: syntax.Node, around: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, (syntax.Command, syntax.ExpressionElement))
    for redirect in node.redirects:
        if redirect.target is not None:
            yield "redirection", "nothing but 2>&1 redirects: 5.1 makes errors of redirected lines, and writes UTF-16"
        elif not around.calm:
            yield "redirection-under-stop", "set $ErrorActionPreference = 'Continue' before, in the same function"


def _program(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    """Arguments that a program would not get as they are written."""
    assert isinstance(node, syntax.Command)
    name = command_name(node)
    if isinstance(node.name, syntax.BlockLiteral) or (name is not None and not lint_data.is_program(name)):
        return
    if name is None and not node.call:
        return
    for argument in node.arguments:
        if isinstance(argument, syntax.BlockLiteral):
            yield "bare-braces", "bare braces are a script block: quote the word"
        elif isinstance(argument, syntax.ArrayLiteral):
            yield "comma-in-argument", "quote an argument with a comma"
        elif isinstance(argument, syntax.Const) and isinstance(argument.value, str):
            yield from _literal(argument)


def _literal(argument: syntax.Const) -> Iterator[tuple[str, str]]:
    value = str(argument.value)
    if not value:
        yield "empty-argument", "an empty argument vanishes: '\"\"' passes one"
    elif value != '""' and re.search(r'(?<!\\)(?:\\\\)*"', value):
        yield "lost-quotes", 'double quotes do not arrive: write \\" inside, or hand over a file'
    if value.endswith("\\") and re.search(r"\s", value):
        yield "trailing-backslash", "a blank and a last backslash swallow the next argument in 5.1"


def _words(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    """Bare words whose value is not what they look like."""
    assert isinstance(node, syntax.Command)
    for argument in node.arguments:
        if isinstance(argument, syntax.Parameter) and "$" in argument.name:
            yield "single-dash-variable", f"-{argument.name} is not expanded: quote the word"
        elif isinstance(argument, syntax.Expand) and argument.bare and _holds_property(argument):
            yield "property-in-argument", f'{argument.source} passes the object and the text: use "$( )"'


def _holds_property(argument: syntax.Expand) -> bool:
    return any(_property(argument.parts, at) for at in range(len(argument.parts)))


def _property(parts: tuple[str | syntax.Node, ...], at: int) -> bool:
    following = parts[at + 1] if at + 1 < len(parts) else ""
    return (
        isinstance(parts[at], syntax.Var)
        and isinstance(following, str)
        and bool(re.match(r"\.[A-Za-z_]|\[", following))
    )


def _numbers(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    """A bare number keeps its spelling only as an argument of its own."""
    assert isinstance(node, (syntax.Const, syntax.ArrayLiteral))
    if isinstance(node, syntax.ArrayLiteral):
        candidates = [item for item in node.items if isinstance(item, syntax.Const) and item.bare]
    else:
        candidates = [] if node.bare else [node]
    for candidate in candidates:
        value, source = candidate.value, candidate.source
        if isinstance(value, float):
            lost = "e" not in source.lower() and float_text(abs(value)) != source.lstrip("-")
        else:
            lost = isinstance(value, int) and re.fullmatch(r"-?0\d+", source) is not None
        if lost and value != 0:
            yield "lost-spelling", f"{source} becomes {text(value)}: quote a version"


def _asks(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, syntax.Command)
    name = (command_name(node) or "").lower()
    if name in lint_data.ASKING and not argument_of(node, "Confirm"):
        yield "asks-for-confirmation", "nobody can answer: -Confirm:$false"
    if name == "invoke-webrequest" and not argument_of(node, "UseBasicParsing"):
        yield "no-basic-parsing", "5.1 asks Internet Explorer's engine without -UseBasicParsing"
    if name == "convertto-json" and not argument_of(node, "Compress"):
        yield "json-uncompressed", "5.1 indents in its own way: -Compress"
    if name == "convertto-json" and argument_of(node, "EnumsAsStrings"):
        yield "unknown-parameter", "ConvertTo-Json of 5.1 has no -EnumsAsStrings"


def _delay_bind(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, syntax.Command)
    row = command_row(command_name(node) or "")
    if row is None or row.name in own_commands.NAMES:
        return
    values = [a.value if isinstance(a, syntax.Parameter) else a for a in node.arguments]
    if any(isinstance(value, syntax.BlockLiteral) for value in values):
        yield "delay-bind", f"a block as an argument of {row.name}: compute the value before"


def _block_arguments(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    """``param``, ``process`` and friends in a block that runs for each object."""
    assert isinstance(node, syntax.Command)
    if (command_name(node) or "").lower() not in ("foreach-object", "where-object"):
        return
    for argument in node.arguments:
        value = argument.value if isinstance(argument, syntax.Parameter) else argument
        if isinstance(value, syntax.BlockLiteral) and (value.block.parameters or value.block.process is not None):
            yield "parameters-in-block", "a block for each object takes $_ and has no parts"


# --- expressions


def _types(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, (syntax.TypeLiteral, syntax.Cast))
    name = node.type if isinstance(node, syntax.Cast) else node.name
    if type_of(name) is None:
        yield "unknown-type", f"[{name}] is not in the closed list of types"


def _members(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, (syntax.Member, syntax.Call))
    if not isinstance(node.name, str):
        if isinstance(node, syntax.Call):
            yield "dynamic-method", "a method by a computed name"
        return
    folded = node.name.lower()
    if node.static and isinstance(node.target, syntax.TypeLiteral):
        full = type_of(node.target.name)
        if full is None:
            return
        table = dotnet.METHODS if isinstance(node, syntax.Call) else dotnet.PROPERTIES
        constructed = folded == "new" and isinstance(node, syntax.Call)
        if folded not in table.get(full, {}) and not enum_member(full, node.name) and not constructed:
            yield "unknown-static-member", f"[{full}]::{node.name} is not in the closed list"
    elif isinstance(node, syntax.Call) and folded not in methods.NAMES and folded not in lint_data.NATIVE_METHODS:
        yield "unknown-method", f".{node.name}() is not in the closed list of methods"


def _strings(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    """``"$x.Name"`` where ``$x.Name`` is asked for elsewhere is found by `_property_in_string`."""
    assert isinstance(node, syntax.Block)
    yield from _property_in_string(node)


def _property_in_string(block: syntax.Block) -> Iterator[tuple[str, str]]:
    members: set[tuple[str, str]] = set()
    texts: list[tuple[str, str]] = []
    for node, _ in walk(block):
        if isinstance(node, syntax.Member) and isinstance(node.target, syntax.Var) and isinstance(node.name, str):
            members.add((node.target.name.lower(), node.name.lower()))
        elif isinstance(node, syntax.Expand) and not node.bare:
            for part, following in zip(node.parts, node.parts[1:], strict=False):
                if isinstance(part, syntax.Var) and isinstance(following, str):
                    found = re.match(r"\.([A-Za-z_]\w*)", following)
                    if found:
                        texts.append((part.name.lower(), found.group(1).lower()))
    for name, member in texts:
        if (name, member) in members:
            yield "property-in-string", f'"${name}.{member}" is the object and a text: use $( )'


# --- statements


def _assignments(node: syntax.Node, around: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, syntax.Assign)
    names = assigned(node.target)
    if "erroractionpreference" in names and (assigned_text(node) or "").lower() in ("silentlycontinue", "ignore"):
        yield "silent-preference", "it swallows even throw: -ErrorAction SilentlyContinue at the one command"
    if node.op != "=" and around.function is not None:
        yield from _outer(names, around)


def _steps(node: syntax.Node, around: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, syntax.Step)
    if around.function is not None:
        yield from _outer(assigned(node.target), around)


def _outer(names: list[str], around: Around) -> Iterator[tuple[str, str]]:
    for name in names:
        if name not in around.own:
            yield "outer-variable-changed", f"+= and ++ see no outer ${name} in a function: use $script:{name}"


def _jumps(node: syntax.Node, around: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, syntax.Jump)
    if not around.loop:
        yield "break-outside-loop", f"{node.kind} outside of a loop ends the whole script silently"


def _attributes(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, syntax.Attribute)
    if node.name.lower() not in KNOWN_ATTRIBUTES:
        yield "unknown-attribute", f"[{node.name}()] is not in the subset"
    for key, _value in node.named:
        if key == "valuefromremainingarguments":
            yield "remaining-arguments", "flags that fit the function's own parameters are taken by it"
        if key == "parametersetname":
            yield "parameter-sets", "parameter sets of functions are not in the subset"


def _exits(node: syntax.Node, _: Around) -> Iterator[tuple[str, str]]:
    assert isinstance(node, syntax.Exit)
    from provision.rehearsal.powershell.walk import constant

    value = constant(node.value) if node.value is not None else None
    if isinstance(value, str) and not re.fullmatch(r"\d+", text(value)):
        yield "exit-text", "exit with a text ends with 0"


_RULES: dict[type, tuple[Rule, ...]] = {
    syntax.Command: (_names, _redirections, _program, _words, _asks, _delay_bind, _block_arguments),
    syntax.ExpressionElement: (_redirections,),
    syntax.Const: (_numbers,),
    syntax.ArrayLiteral: (_numbers,),
    syntax.TypeLiteral: (_types,),
    syntax.Cast: (_types,),
    syntax.Member: (_members,),
    syntax.Call: (_members,),
    syntax.Block: (_strings,),
    syntax.Assign: (_assignments,),
    syntax.Step: (_steps,),
    syntax.Jump: (_jumps,),
    syntax.Attribute: (_attributes,),
    syntax.Exit: (_exits,),
}
