"""What a shell knows: variables, parameters, options, descriptors; and the files that a pattern matches."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from provision.rehearsal.shell import patterns
from provision.rehearsal.shell import syntax as s
from provision.rehearsal.shell.box import ShellBox
from provision.rehearsal.shell.streams import Descriptors
from provision.rehearsal.shell.variables import Variables

if TYPE_CHECKING:
    from provision.rehearsal.shell.expand import Expander, Pieces


class State:
    """One shell process without the running of commands."""

    expand: Expander

    def __init__(self, box: ShellBox, name: str, positional: Sequence[str], descriptors: Descriptors) -> None:
        self.box = box
        self.name = name
        self.positional = list(positional)
        self.descriptors = descriptors
        self.variables = Variables()
        self.functions: dict[str, s.Node] = {}
        self.options = dict.fromkeys(
            ("errexit", "nounset", "pipefail", "noglob", "nullglob", "inherit_errexit", "noexec"), False
        )
        self.traps: dict[str, str] = {}
        self.cwd: str = "/"
        self.status = 0
        self.last_output_status = 0
        self.last_background = ""
        self.tested = 0  # > 0 where a failure is somebody's question, not an error
        self.depth = 0  # of functions and sourced files, where return is allowed
        self.loops = 0
        self.line = 1
        self.pid = box.pid
        self.last_pid = box.pid
        self.started = box.now()
        self.temporary: list[str] = []
        self.variables.set("IFS", " \t\n")

    # -- what expansion and builtins ask ---------------------------------------------------------------------

    def path(self, text: str) -> str:
        """A path as the file system wants it: absolute, without ``.`` and ``..``."""
        return posixpath.normpath(posixpath.join(self.cwd, text)) if text else text

    def special(self, name: str, line: int) -> str | None:
        """The value of a parameter that the shell keeps itself; None for all others."""
        if name.isdigit():
            number = int(name)
            if number == 0:
                return self.name
            return self.positional[number - 1] if number <= len(self.positional) else None
        simple = {"?": lambda: str(self.status), "#": lambda: str(len(self.positional)), "$": lambda: str(self.pid)}
        if name in simple:
            return simple[name]()
        if name == "!":
            return self.last_background or None
        if name == "-":
            return (
                "".join(c for c, o in (("e", "errexit"), ("f", "noglob"), ("u", "nounset")) if self.options[o]) + "hB"
            )
        if name == "LINENO":
            return str(line or self.line)
        now = self.box.now()
        if name == "SECONDS":
            return str(int(now - self.started))
        if name == "EPOCHSECONDS":
            return str(int(now))
        if name == "EPOCHREALTIME":
            return f"{now:.6f}"
        return {"EUID": "0", "UID": "0", "HOSTNAME": self.box.hostname, "BASH_VERSION": "5.2.15(1)-release"}.get(name)

    def is_set(self, name: str) -> bool:
        """``[[ -v name ]]`` and ``[[ -v name[key] ]]``."""
        found = re.fullmatch(r"(\w+)(?:\[(.+)\])?", name)
        if not found:
            return False
        if self.special(found[1], 0) is not None:
            return True
        variable = self.variables.find(found[1])
        if variable is None:
            return False
        key = "0" if found[2] is None else self.expand.key(variable, found[2], self.line)
        return bool(variable.values) if found[2] in ("@", "*") else key in variable.values

    def assign(self, name: str, index: str | None, value: str, *, append: bool = False) -> None:
        """Set a variable or an element of an array."""
        variable = self.variables.writable(name)
        key = "0"
        if index is not None:
            if variable.kind == "text":
                variable.kind = "indexed"
            key = self.expand.key(variable, index, self.line)
        variable.values[key] = (variable.values.get(key, "") if append else "") + value

    def set_array(self, name: str, values: Sequence[str]) -> None:
        """Set an indexed array."""
        variable = self.variables.writable(name)
        variable.kind = "indexed"
        variable.values = {str(i): value for i, value in enumerate(values)}

    def glob(self, pieces: Pieces) -> list[str]:
        """The existing paths that match, sorted; a leading dot must be matched by a dot."""
        parts: list[Pieces] = [[]]
        for text, quoted in pieces:
            for i, piece in enumerate(text.split("/")):
                if i:
                    parts.append([])
                parts[-1].append((piece, quoted))
        found = ["/"] if not "".join(t for t, _ in parts[0]) and len(parts) > 1 else [""]
        if found == ["/"]:
            parts = parts[1:]
        for part in parts:
            found = [path for base in found for path in self._glob_one(base, part)]
        return sorted(found)

    def _glob_one(self, base: str, part: Pieces) -> Iterator[str]:
        literal = "".join(text for text, _ in part)
        lead = base if not base or base.endswith("/") else base + "/"
        if not patterns.has_magic(part):
            try:
                self.box.files.stat(self.path(lead + literal) if lead + literal else self.cwd)
            except (FileNotFoundError, NotADirectoryError):
                return
            yield lead + literal
            return
        try:
            names = self.box.files.list(self.path(base) if base else self.cwd)
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            if patterns.matches(part, name) and (not name.startswith(".") or literal.startswith(".")):
                yield lead + name
