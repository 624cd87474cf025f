"""Values as literals of the shell that will read them. Pure functions, used as Jinja filters."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from provision.secrets import Secret


def powershell(value: object) -> str:
    """A PowerShell 5.1 literal: text, number, truth value, list, table or null.

    Text is single-quoted; only ASCII is allowed, because 5.1 reads files without a byte order mark as ANSI.

    Raises:
        ValueError: a character outside printable ASCII, or a type that has no literal.
    """
    if value is None:
        return "$null"
    if isinstance(value, bool):
        return "$true" if value else "$false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "@{ " + "; ".join(f"{powershell(str(k))} = {powershell(v)}" for k, v in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "@(" + ", ".join(powershell(v) for v in value) + ")"
    text = _text(value)
    if not all(" " <= c <= "~" or c in "\n\t" for c in text):
        raise ValueError(f"only ASCII can go into a PowerShell script: {text!r}")
    return "'" + text.replace("'", "''") + "'"


def shell(value: object) -> str:
    """A bash word, or an array in parentheses for a list.

    Raises:
        ValueError: a NUL byte, or a type that has no literal.
    """
    if value is None:
        return "''"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        raise ValueError("a table has no bash literal")
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "(" + " ".join(shell(v) for v in value) + ")"
    text = _text(value)
    if "\0" in text:
        raise ValueError("a NUL byte cannot go into a script")
    return shlex.quote(text)


def _text(value: object) -> str:
    # A script is what carries a secret to the machine that needs it; scripts are never logged.
    return value.reveal() if isinstance(value, Secret) else str(value)


_RUBY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RUBY_SYMBOL = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")
_RUBY_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def ruby(value: object) -> str:
    """A Ruby literal: text, number, truth value, list, hash or nil.

    A text like ``:id`` is a symbol, and a hash key that is a plain name becomes one, as Vagrant's calls want.

    Raises:
        ValueError: a control character.
    """
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ruby_arguments(value) + " }" if value else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[" + ", ".join(ruby(item) for item in value) + "]"
    text = str(value)
    if _RUBY_SYMBOL.fullmatch(text):
        return text
    if any(c < " " and c not in "\n\t" for c in text):
        raise ValueError(f"a control character cannot go into the Vagrantfile: {text!r}")
    quoted = "".join(_RUBY_ESCAPES.get(c, c) for c in text)
    # Inside double quotes "#{", "#$" and "#@" would be evaluated.
    return '"' + re.sub(r"#(?=[{$@])", r"\\#", quoted) + '"'


def ruby_arguments(values: Mapping[str, object]) -> str:
    """Keyword arguments of a Ruby call: ``ip: "192.168.56.10", auto_config: false``."""
    return ", ".join(
        f"{key}: {ruby(value)}" if _RUBY_NAME.fullmatch(key) else f"{ruby(key)} => {ruby(value)}"
        for key, value in values.items()
    )
