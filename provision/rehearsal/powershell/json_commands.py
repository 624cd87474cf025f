"""JSON as Windows PowerShell 5.1 writes and reads it, and Select-String."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from provision.rehearsal.powershell.convert import float_text, text, to_number
from provision.rehearsal.powershell.dotnet import match_record
from provision.rehearsal.powershell.expressions import each
from provision.rehearsal.powershell.faults import ErrorRecord, ScriptError, Unsupported, error
from provision.rehearsal.powershell.file_commands import read_lines
from provision.rehearsal.powershell.object_commands import Collecting, ObjectStage
from provision.rehearsal.powershell.text_tools import regex
from provision.rehearsal.powershell.values import EnumValue, Hashtable, Record, Stream, Switch

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNSAFE = re.compile(r"[\"\\\x00-\x1f<>&'\x85\u2028\u2029]")


def quoted(value: str) -> str:
    """A JSON text with 5.1's escapes: ``< > & '`` too."""
    return '"' + _UNSAFE.sub(lambda m: _ESCAPES.get(m.group()) or f"\\u{ord(m.group()):04x}", value) + '"'


def dumps(value: object, depth: int, line: int = 0) -> str:
    """Compressed JSON; what lies deeper than ``depth`` becomes text, without a warning.

    Raises:
        ScriptError: a table with keys that are no texts.
        Unsupported: an object that scripts should turn into text first.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Switch):
        return '{"IsPresent":' + ("true" if value else "false") + "}"
    if isinstance(value, str):
        return quoted(str(value))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, EnumValue):
        return str(value.number)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return f'"\\/Date({round(moment.timestamp() * 1000)})\\/"'
    if isinstance(value, (list, bytes)):
        if depth < 0:
            return quoted(text(value))
        return "[" + ",".join(dumps(item, depth - 1, line) for item in value) + "]"
    if isinstance(value, Hashtable):
        pairs = value.items()
        if not all(isinstance(key, str) for key, _ in pairs):
            message = (
                "The type 'System.Collections.Hashtable' is not supported for serialization: keys must be strings."
            )
            id = "NonStringKeyInDictionary,Microsoft.PowerShell.Commands.ConvertToJsonCommand"
            raise error(message, id, "System.InvalidOperationException")
    elif isinstance(value, Record):
        pairs = list(value.items())
    else:
        raise Unsupported(f"JSON of {type(value).__name__}: write a text", line)
    if depth < 0:
        return quoted(text(value))
    return "{" + ",".join(f"{quoted(text(k))}:{dumps(v, depth - 1, line)}" for k, v in pairs) + "}"


class ConvertToJson(Collecting):
    def done(self) -> None:
        depth = int(to_number(self.get("Depth", 2)))
        if not self.items:
            return
        if not self.on("Compress"):
            nested = any(not isinstance(item, (str, bool, int, float)) for item in self.items)
            if nested or len(self.items) > 1:
                raise Unsupported("ConvertTo-Json without -Compress", self.line)
        if len(self.items) > 1:
            self.emit(dumps(self.items, depth, self.line))
            return
        only = self.items[0]
        if self.piped and isinstance(only, list):
            # a list that goes down the pipe whole becomes an object in 5.1
            only = Record({"value": only, "Count": len(only)})
        self.emit(dumps(only, depth, self.line))


def _object(pairs: list[tuple[str, object]]) -> Record:
    record = Record()
    for name, value in pairs:
        if record.has(name):
            raise ValueError(f"the keys '{name}' differ in case only, or stand twice")
        record.set(name, value)
    return record


def loads(content: str) -> object:
    """JSON text as objects.

    Raises:
        ScriptError: it is no JSON.
    """
    try:
        return json.loads(content, object_pairs_hook=_object)
    except ValueError as problem:
        record = ErrorRecord(
            f"Invalid JSON primitive: {problem}",
            "System.ArgumentException,Microsoft.PowerShell.Commands.ConvertFromJsonCommand",
            exception="System.ArgumentException",
            command="ConvertFrom-Json",
        )
        raise ScriptError(record) from problem


class ConvertFromJson(Collecting):
    def done(self) -> None:
        content = "\n".join(text(item) for item in self.items)
        if self.items and content.strip():
            # a list at the top goes down the pipe as one object in 5.1
            self.emit(loads(content))


class SelectString(ObjectStage):
    def begin(self) -> None:
        self.number = 0
        patterns = [text(p) for p in each(self.get("Pattern"))]
        if self.on("SimpleMatch"):
            patterns = [re.escape(p) for p in patterns]
        self.patterns = [regex(p, not self.on("CaseSensitive")) for p in patterns]
        self.hit = False
        for name in ("Context", "Encoding", "Include", "Exclude", "List"):
            if name in self.bound:
                raise Unsupported(f"Select-String -{name}", self.line)

    def process(self, item: object) -> None:
        self.number += 1
        self._look(text(item), self.number, "InputStream")

    def done(self) -> None:
        paths = self.get("LiteralPath") or self.get("Path")
        if paths is not None:
            for path in (text(p) for p in each(paths)):
                for number, line in enumerate(read_lines(self.rt, self.rt.resolve(path)), 1):
                    self._look(line, number, self.rt.resolve(path))
        if self.on("Quiet"):
            self.emit(self.hit)

    def _look(self, line: str, number: int, path: str) -> None:
        found = [m for pattern in self.patterns for m in pattern.finditer(line)]
        if bool(found) == self.on("NotMatch"):
            return
        self.hit = True
        if self.on("Quiet"):
            return
        matches: list[object] = [match_record(m) for m in (found if self.on("AllMatches") else found[:1])]
        properties = {
            "Line": line, "LineNumber": number, "Filename": path.rpartition("\\")[2], "Path": path,
            "Pattern": self.patterns[0].pattern, "Matches": matches,
        }  # fmt: skip
        self.emit(Record(properties, type_name="Microsoft.PowerShell.Commands.MatchInfo", text=line))


STAGES: dict[str, type[ObjectStage]] = {
    "ConvertTo-Json": ConvertToJson,
    "ConvertFrom-Json": ConvertFromJson,
    "Select-String": SelectString,
}

__all__ = ["STAGES", "Stream", "dumps", "loads"]
