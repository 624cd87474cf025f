"""How Windows PowerShell 5.1 hands arguments to a program: words, one command line, the program's own words again."""

from __future__ import annotations

from collections.abc import Iterable


def needs_quotes(word: str) -> bool:
    """Whether 5.1 puts quotes around: a blank outside of the word's own quotes."""
    inside = False
    slashes = 0
    for c in word:
        if c == '"' and slashes % 2 == 0:
            inside = not inside
        elif c.isspace() and not inside:
            return True
        slashes = slashes + 1 if c == "\\" else 0
    return False


def command_line(words: Iterable[str]) -> str:
    """The command line of some words: empty ones vanish, quotes and trailing backslashes inside are not escaped."""
    return " ".join(f'"{word}"' if needs_quotes(word) else word for word in words if word)


def split_arguments(line: str) -> list[str]:
    """The arguments of a command line as Microsoft's C runtime makes them (after the program's name too)."""
    found: list[str] = []
    word: list[str] = []
    started = quoted = False
    at, end = 0, len(line)
    while at < end:
        c = line[at]
        if c == "\\":
            count = 0
            while at < end and line[at] == "\\":
                count += 1
                at += 1
            started = True
            if at < end and line[at] == '"':
                word.append("\\" * (count // 2))
                if count % 2:
                    word.append('"')
                    at += 1
            else:
                word.append("\\" * count)
            continue
        if c == '"':
            started = True
            if quoted and line[at + 1 : at + 2] == '"':
                word.append('"')
                at += 1
            else:
                quoted = not quoted
        elif c in " \t" and not quoted:
            if started:
                found.append("".join(word))
                word, started = [], False
        else:
            word.append(c)
            started = True
        at += 1
    if started:
        found.append("".join(word))
    return found


def pass_on(words: Iterable[str]) -> list[str]:
    """The arguments that a program gets for the words of a script."""
    return split_arguments(command_line(words))
