"""Programs on text: grep, sed (substitution), base64."""

from __future__ import annotations

import base64 as base64_
import re

from provision.rehearsal.models.linux_coreutils import read_input
from provision.rehearsal.models.linux_program import Failed, FileHost, Usage, options, path_of
from provision.rehearsal.shell import Call, Unsupported
from provision.rehearsal.shell.patterns import classes


def expression(text: str, *, extended: bool, fixed: bool = False) -> str:
    """A POSIX regular expression as Python writes it; a basic one has its special characters behind backslashes."""
    if fixed:
        return re.escape(text)
    if extended:
        return classes(text)
    out: list[str] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c == "\\" and i + 1 < len(text):
            following = text[i + 1]
            out.append(following if following in "(){}|+?" else c + following)
            i += 2
            continue
        if c == "[":
            end = text.index("]", i + 2 if text[i + 1 : i + 2] != "^" else i + 3)
            if text[end - 1] == ":":
                end = text.index("]", end + 1)
            out.append(text[i : end + 1])
            i = end + 1
            continue
        out.append("\\" + c if c in "(){}|+?" or (c == "*" and not out) else c)
        i += 1
    return classes("".join(out))


def grep(host: FileHost, call: Call) -> int:
    """0 when a line matched, 1 when none did, 2 on an error."""
    flags = [
        "-q|--quiet",
        "-s|--no-messages",
        "-c|--count",
        "-v|--invert-match",
        "-i|--ignore-case",
        "-w|--word-regexp",
    ]
    flags += ["-x|--line-regexp", "-E|--extended-regexp", "-F|--fixed-strings", "-o|--only-matching", "-h", "-l"]
    given = options(call, flags, ["-m|--max-count", "-e|--regexp"], usage=2, repeated=["-e"])
    names = list(given.operands)
    wanted = given.given.get("-e") or ([names.pop(0)] if names else None)
    if not wanted:
        raise Usage("Usage: grep [OPTION]... PATTERNS [FILE]...", 2)
    try:
        made = [expression(w, extended="-E" in given, fixed="-F" in given) for text in wanted for w in text.split("\n")]
        joined = "|".join(f"(?:{m})" for m in made)
        if "-w" in given:
            joined = rf"(?<!\w)(?:{joined})(?!\w)"
        if "-x" in given:
            joined = rf"^(?:{joined})$"
        pattern = re.compile(joined, re.I if "-i" in given else 0)
    except re.error as error:
        raise Usage(f"grep: {error}", 2) from None
    code, matched = 0, False
    prefix = len(names) > 1 and "-h" not in given
    for name in names or ["-"]:
        try:
            data = read_input(host, call, name)
        except Failed as error:
            if "-s" not in given:
                call.err(f"{error}\n")
            code = 2
            continue
        count = 0
        for line in data.decode("utf-8", "surrogateescape").splitlines():
            found = pattern.search(line)
            if (found is None) != ("-v" in given):
                continue
            matched = True
            count += 1
            if not {"-q", "-c", "-l"} & given.given.keys():
                texts = [m[0] for m in pattern.finditer(line) if m[0]] if "-o" in given else [line]
                for text in texts:
                    call.out(f"{name}:{text}\n" if prefix else f"{text}\n")
            if "-m" in given and count >= int(given.get("-m")):
                break
        if "-c" in given and "-q" not in given:
            call.out(f"{name}:{count}\n" if prefix else f"{count}\n")
        if "-l" in given and count and "-q" not in given:
            call.out(f"{name}\n")
    if matched and "-q" in given:
        return 0
    return code or (0 if matched else 1)


_COMMAND = re.compile(r"(?:/(?P<address>(?:[^/\\]|\\.)*)/)?\s*(?P<command>[sdp])(?P<rest>.*)", re.S)


def sed(host: FileHost, call: Call) -> int:
    """``s///``, ``d`` and ``p`` with an optional ``/address/``; -n, -i, -E, -e."""
    given = options(call, ["-n", "-i", "-E|-r"], ["-e"], repeated=["-e"])
    names = list(given.operands)
    scripts = given.given.get("-e") or [names.pop(0)]
    commands = []
    for script in (part for text in scripts for part in _split_commands(text)):
        found = _COMMAND.fullmatch(script.strip())
        if not found:
            raise Unsupported(f"sed {script!r}", 0)
        commands.append(found)
    for name in names or ["-"]:
        data = read_input(host, call, name).decode()
        out = "".join(_sed_line(line, commands, given.given) for line in data.splitlines(keepends=True))
        if "-i" in given:
            path = path_of(call, name)
            host.files.write(path, out.encode(), host.files.stat(path).mode)
        else:
            call.out(out)
    return 0


def _split_commands(text: str) -> list[str]:
    return [part for part in text.split("\n") if part.strip()]


def _sed_line(line: str, commands: list[re.Match[str]], given: dict[str, object]) -> str:
    body = line.removesuffix("\n")
    end = line[len(body) :]
    extended = "-E" in given
    printed = ""
    for command in commands:
        address = command["address"]
        if address is not None and not re.search(expression(address.replace("\\/", "/"), extended=extended), body):
            continue
        if command["command"] == "d":
            return printed
        if command["command"] == "p":
            printed += body + end
            continue
        mark = command["rest"][0]
        parts = re.split(rf"(?<!\\){re.escape(mark)}", command["rest"][1:])
        if len(parts) != 3 or not set(parts[2]) <= set("gp"):
            raise Unsupported(f"sed s{command['rest']}", 0)
        pattern = expression(parts[0].replace("\\" + mark, mark), extended=extended)
        by = re.sub(r"(?<!\\)&", r"\\g<0>", parts[1].replace("\\" + mark, mark)).replace("\\&", "&")
        body, hits = re.subn(pattern, by, body, count=0 if "g" in parts[2] else 1)
        if hits and "p" in parts[2]:
            printed += body + end
    return printed + ("" if "-n" in given else body + end)


def base64(host: FileHost, call: Call) -> int:
    given = options(call, ["-d|--decode"], ["-w|--wrap"])
    data = read_input(host, call, given.operands[0] if given.operands else "-")
    if "-d" in given:
        call.out(base64_.b64decode(data))
        return 0
    text = base64_.b64encode(data).decode()
    width = int(given.get("-w", "76"))
    lines = [text[i : i + width] for i in range(0, len(text), width)] if width else [text]
    call.out("\n".join(lines) + ("\n" if width else ""))
    return 0


PROGRAMS = {"grep": grep, "sed": sed, "base64": base64}
