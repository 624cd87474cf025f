"""The builtins that print and read: echo, printf, read, mapfile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.streams import Source
from provision.rehearsal.shell.words import ansi

if TYPE_CHECKING:
    from provision.rehearsal.shell.interpreter import Shell


def write(shell: Shell, text: str, fd: int = 1) -> None:
    """Text to one of the shell's descriptors."""
    shell.sink(fd).write(text.encode("utf-8", "surrogateescape"))


def usage(shell: Shell, words: list[str], message: str, code: int = 2) -> int:
    """Complain as a builtin does; returns its exit code."""
    shell.complain(f"{words[0]}: {message}")
    return code


def echo(shell: Shell, words: list[str], line: int) -> int:
    end, escapes, rest = "\n", False, words[1:]
    while rest and re.fullmatch(r"-[neE]+", rest[0]):
        end = "" if "n" in rest[0] else end
        escapes = "e" in rest[0] or (escapes and "E" not in rest[0])
        rest = rest[1:]
    text = " ".join(rest)
    write(shell, (ansi(text, line) if escapes else text) + end)
    return 0


_DIRECTIVE = re.compile(
    r"%([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d+))?(\([^)]*\)T|[a-zA-Z%])|\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.S
)


def quoted(text: str) -> str:
    """A text as ``printf %q`` writes it."""
    if not text:
        return "''"
    if re.search(r"[\x00-\x1f\x7f]", text):
        return "$'" + "".join(_ansi_quoted(c) for c in text) + "'"
    return re.sub(r"([^A-Za-z0-9_./:=@%+,-])", r"\\\1", text)


def _ansi_quoted(c: str) -> str:
    known = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "'": "\\'", "\\": "\\\\", "\x1b": "\\E"}
    return known.get(c) or (f"\\{ord(c):03o}" if ord(c) < 32 or ord(c) == 127 else c)


def printf(shell: Shell, words: list[str], line: int) -> int:
    rest = words[1:]
    target = None
    if rest[:1] == ["-v"]:
        target, rest = rest[1], rest[2:]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    if not rest:
        return usage(shell, words, "usage: printf [-v var] format [arguments]")
    form, values = rest[0], rest[1:]
    out: list[str] = []
    code = 0
    while True:
        waiting = list(values)
        text, bad = _format(shell, form, values, line)
        out.append(text)
        code = code or bad
        if not values or len(values) == len(waiting):
            break
    if target is None:
        write(shell, "".join(out))
    else:
        shell.assign(target, None, "".join(out))
    return code


def _format(shell: Shell, form: str, values: list[str], line: int) -> tuple[str, int]:
    """One pass over the format; takes its arguments off the front of ``values``."""
    code = 0

    def take() -> str:
        return values.pop(0) if values else ""

    def number(text: str) -> int:
        nonlocal code
        try:
            if text[:1] in ("'", '"'):
                return ord(text[1])
            return int(text, 0) if not re.fullmatch(r"-?0\d+", text) else int(text, 8)
        except ValueError:
            if text:
                shell.complain(f"printf: {text}: invalid number")
                code = 1
            return 0

    def one(found: re.Match[str]) -> str:
        flags, width, precision, kind, escape = found.groups()
        if escape:
            return ansi("\\" + escape, line)
        if kind == "%":
            return "%"
        width = take() if width == "*" else width or ""
        precision = take() if precision == "*" else precision
        dot = "" if precision is None else f".{precision}"
        if kind in "sbq":
            text = take()
            text = ansi(text, line) if kind == "b" else quoted(text) if kind == "q" else text
            return f"%{flags}{width}{dot}s" % text
        if kind in "diuxXo":
            return f"%{flags}{width}{dot}{'d' if kind in 'iu' else kind}" % number(take())
        if kind == "f":
            return f"%{flags}{width}{dot}f" % float(take() or 0)
        if kind == "c":
            return take()[:1]
        raise s.Unsupported(f"printf %{kind}", line)

    return _DIRECTIVE.sub(one, form), code


def read(shell: Shell, words: list[str], line: int) -> int:
    raw, delimiter, array, silent = False, b"\n", None, 1
    rest = words[1:]
    while rest and rest[0].startswith("-") and rest[0] != "--":
        option = rest.pop(0)
        if option in ("-r", "-s", "-rs"):
            raw = raw or "r" in option
        elif option in ("-d", "-rd"):
            raw = raw or "r" in option
            delimiter = rest.pop(0).encode()[:1] or b"\0"
        elif option in ("-a", "-ra"):
            raw = raw or "r" in option
            array = rest.pop(0)
        elif option == "-u":
            silent = int(rest.pop(0))
        else:
            raise s.Unsupported(f"read {option}", line)
    if not raw:
        raise s.Unsupported("read without -r", line)
    source = shell.descriptors.get(0 if silent == 1 else silent)
    data = source.line(delimiter) if isinstance(source, Source) else b""
    ended = data.endswith(delimiter)
    text = (data[: -len(delimiter)] if ended else data).decode("utf-8", "surrogateescape")
    _distribute(shell, text, rest or ["REPLY"], array, whole=not rest)
    return 0 if ended else 1


def _distribute(shell: Shell, text: str, names: list[str], array: str | None, *, whole: bool) -> None:
    separators = shell.variables.text("IFS")
    separators = " \t\n" if separators is None else separators
    if array is not None:
        shell.set_array(array, shell.expand._split(text)[0])
        return
    if whole:
        shell.assign(names[0], None, text)
        return
    blank = "".join(c for c in separators if c in " \t\n")
    rest = text.strip(blank) if blank else text
    for name in names[:-1]:
        found = re.search(rf"[{re.escape(separators)}]", rest) if separators else None
        if found is None:
            shell.assign(name, None, rest)
            rest = ""
            continue
        shell.assign(name, None, rest[: found.start()])
        rest = rest[found.start() :]
        # One hard separator with the white space around it, or white space alone.
        edge = re.match(
            rf"[{re.escape(blank)}]*[{re.escape(separators)}]?[{re.escape(blank)}]*" if blank else ".", rest
        )
        rest = rest[edge.end() :] if edge else rest
    if (
        separators
        and len(rest)
        and rest[-1] in separators
        and rest[-1] not in blank
        and not (set(rest[:-1]) & set(separators))
    ):
        rest = rest[:-1]
    shell.assign(names[-1], None, rest)


def mapfile(shell: Shell, words: list[str], line: int) -> int:
    rest, strip = words[1:], False
    end = b"\n"
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "-t":
            strip = True
        elif option in ("-d", "-td"):
            strip = strip or "t" in option
            end = rest.pop(0).encode()[:1] or b"\0"
        else:
            raise s.Unsupported(f"{words[0]} {option}", line)
    source = shell.descriptors.get(0)
    values: list[str] = []
    while isinstance(source, Source) and (data := source.line(end)):
        values.append((data.removesuffix(end) if strip else data).decode("utf-8", "surrogateescape"))
    shell.set_array(rest[0] if rest else "MAPFILE", values)
    return 0
