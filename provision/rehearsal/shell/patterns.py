"""Shell patterns as Python's regular expressions."""

from __future__ import annotations

import re

_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "space": r"\s",
    "upper": "A-Z",
    "lower": "a-z",
    "xdigit": "0-9a-fA-F",
    "punct": r"!-/:-@\[-`{-~",
    "blank": " \t",
    "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}


def classes(text: str) -> str:
    """``[:digit:]`` and its like, within brackets, as Python writes them."""
    return re.sub(r"\[:(\w+):\]", lambda found: _CLASSES[found[1]], text)


def translate(pieces: list[tuple[str, bool]], *, path: bool = False) -> str:
    """A pattern of (text, quoted) pieces as a regular expression without anchors.

    Args:
        path: ``*`` and ``?`` stop at slashes, as in file names.
    """
    some = "[^/]" if path else "."
    out: list[str] = []
    flat = [(c, quoted) for text, quoted in pieces for c in text]
    i = 0
    while i < len(flat):
        c, quoted = flat[i]
        i += 1
        if quoted:
            out.append(re.escape(c))
        elif c == "*":
            out.append(some + "*")
        elif c == "?":
            out.append(some)
        elif c == "[":
            end = i + (i < len(flat) and flat[i][0] in "!^")
            end += end < len(flat) and flat[end][0] == "]"
            while end < len(flat) and (flat[end][0] != "]" or flat[end - 1][0] == ":"):
                end += 1
            if end >= len(flat):
                out.append(r"\[")
                continue
            body = "".join(x for x, _ in flat[i:end])
            i = end + 1
            if body[:1] in ("!", "^"):
                body = "^" + body[1:]
            out.append(f"[{classes(body)}]")
        else:
            out.append(re.escape(c))
    return "".join(out)


def matches(pieces: list[tuple[str, bool]], text: str) -> bool:
    """Whether the whole text matches."""
    return re.fullmatch(translate(pieces), text, re.S) is not None


def trim(value: str, pieces: list[tuple[str, bool]], operator: str) -> str:
    """``${value#pattern}`` and its three siblings."""
    expression = re.compile(translate(pieces), re.S)
    cuts = range(len(value) + 1)
    ordered = iter(cuts) if operator in ("#", "%%") else reversed(cuts)
    for cut in ordered:
        if operator.startswith("#"):
            if expression.fullmatch(value, 0, cut):
                return value[cut:]
        elif expression.fullmatch(value, cut):
            return value[:cut]
    return value


def replace(value: str, pieces: list[tuple[str, bool]], by: str, *, every: bool) -> str:
    """``${value/pattern/by}`` and ``${value//pattern/by}``; a leading ``#`` or ``%`` anchors."""
    anchor = ""
    if not every and pieces and not pieces[0][1] and pieces[0][0][:1] in ("#", "%"):
        anchor = pieces[0][0][0]
        pieces = [(pieces[0][0][1:], False), *pieces[1:]]
    expression = translate(pieces)
    if not expression and not anchor:
        return value
    if anchor == "#":
        expression = r"\A" + expression
    elif anchor == "%":
        expression += r"\Z"
    return re.sub(expression, lambda _: by, value, count=0 if every else 1, flags=re.S)


def has_magic(pieces: list[tuple[str, bool]]) -> bool:
    """Whether an unquoted ``*``, ``?`` or ``[`` makes it a file pattern."""
    return any(not quoted and re.search(r"[*?\[]", text) for text, quoted in pieces)
