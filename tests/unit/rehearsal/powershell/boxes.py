"""A machine for tests: files in memory, answers and programs as a recording describes them, a clock of its own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from provision.rehearsal.contract import FileStat
from provision.rehearsal.powershell.box import Bound, CommandError
from provision.rehearsal.powershell.convert import span_text
from provision.rehearsal.powershell.values import EnumValue, Hashtable, Record, ScriptBlock, SecureString

FOLDER = "C:\\work"


class MemoryFiles:
    """A small Windows file system in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[str, bytes | None]] = {}
        for folder in ("C:", FOLDER):
            self.make_folder(folder)

    @staticmethod
    def key(path: str) -> str:
        return path.rstrip("\\").lower()

    def stat(self, path: str) -> FileStat:
        found = self.entries.get(self.key(path))
        if found is None:
            raise FileNotFoundError(path)
        return FileStat(len(found[1] or b""), 1_700_000_000.0, found[1] is None)

    def read(self, path: str) -> bytes:
        found = self.entries.get(self.key(path))
        if found is None or found[1] is None:
            raise FileNotFoundError(path)
        return found[1]

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        if self.key(path.rpartition("\\")[0]) not in self.entries:
            raise FileNotFoundError(path)
        self.entries[self.key(path)] = (path, data)

    def append(self, path: str, data: bytes) -> None:
        known = self.entries.get(self.key(path))
        self.write(path, (known[1] or b"" if known else b"") + data)

    def rename(self, old: str, new: str) -> None:
        prefix = self.key(old)
        for key in [k for k in self.entries if k == prefix or k.startswith(prefix + "\\")]:
            _, data = self.entries.pop(key)
            path = new + key[len(prefix) :]
            self.entries[self.key(path)] = (path, data)

    def remove(self, path: str) -> None:
        del self.entries[self.key(path)]

    def make_folder(self, path: str) -> None:
        self.entries[self.key(path)] = (path, None)

    def list(self, path: str) -> list[str]:
        prefix = self.key(path) + "\\"
        return [
            name.rstrip("\\").rpartition("\\")[2]
            for key, (name, _) in self.entries.items()
            if key.startswith(prefix) and "\\" not in key[len(prefix) :]
        ]

    def put(self, path: str, data: bytes) -> None:
        """A file with the folders above it."""
        parts = path.split("\\")
        for count in range(1, len(parts)):
            folder = "\\".join(parts[:count])
            if self.key(folder) not in self.entries:
                self.make_folder(folder)
        self.write(path, data)


def dated(value: Any) -> Any:
    """An answer with its dates as dates."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
        return datetime.fromisoformat(value)
    return {k: dated(v) for k, v in value.items()} if isinstance(value, dict) else value


def plain(value: object) -> object:
    """A bound value as a recording shows it."""
    if isinstance(value, SecureString) or (isinstance(value, Record) and "PSCredential" in value.type_name):
        return "***"
    if isinstance(value, timedelta):
        return span_text(value)
    if isinstance(value, datetime):
        return value.strftime("%m/%d/%Y %H:%M:%S")
    if isinstance(value, Record):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, Hashtable):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, ScriptBlock):
        return "{" + value.text + "}"
    if isinstance(value, EnumValue):
        return value.name
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return value


class RecordedBox:
    """Answers as ``returns`` and ``programs`` say, and writes down what was called."""

    def __init__(self, case: Mapping[str, Any] | None = None) -> None:
        case = case or {}
        self.files = MemoryFiles()
        self.environment: MutableMapping[str, str] = dict(case.get("environment", {}))
        self.folder = FOLDER
        self.killed = threading.Event()
        self.overrides = frozenset(case.get("override", ()))
        self.returns: dict[str, Any] = dict(case.get("returns") or {})
        self.programs: dict[str, Any] = dict(case.get("programs") or {})
        self.trace: list[dict[str, Any]] = []
        self.out = bytearray()
        self.err = bytearray()
        self.stdin = b""
        self.slept = 0.0
        self._calls: dict[str, int] = {}
        for name, content in (case.get("files") or {}).items():
            path = FOLDER + "\\" + name.replace("/", "\\")
            self.files.put(path, content.encode("utf-8"))

    def _answer(self, table: dict[str, Any], name: str) -> Any:
        answer = table.get(name)
        if isinstance(answer, list):
            at = self._calls.get(name, 0)
            self._calls[name] = at + 1
            return answer[min(at, len(answer) - 1)]
        return answer

    def command(self, name: str, bound: Bound) -> Iterable[object]:
        entry: dict[str, Any] = {"command": name, "bound": {k: plain(v) for k, v in sorted(bound.values.items())}}
        if bound.parameter_set is not None:
            entry["set"] = bound.parameter_set
        self.trace.append(entry)
        answer = self._answer(self.returns, name)
        if answer is None:
            return []
        if "error" in answer:
            raise CommandError(answer["error"], answer.get("id", "X"), terminating=bool(answer.get("terminating")))
        return [dated(one) for one in answer.get("objects", [answer])]

    def find_program(self, name: str) -> str | None:
        return next((known for known in self.programs if known.lower() == name.lower()), None)

    def program(
        self,
        name: str,
        arguments: Sequence[str],
        stdin: bytes | None,
        on_stdout: Callable[[bytes], None],
        on_stderr: Callable[[bytes], None],
    ) -> int:
        answer = self._answer(self.programs, name) or {}
        entry: dict[str, Any] = {"program": name, "arguments": list(arguments)}
        if answer.get("reads"):
            entry["input"] = (stdin or b"").decode("utf-8").replace("\r\n", "\n")
        self.trace.append(entry)
        for file, content in (answer.get("writes") or {}).items():
            self.files.put(FOLDER + "\\" + file.replace("/", "\\"), content.encode("utf-8"))
        on_stdout(str(answer.get("out", "")).encode("utf-8"))
        on_stderr(str(answer.get("err", "")).encode("utf-8"))
        return int(answer.get("exit", 0))

    def write(self, data: bytes) -> None:
        self.out += data

    def write_error(self, data: bytes) -> None:
        self.err += data

    def read_input(self) -> bytes:
        return self.stdin

    def now(self) -> datetime:
        return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    @property
    def text(self) -> str:
        """Standard output with plain line ends."""
        return self.out.decode("utf-8").replace("\r\n", "\n")
