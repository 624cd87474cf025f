"""Command lines by cmd.exe's own rules."""

from __future__ import annotations

import re
from collections.abc import Mapping

SPECIAL = "&|<>^()"


def split_program(line: str) -> tuple[str, str]:
    """The program's name (quotes removed, backslashes as they are) and the rest of a command line."""
    text = line.lstrip()
    if text.startswith('"'):
        name, _, rest = text[1:].partition('"')
        return name, rest.lstrip()
    match = re.match(r"\S+", text)
    if match is None:
        return "", ""
    return match.group(0), text[match.end() :].lstrip()


def join_arguments(arguments: list[str]) -> str:
    """A command line that `split_arguments` takes apart again."""
    words = []
    for argument in arguments:
        if argument and not re.search(r'[\s"]', argument):
            words.append(argument)
        else:
            words.append('"' + re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ('\\"' if m[2] else ""), argument) + '"')
    return " ".join(words)


def expand(line: str, environment: Mapping[str, str]) -> str:
    """``%NAME%`` as cmd.exe replaces it on a command line; unknown names stay as they are."""
    return re.sub(r"%([^%]+)%", lambda m: environment.get(m[1], m[0]), line)


def redirections(line: str) -> tuple[str, dict[str, str]]:
    """A line without the redirections at its end, and their files: by ``""`` for stdout, ``"2"`` for stderr."""
    files: dict[str, str] = {}
    while found := re.search(r'\s(2?)>\s?([^\s"&|<>^()]+)$', line):
        files[found[1]] = found[2]
        line = line[: found.start()].rstrip()
    return line, files


def special_characters(line: str) -> str:
    """The first of cmd.exe's special characters outside quotes, empty when there is none."""
    quoted = False
    for char in line:
        if char == '"':
            quoted = not quoted
        elif not quoted and char in SPECIAL:
            return char
    return ""
