# ruff: noqa: ARG001, ARG005 - builtins have one signature
"""The shell's own commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from provision.rehearsal.shell import builtins_text, conditions
from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.builtins_text import usage, write
from provision.rehearsal.shell.control import BreakLoop, ExitShell, ReturnFunction
from provision.rehearsal.shell.parse import parse

if TYPE_CHECKING:
    from provision.rehearsal.shell.interpreter import Shell

DECLARATIONS = ("declare", "typeset", "local", "export", "readonly")
UNKNOWN = frozenset(
    [
        "alias",
        "bg",
        "bind",
        "caller",
        "compgen",
        "complete",
        "dirs",
        "disown",
        "enable",
        "eval",
        "fc",
        "fg",
        "getopts",
        "hash",
        "help",
        "history",
        "jobs",
        "let",
        "logout",
        "popd",
        "pushd",
        "suspend",
        "times",
        "ulimit",
    ]
)
_OPTION_LETTERS = {"e": "errexit", "u": "nounset", "f": "noglob"}


def _set(shell: Shell, words: list[str], line: int) -> int:
    rest = words[1:]
    while rest:
        option = rest.pop(0)
        if option == "--":
            shell.positional = rest
            return 0
        if not re.fullmatch(r"[-+][a-zA-Z]+", option):
            shell.positional = [option, *rest]
            return 0
        for letter in option[1:]:
            on = option[0] == "-"
            if letter == "o":
                name = rest.pop(0) if rest else ""
                if name not in ("errexit", "nounset", "pipefail", "noglob"):
                    raise s.Unsupported(f"set {option[0]}o {name}", line)
                shell.options[name] = on
            elif letter in _OPTION_LETTERS:
                shell.options[_OPTION_LETTERS[letter]] = on
            else:
                raise s.Unsupported(f"set {option}", line)
    return 0


def _shopt(shell: Shell, words: list[str], line: int) -> int:
    if len(words) < 3 or words[1] not in ("-s", "-u"):
        raise s.Unsupported(" ".join(words), line)
    for name in words[2:]:
        if name not in ("nullglob", "inherit_errexit"):
            raise s.Unsupported(f"shopt {name}", line)
        shell.options[name] = words[1] == "-s"
    return 0


def declare(shell: Shell, name: str, arguments: list[str | s.Assignment], line: int) -> int:
    """``declare``, ``local``, ``export``, ``readonly``."""
    flags = ""
    while arguments and isinstance(arguments[0], str) and arguments[0].startswith("-"):
        flags += str(arguments.pop(0))[1:]
    if unknown := set(flags) - set("aAxrg"):
        raise s.Unsupported(f"{name} -{''.join(sorted(unknown))}", line)
    if not arguments:
        raise s.Unsupported(f"{name} without names", line)
    if name == "local" and not shell.depth:
        return usage(shell, [name], "can only be used in a function", 1)
    local = name == "local" or (name in ("declare", "typeset") and shell.depth > 0 and "g" not in flags)
    kind = "keyed" if "A" in flags else "indexed" if "a" in flags else None
    for argument in arguments:
        given = argument if isinstance(argument, s.Assignment) else _assignment(argument, line)
        expanded = given
        if isinstance(given, s.Assignment) and isinstance(given.value, s.Word) and isinstance(argument, s.Assignment):
            # Expanded before the new variable hides an outer one of the same name.
            value = shell.expand.text(given.value)
            expanded = s.Assignment(given.name, given.index, given.append, s.Word(_single(value), line), line)
        variable = shell.variables.declare(
            given.name if isinstance(given, s.Assignment) else given, local=local, kind=kind
        )
        if isinstance(expanded, s.Assignment):
            shell.set_variable(expanded)
        variable.exported = variable.exported or name == "export" or "x" in flags
        variable.readonly = variable.readonly or name == "readonly" or "r" in flags
    return 0


def _assignment(text: str, line: int) -> s.Assignment | str:
    name, equals, value = text.partition("=")
    return s.Assignment(name, None, False, s.Word(_single(value), line), line) if equals else name


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _unset(shell: Shell, words: list[str], line: int) -> int:
    for name in words[1:]:
        if name in ("-v", "-f"):
            continue
        element = re.fullmatch(r"(\w+)\[(.+)\]", name)
        if words[1] == "-f":
            shell.functions.pop(name, None)
        elif element:
            variable = shell.variables.find(element[1])
            if variable is not None:
                variable.values.pop(shell.expand.key(variable, element[2], line), None)
        else:
            shell.variables.unset(name)
    return 0


def _shift(shell: Shell, words: list[str], line: int) -> int:
    count = int(words[1]) if len(words) > 1 else 1
    if count > len(shell.positional):
        return 1
    shell.positional = shell.positional[count:]
    return 0


def _code(shell: Shell, words: list[str]) -> int:
    if len(words) < 2:
        return shell.status
    if not re.fullmatch(r"-?\d+", words[1]):
        shell.complain(f"{words[0]}: {words[1]}: numeric argument required")
        return 2
    return int(words[1]) & 255


def _exit(shell: Shell, words: list[str], line: int) -> int:
    raise ExitShell(_code(shell, words))


def _return(shell: Shell, words: list[str], line: int) -> int:
    if not shell.depth:
        return usage(shell, words, "can only `return' from a function or sourced script")
    raise ReturnFunction(_code(shell, words))


def _break(shell: Shell, words: list[str], line: int) -> int:
    if not shell.loops:
        return 0
    raise BreakLoop(int(words[1]) if len(words) > 1 else 1, words[0] == "continue")


def _cd(shell: Shell, words: list[str], line: int) -> int:
    if len(words) > 2 or words[1:] == ["-"]:
        raise s.Unsupported(" ".join(words), line)
    target = words[1] if len(words) == 2 else shell.variables.text("HOME") or "/root"
    path = shell.path(target) if target else shell.cwd
    try:
        folder = shell.box.files.stat(path).folder
    except (FileNotFoundError, NotADirectoryError):
        return usage(shell, words, f"{target}: No such file or directory", 1)
    if not folder:
        return usage(shell, words, f"{target}: Not a directory", 1)
    shell.cwd = path
    shell.assign("PWD", None, path)
    return 0


def _test(shell: Shell, words: list[str], line: int) -> int:
    arguments = words[1:]
    if words[0] == "[":
        if arguments[-1:] != ["]"]:
            return usage(shell, words, "missing `]'")
        arguments = arguments[:-1]
    try:
        return int(not conditions.single_brackets(shell, arguments, line))
    except conditions.BadTest as error:
        return usage(shell, words, str(error))


def _command(shell: Shell, words: list[str], line: int) -> int:
    if words[1:2] == ["-v"]:
        code = 1
        for name in words[2:]:
            found = _found(shell, name)
            if found:
                write(shell, found[1] + "\n")
                code = 0
        return code
    if len(words) > 1 and not words[1].startswith("-"):
        builtin = BUILTINS.get(words[1])
        return builtin(shell, words[1:], line) if builtin else shell.program(words[1:])
    raise s.Unsupported(" ".join(words), line)


def _found(shell: Shell, name: str) -> tuple[str, str] | None:
    if name in shell.functions:
        return "function", name
    if name in BUILTINS or name in DECLARATIONS or name in UNKNOWN:
        return "builtin", name
    path = shell.box.which(name)
    return ("file", path) if path else None


def _type(shell: Shell, words: list[str], line: int) -> int:
    if len(words) == 3 and words[1] in ("-t", "-P", "-p"):
        found = _found(shell, words[2])
        if words[1] != "-t":
            found = ("file", path) if (path := shell.box.which(words[2])) else None
        if found:
            write(shell, (found[0] if words[1] == "-t" else found[1]) + "\n")
        return 0 if found else 1
    code = 0
    for name in words[1:]:
        found = _found(shell, name)
        if not found:
            code = usage(shell, words, f"{name}: not found", 1)
        elif found[0] == "file":
            write(shell, f"{name} is {found[1]}\n")
        elif found[0] == "builtin":
            write(shell, f"{name} is a shell builtin\n")
        else:
            raise s.Unsupported(f"type {name} of a function", line)
    return code


def _wait(shell: Shell, words: list[str], line: int) -> int:
    code = 0
    for pid in words[1:] or list(shell.jobs):
        job = shell.jobs.pop(pid, None)
        if job is None:
            return usage(shell, words, f"pid {pid} is not a child of this shell", 127)
        while job.thread.is_alive() and not shell.box.killed.is_set():
            job.thread.join(0.05)
        code = job.code if words[1:] else 0
    return code


def _kill(shell: Shell, words: list[str], line: int) -> int:
    rest = [w for w in words[1:] if not w.startswith("-")]
    signals = [w for w in words[1:] if w.startswith("-")]
    if all(pid in shell.jobs for pid in rest):
        if signals == ["-0"]:
            return 0 if all(shell.jobs[pid].thread.is_alive() for pid in rest) else 1
        raise s.Unsupported("kill of a background command", line)
    return shell.program(words)


def _source(shell: Shell, words: list[str], line: int) -> int:
    if len(words) < 2:
        return usage(shell, words, "filename argument required")
    try:
        text = shell.box.files.read(shell.path(words[1])).decode()
    except FileNotFoundError:
        return usage(shell, words, f"{words[1]}: No such file or directory", 1)
    saved = shell.positional
    shell.positional = words[2:] or saved
    shell.depth += 1
    try:
        return shell.run(parse(text))
    except ReturnFunction as ended:
        return ended.code
    finally:
        shell.depth -= 1
        shell.positional = saved


def _trap(shell: Shell, words: list[str], line: int) -> int:
    rest = words[1:]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    if len(rest) < 2:
        raise s.Unsupported(" ".join(words), line)
    for name in rest[1:]:
        if name in ("INT", "TERM", "HUP", "SIGINT", "SIGTERM", "SIGHUP", "PIPE"):
            continue  # a killed session ends without its handlers, as with SIGKILL
        if name not in ("EXIT", "0"):
            raise s.Unsupported(f"trap on {name}", line)
        if rest[0] == "-":
            shell.traps.pop("EXIT", None)
        else:
            shell.traps["EXIT"] = rest[0]
    return 0


def _exec(shell: Shell, words: list[str], line: int) -> int:
    if len(words) == 1:
        return 0
    if words[1].startswith("-"):
        raise s.Unsupported(" ".join(words), line)
    raise ExitShell(shell.program(words[1:]))


def _pwd(shell: Shell, words: list[str], line: int) -> int:
    write(shell, f"{shell.cwd}\n")
    return 0


def _umask(shell: Shell, words: list[str], line: int) -> int:
    if len(words) != 2 or not re.fullmatch(r"0?[0-7]{3}", words[1]):
        raise s.Unsupported(" ".join(words), line)
    return 0


BUILTINS: dict[str, Callable[[Shell, list[str], int], int]] = {
    ":": lambda shell, words, line: 0,
    "true": lambda shell, words, line: 0,
    "false": lambda shell, words, line: 1,
    "echo": builtins_text.echo,
    "printf": builtins_text.printf,
    "read": builtins_text.read,
    "mapfile": builtins_text.mapfile,
    "readarray": builtins_text.mapfile,
    "set": _set,
    "shopt": _shopt,
    "unset": _unset,
    "shift": _shift,
    "exit": _exit,
    "return": _return,
    "break": _break,
    "continue": _break,
    "cd": _cd,
    "pwd": _pwd,
    "test": _test,
    "[": _test,
    "command": _command,
    "type": _type,
    "wait": _wait,
    "kill": _kill,
    "source": _source,
    ".": _source,
    "trap": _trap,
    "exec": _exec,
    "umask": _umask,
}
