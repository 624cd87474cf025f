"""What a running script has: scopes, streams, preferences, errors so far."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC

from provision.rehearsal.powershell.box import Box
from provision.rehearsal.powershell.convert import convert, text
from provision.rehearsal.powershell.faults import ErrorRecord, Killed, ScriptError, Unsupported, error
from provision.rehearsal.powershell.natives import ByteStream
from provision.rehearsal.powershell.scope import NOTHING, Scope
from provision.rehearsal.powershell.types import type_of
from provision.rehearsal.powershell.values import ArrayList, Hashtable, Record, Stream, Version

Sink = Callable[[object], object]
_CONSTANTS = {"true": True, "false": False, "null": None}
_READ_ONLY = frozenset({"true", "false", "host", "pid", "home", "psversiontable", "?"})
QUIET = frozenset({"SilentlyContinue", "Ignore"})


class State:
    """The parts of `Runtime` that know no syntax.

    Attributes:
        box: the machine.
        scope: the current scope.
        out: where the current statement's output goes.
        ok: ``$?``.
        in_try: whether an error is held by a ``try`` further out.
        folder: the current folder of this script.
    """

    def __init__(self, box: Box, name: str) -> None:
        self.box = box
        self.name = name
        self.scope = Scope(None, name)
        self.out: Sink = self.show
        self.redirected: dict[str, Sink] = {}
        self.ok = True
        self.in_try = False
        self.caught: list[ErrorRecord] = []
        self.errors = ArrayList()
        self.folder = box.folder
        self.line = 0
        self.invocation = name.rpartition("\\")[2]
        self.stop = threading.Event()
        self.console_input = ByteStream(box.read_input)
        self.scope.variables.update(
            erroractionpreference="Continue",
            warningpreference="Continue",
            verbosepreference="SilentlyContinue",
            debugpreference="SilentlyContinue",
            informationpreference="SilentlyContinue",
            progresspreference="Continue",
            confirmpreference="High",
            ofs=" ",
            error=self.errors,
            psversiontable=Hashtable({"PSVersion": Version((5, 1, 20348, 2700)), "PSEdition": "Desktop"}),
            home=self.environment("USERPROFILE"),
            pid=4242,
            args=[],
            input=NOTHING,
        )
        self._set_paths(self.scope, name)

    def _set_paths(self, scope: Scope, path: str) -> None:
        scope.variables["pscommandpath"] = path
        scope.variables["psscriptroot"] = path.rpartition("\\")[0]
        mine = Record({"Name": path.rpartition("\\")[2], "Path": path, "Definition": path})
        scope.variables["myinvocation"] = Record({"MyCommand": mine, "ScriptName": path, "InvocationName": path})

    # --- the box

    def check_killed(self) -> None:
        """Leave when the process is to end."""
        if self.box.killed.is_set() or self.stop.is_set():
            raise Killed

    def environment(self, name: str) -> object:
        """A variable of the environment in any case, None when it is not set."""
        folded = name.lower()
        return next((value for key, value in self.box.environment.items() if key.lower() == folded), None)

    def set_environment(self, name: str, value: str) -> None:
        """Set a variable; an empty text removes it, as in 5.1."""
        known = next((key for key in self.box.environment if key.lower() == name.lower()), name)
        if value:
            self.box.environment[known] = value
        else:
            self.box.environment.pop(known, None)

    def resolve(self, path: str) -> str:
        """A Windows path made absolute, with backslashes, without dots."""
        path = path.replace("/", "\\")
        if path.startswith("Microsoft.PowerShell.Core\\FileSystem::"):
            path = path.partition("::")[2]
        if path[1:2] != ":" and not path.startswith("\\\\"):
            path = self.folder[:2] + path if path.startswith("\\") else self.folder.rstrip("\\") + "\\" + path
        parts: list[str] = []
        for part in path.split("\\"):
            if part == "..":
                if len(parts) > 1:
                    parts.pop()
            elif part not in (".", "") or not parts:
                parts.append(part)
        joined = "\\".join(parts)
        return joined + "\\" if len(joined) == 2 else joined

    def make_folders(self, path: str) -> object:
        """A folder and those above it."""
        parts = path.split("\\")
        for count in range(2, len(parts) + 1):
            step = "\\".join(parts[:count])
            try:
                if not self.box.files.stat(step).folder:
                    raise error(f"{step} is a file", "NewItemIOError", "System.IO.IOException")
            except FileNotFoundError:
                self.box.files.make_folder(step)
        return Record({"FullName": path, "Name": parts[-1]}, type_name="System.IO.DirectoryInfo", text=path)

    # --- variables

    def lookup(self, name: str, scope: str, line: int) -> object:
        """``$name``.

        Raises:
            ScriptError: in strict mode, it was never set.
        """
        folded = name.lower()
        if scope == "env":
            return self.environment(name)
        if scope == "function":
            raise Unsupported("$function:", line)
        if not scope and folded in _CONSTANTS:
            return _CONSTANTS[folded]
        if folded == "?":
            return self.ok
        if folded == "psitem":
            folded = "_"
        if folded == "pwd":
            return Record({"Path": self.folder}, type_name="System.Management.Automation.PathInfo", text=self.folder)
        found: Scope | None
        if scope == "script":
            found = self.scope.top if folded in self.scope.top.variables else None
        elif scope == "global":
            found = self.scope.outermost if folded in self.scope.outermost.variables else None
        elif scope in ("local", "private"):
            found = self.scope if folded in self.scope.variables else None
        else:
            found = self.scope.find(folded)
        if found is not None:
            return found.variables[folded]
        if folded in ("_", "host", "stacktrace"):
            return None
        if self.scope.is_strict:
            message = f"The variable '${name}' cannot be retrieved because it has not been set."
            raise error(message, "VariableIsUndefined", line=line, target=name)
        return None

    def assign(self, name: str, scope: str, value: object, line: int = 0) -> None:
        """``$name = value``.

        Raises:
            ScriptError: a constant, or a value that the variable's type refuses.
        """
        folded = name.lower()
        if scope == "env":
            self.set_environment(name, text(value))
            return
        if folded == "null":
            return
        if folded in _READ_ONLY:
            message = f"Cannot overwrite variable {name} because it is read-only or constant."
            exception = "System.Management.Automation.SessionStateUnauthorizedAccessException"
            raise error(message, "VariableNotWritable", exception, category="WriteError", line=line)
        if scope == "script":
            target = self.scope.top
        elif scope == "global":
            target = self.scope.outermost
        elif scope in ("", "local", "private"):
            target = self.scope
        else:
            raise Unsupported(f"assignment to ${scope}:", line)
        kind = target.types.get(folded)
        if kind:
            value = convert(None if value is NOTHING else value, kind)
        target.variables[folded] = value

    def constrain(self, name: str, kind: str) -> None:
        """``[type]$name = ...``: later assignments convert."""
        full = type_of(kind)
        if full is None:
            raise error(f"Unable to find type [{kind}].", "TypeNotFound")
        self.scope.types[name.lower()] = full

    def preference(self, name: str) -> str:
        """A preference variable's value, such as ``Stop``."""
        scope = self.scope.find(name.lower())
        value = text(scope.variables[name.lower()]) if scope else "Continue"
        known = ("SilentlyContinue", "Stop", "Continue", "Inquire", "Ignore")
        return next((k for k in known if k.lower() == value.lower()), value)

    def set_matches(self, groups: Hashtable) -> None:
        """``$Matches`` after a match."""
        self.scope.variables["matches"] = groups

    @contextmanager
    def sink(self, out: Sink) -> Iterator[None]:
        """Output goes to ``out`` within."""
        before, self.out = self.out, out
        try:
            yield
        finally:
            self.out = before

    @contextmanager
    def scoped(self, scope: Scope) -> Iterator[None]:
        """``scope`` is the current one within."""
        before, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = before

    # --- streams

    def write_line(self, line: str) -> None:
        """One line on standard output."""
        self.box.write((line + "\r\n").encode("utf-8"))

    def show(self, value: object) -> None:
        """An object that reaches the end of the pipeline.

        Raises:
            Unsupported: an object whose display is not reproduced: scripts write texts.
        """
        if value is None or value is NOTHING:
            return
        if isinstance(value, bytes):
            for byte in value:
                self.write_line(str(byte))
            return
        if isinstance(value, list):
            for item in value:
                self.show(item)
            return
        simple = isinstance(value, (str, bool, int, float)) or type(value).__name__ == "EnumValue"
        if not simple:
            raise Unsupported("display of an object: write a text or JSON", self.line)
        self.write_line(text(value))

    def stream(self, kind: str, message: str, preference: str, action: str | None = None) -> None:
        """A warning, verbose, debug or information record."""
        wanted = action or self.preference(preference)
        if wanted in QUIET:
            return
        if kind in self.redirected:
            self.redirected[kind](Stream(kind, message))
            return
        prefix = "" if kind == "Information" else kind.upper() + ": "
        self.write_line(prefix + message)
        if wanted == "Stop":
            raise ScriptError(ErrorRecord(message, "ActionPreferenceStop", line=self.line), final=True)

    def remember(self, record: ErrorRecord) -> None:
        """Put an error first into ``$Error``, once."""
        if not self.errors or self.errors[0] is not record:
            self.errors.insert(0, record)

    def report(self, record: ErrorRecord, action: str | None = None) -> None:
        """A non-terminating error, judged by ``-ErrorAction`` or the preference.

        Raises:
            ScriptError: ``Stop``.
        """
        record.line = record.line or self.line
        wanted = action or self.preference("ErrorActionPreference")
        self.ok = False
        if wanted == "Ignore":
            return
        if wanted == "Stop":
            self.remember(record)
            raise ScriptError(record, final=True)
        self.remember(record)
        if wanted != "SilentlyContinue":
            self.show_error(record)

    def show_error(self, record: ErrorRecord) -> None:
        """An error on standard error, or where it is redirected."""
        if "Error" in self.redirected:
            self.redirected["Error"](record)
            return
        who = f"{record.command} : " if record.command else ""
        kind = record.exception.type_name.rsplit(".", 1)[-1]
        shown = (
            f"{who}{record.message}\r\nAt {self.name}:{record.line} char:1\r\n"
            f"    + CategoryInfo          : {record.category}: (:) [{record.command}], {kind}\r\n"
            f"    + FullyQualifiedErrorId : {record.id}\r\n"
        )
        self.box.write_error(shown.encode("utf-8"))

    def now(self) -> object:
        """The machine's local time, which is UTC."""
        return self.box.now().astimezone(UTC).replace(tzinfo=None)
