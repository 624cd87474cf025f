# ruff: noqa: ARG001 - programs and services have one signature
"""Coreutils that read and write text, and the small ones; those that move files about are in `linux_files`."""

from __future__ import annotations

import hashlib
import posixpath
import re
from datetime import UTC, datetime

from provision.rehearsal.models.linux_program import Failed, FileHost, Options, Usage, options, path_of
from provision.rehearsal.shell import Call, Unsupported


def stat_error(call: Call, verb: str, name: str, reason: str = "No such file or directory") -> str:
    return f"{call.argv[0].rpartition('/')[2]}: {verb} '{name}': {reason}"


def read_input(host: FileHost, call: Call, name: str) -> bytes:
    """The bytes of an operand; ``-`` is standard input.

    Raises:
        Failed: as the program says it.
    """
    if name in ("-", "/dev/stdin"):
        return call.stdin.read()
    if name == "/dev/null":
        return b""
    program = call.argv[0].rpartition("/")[2]
    try:
        return host.files.read(path_of(call, name))
    except IsADirectoryError:
        raise Failed(f"{program}: {name}: Is a directory") from None
    except (FileNotFoundError, NotADirectoryError):
        raise Failed(f"{program}: {name}: No such file or directory") from None


def _each_input(host: FileHost, call: Call, names: list[str]) -> tuple[list[tuple[str, bytes]], int]:
    """All inputs that can be read; the others are complained about, and give exit code 1."""
    found: list[tuple[str, bytes]] = []
    code = 0
    for name in names or ["-"]:
        try:
            found.append((name, read_input(host, call, name)))
        except Failed as error:
            call.err(f"{error}\n")
            code = 1
    return found, code


def cat(host: FileHost, call: Call) -> int:
    given = options(call)
    code = 0
    for name in given.operands or ["-"]:
        try:
            call.out(read_input(host, call, name))
        except Failed as error:
            call.err(f"{error}\n")
            code = 1
    return code


def _count(text: str, call: Call) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise Usage(f"{call.argv[0]}: invalid number: '{text}'")
    return int(text)


def head(host: FileHost, call: Call) -> int:
    given = options(call, ["-q"], ["-n|--lines", "-c|--bytes"])
    found, code = _each_input(host, call, given.operands)
    for _, data in found:
        if "-c" in given:
            count = _count(given.get("-c"), call)
            call.out(data[:count])
        else:
            count = _count(given.get("-n", "10"), call)
            call.out(b"".join(data.splitlines(keepends=True)[:count]))
    return code


def tail(host: FileHost, call: Call) -> int:
    given = options(call, ["-q"], ["-n|--lines", "-c|--bytes"])
    found, code = _each_input(host, call, given.operands)
    for _, data in found:
        text = given.get("-c" if "-c" in given else "-n", "10")
        count = _count(text, call)
        pieces = data if "-c" in given else data.splitlines(keepends=True)
        kept = (
            pieces[max(0, count - 1) :]
            if text.startswith("+")
            else pieces[len(pieces) - min(abs(count), len(pieces)) :]
        )
        call.out(kept if isinstance(kept, bytes) else b"".join(kept))
    return code


def tee(host: FileHost, call: Call) -> int:
    given = options(call, ["-a|--append"])
    data = call.stdin.read()
    call.out(data)
    for name in given.operands:
        path = path_of(call, name)
        if "-a" in given and host.files.exists(path):
            host.files.append(path, data)
        else:
            host.files.write(path, data)
    return 0


def cut(host: FileHost, call: Call) -> int:
    given = options(call, ["-s"], ["-d|--delimiter", "-f|--fields", "-c|--characters"])
    found, code = _each_input(host, call, given.operands)
    which = given.get("-f") or given.get("-c")
    if not which:
        raise Usage("cut: you must specify a list of bytes, characters, or fields")
    for _, data in found:
        for line in data.decode().splitlines():
            if "-c" in given:
                call.out("".join(_selected(list(line), which)) + "\n")
                continue
            mark = given.get("-d", "\t")
            if mark not in line:
                if "-s" not in given:
                    call.out(line + "\n")
                continue
            call.out(mark.join(_selected(line.split(mark), which)) + "\n")
    return code


def _selected(parts: list[str], which: str) -> list[str]:
    wanted: set[int] = set()
    for piece in which.split(","):
        first, dash, last = piece.partition("-")
        begin = int(first or 1)
        end = (int(last) if last else len(parts)) if dash else begin
        wanted |= set(range(begin, end + 1))
    return [part for i, part in enumerate(parts, 1) if i in wanted]


def tr(host: FileHost, call: Call) -> int:
    given = options(call, ["-d", "-s"])
    data = call.stdin.read().decode("utf-8", "surrogateescape")
    first = _characters(given.operands[0])
    if "-d" in given:
        out = "".join(c for c in data if c not in first)
    elif "-s" in given and len(given.operands) == 1:
        out = re.sub("([" + re.escape(first) + r"])\1+", r"\1", data)
    else:
        second = _characters(given.operands[1])
        second += second[-1] * max(0, len(first) - len(second))
        out = data.translate({ord(a): b for a, b in zip(first, second, strict=False)})
    call.out(out.encode("utf-8", "surrogateescape"))
    return 0


def _characters(text: str) -> str:
    names = {"[:upper:]": "A-Z", "[:lower:]": "a-z", "[:digit:]": "0-9", "[:space:]": " \t\n\r\v\f"}
    for name, by in names.items():
        text = text.replace(name, by)
    text = re.sub(r"\\([0-7]{1,3})", lambda found: chr(int(found[1], 8)), text)
    text = text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")
    return re.sub(
        r"(\w)-(\w)", lambda found: "".join(chr(c) for c in range(ord(found[1]), ord(found[2]) + 1)), text, flags=re.S
    )


def wc(host: FileHost, call: Call) -> int:
    given = options(call, ["-l|--lines", "-c|--bytes", "-w|--words"])
    if len(given.given) != 1:
        raise Unsupported("wc with more or less than one of -l, -c, -w", 0)
    found, code = _each_input(host, call, given.operands)
    for name, data in found:
        count = data.count(b"\n") if "-l" in given else len(data) if "-c" in given else len(data.split())
        call.out(f"{count}\n" if name == "-" else f"{count} {name}\n")
    return code


def sort(host: FileHost, call: Call) -> int:
    given = options(call, ["-u|--unique", "-r|--reverse", "-n|--numeric-sort"], usage=2)
    found, code = _each_input(host, call, given.operands)
    lines = [line for _, data in found for line in data.decode().splitlines()]
    if "-u" in given:
        lines = list(set(lines))

    def number(line: str) -> tuple[float, str]:
        leading = re.match(r"\s*(-?\d+)", line)
        return (float(leading[1]) if leading else 0.0, line)

    lines.sort(key=number if "-n" in given else None, reverse="-r" in given)
    call.out("".join(line + "\n" for line in lines))
    return code


def uniq(host: FileHost, call: Call) -> int:
    given = options(call)
    found, code = _each_input(host, call, given.operands)
    previous = None
    for line in found[0][1].decode().splitlines() if found else []:
        if line != previous:
            call.out(line + "\n")
        previous = line
    return code


def _checksum(host: FileHost, call: Call, given: Options) -> int:
    lines, code = _each_input(host, call, given.operands)
    bad = 0
    for _, data in lines:
        for line in data.decode().splitlines():
            found = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
            if not found:
                raise Failed("sha256sum: no properly formatted checksum lines found")
            try:
                right = host.files.digest(path_of(call, found[2])) == found[1]
            except FileNotFoundError:
                call.err(f"sha256sum: {found[2]}: No such file or directory\n")
                right = False
            bad += not right
            if "--status" not in given and not ("--quiet" in given and right):
                call.out(f"{found[2]}: {'OK' if right else 'FAILED'}\n")
    if bad and "--status" not in given:
        call.err(f"sha256sum: WARNING: {bad} computed checksum did NOT match\n")
    return 1 if bad else code


def sha256sum(host: FileHost, call: Call) -> int:
    given = options(call, ["-c|--check", "--quiet", "--status", "--strict", "-b"])
    if "-c" in given:
        return _checksum(host, call, given)
    found, code = _each_input(host, call, given.operands)
    for name, data in found:
        call.out(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    return code


def basename(host: FileHost, call: Call) -> int:
    name, *suffix = call.argv[1:]
    base = posixpath.basename(name.rstrip("/")) or "/"
    call.out((base.removesuffix(suffix[0]) if suffix and base != suffix[0] else base) + "\n")
    return 0


def dirname(host: FileHost, call: Call) -> int:
    for name in call.argv[1:]:
        call.out((posixpath.dirname(name.rstrip("/")) or ("/" if name.startswith("/") else ".")) + "\n")
    return 0


def date(host: FileHost, call: Call) -> int:
    given = options(call, ["-u|--utc"], ["-d|--date"])
    moment = host.clock()
    text = given.get("-d")
    if text.startswith("@"):
        moment = float(text[1:])
    elif text:
        raise Unsupported(f"date -d {text}", 0)
    form = given.operands[0] if given.operands else "+%a %b %e %H:%M:%S UTC %Y"
    if not form.startswith("+"):
        raise Unsupported(f"date {form}", 0)
    form = form[1:].replace("%N", f"{int(moment % 1 * 1e9):09d}").replace("%s", str(int(moment)))
    call.out(datetime.fromtimestamp(moment, UTC).strftime(form) + "\n")
    return 0


def seq(host: FileHost, call: Call) -> int:
    numbers = [int(n) for n in call.argv[1:]]
    first, step, last = {1: (1, 1, *numbers), 2: (numbers[0], 1, numbers[-1]), 3: tuple(numbers)}[len(numbers)]
    for n in range(first, last + (1 if step > 0 else -1), step):
        call.out(f"{n}\n")
    return 0


def echo(host: FileHost, call: Call) -> int:
    call.out(" ".join(call.argv[1:]) + "\n")
    return 0


def true(host: FileHost, call: Call) -> int:
    return 0


def false(host: FileHost, call: Call) -> int:
    return 1


def sync(host: FileHost, call: Call) -> int:
    options(call, ["-f"])
    return 0


PROGRAMS = {
    "cat": cat,
    "head": head,
    "tail": tail,
    "tee": tee,
    "cut": cut,
    "tr": tr,
    "wc": wc,
    "sort": sort,
    "uniq": uniq,
    "sha256sum": sha256sum,
    "basename": basename,
    "dirname": dirname,
    "date": date,
    "seq": seq,
    "echo": echo,
    "true": true,
    "false": false,
    "sync": sync,
}
