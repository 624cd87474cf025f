"""Static members of .NET types: a closed list."""

from __future__ import annotations

import base64
import math
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from provision.rehearsal.powershell import natives, static_files
from provision.rehearsal.powershell.convert import (
    convert,
    text,
    to_date,
    to_integer,
    to_number,
    to_span,
    to_version,
    unwrap,
)
from provision.rehearsal.powershell.faults import NetException, ScriptError, Unsupported
from provision.rehearsal.powershell.methods import invoke
from provision.rehearsal.powershell.operators import groups_of
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.text_tools import format_items, regex, replacement
from provision.rehearsal.powershell.types import RANGES, enum_member, type_of
from provision.rehearsal.powershell.values import (
    ArrayList,
    GenericList,
    Hashtable,
    Record,
    SecureString,
    TypedArray,
    Version,
)

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime

Static = Callable[..., object]


def _plain(function: Callable[..., object]) -> Static:
    return lambda _rt, *arguments: function(*arguments)


def _round(value: object, digits: int = 0) -> float:
    return round(float(to_number(value)), digits)


def _extreme(choose: Callable[..., Any]) -> Static:
    return _plain(lambda a, b: choose(to_number(a), to_number(b)))


def _parse_int(full: str) -> Static:
    def parse(_rt: Runtime, value: object) -> object:
        stripped = text(value).strip()
        if not stripped.lstrip("+-").isdigit():
            raise ValueError("Input string was not in a correct format.")
        return to_integer(stripped, full)

    return parse


def _parse_bool(value: object) -> bool:
    folded = text(value).strip().lower()
    if folded not in ("true", "false"):
        raise ValueError("String was not recognized as a valid Boolean.")
    return folded == "true"


def _leaf(path: object) -> str:
    return text(path).replace("/", "\\").rsplit("\\", 1)[-1]


def _stem(path: object) -> str:
    leaf = _leaf(path)
    return leaf.rsplit(".", 1)[0] if "." in leaf else leaf


def _extension(path: object) -> str:
    leaf = _leaf(path)
    return "." + leaf.rsplit(".", 1)[1] if "." in leaf else ""


def _combine(*parts: object) -> str:
    joined = ""
    for part in (text(p) for p in parts):
        joined = part if not joined or part[1:2] == ":" or part[:1] == "\\" else joined.rstrip("\\") + "\\" + part
    return joined


def match_record(found: Any) -> Record:
    """A .NET Match of one of Python's."""
    groups: list[object] = []
    if found is not None:
        for number in range(found.re.groups + 1):
            value = found.group(number)
            groups.append(
                Record(
                    {"Success": value is not None, "Value": value or ""},
                    type_name="System.Text.RegularExpressions.Group",
                    text=value or "",
                )
            )
    named = Hashtable(dict(enumerate(groups)))
    for name in found.re.groupindex if found is not None else ():
        named[name] = groups[found.re.groupindex[name]]
    value = found.group() if found is not None else ""
    properties = {"Success": found is not None, "Value": value, "Index": found.start() if found is not None else 0,
                  "Length": len(value), "Groups": named}  # fmt: skip
    return Record(properties, type_name="System.Text.RegularExpressions.Match", text=value)


def _spread(items: tuple[object, ...]) -> list[object]:
    """The values of ``params object[]``: one list, or several values."""
    return items[0] if len(items) == 1 and isinstance(items[0], list) else list(items)


def _same_text(left: object, right: object, *how: object) -> bool:
    if any("ignorecase" in text(one).lower() for one in how):
        return text(left).lower() == text(right).lower()
    return text(left) == text(right)


def _to_int(value: object, base: int, full: str) -> int:
    return int(value, base) if isinstance(value, str) else to_integer(value, full)


def _guid(value: str) -> Record:
    return Record({"Guid": value}, type_name="System.Guid", text=value)


def _invariant() -> Record:
    return Record({"Name": ""}, type_name="System.Globalization.CultureInfo", text="")


def _all_matches(value: object, pattern: object) -> list[object]:
    return [match_record(found) for found in regex(text(pattern), False).finditer(text(value))]


def _sub(value: object, pattern: object, template: object) -> str:
    expression = regex(text(pattern), False)
    return expression.sub(replacement(expression, text(template)), text(value))


def _set_variable(rt: Runtime, name: object, value: object, *_scope: object) -> object:
    rt.set_environment(text(name), text(value))
    return NOTHING


def _utc_now(rt: Runtime) -> datetime:
    return rt.box.now()


def _now(rt: Runtime) -> datetime:
    return rt.box.now().replace(tzinfo=None)


def _sleep(rt: Runtime, milliseconds: object) -> object:
    rt.box.sleep(to_number(milliseconds) / 1000)
    rt.check_killed()
    return NOTHING


def _date(_rt: Runtime, *parts: object) -> datetime:
    return datetime(*(int(to_number(p)) for p in parts[:6]))  # type: ignore[arg-type]


def _stdin(rt: Runtime) -> natives.ByteStream:
    return rt.console_input


METHODS: dict[str, dict[str, Static]] = {
    "System.Math": {
        "max": _extreme(max), "min": _extreme(min), "abs": _plain(lambda v: abs(to_number(v))),
        "floor": _plain(lambda v: float(math.floor(to_number(v)))),
        "ceiling": _plain(lambda v: float(math.ceil(to_number(v)))),
        "round": _plain(_round), "truncate": _plain(lambda v: float(math.trunc(to_number(v)))),
        "pow": _plain(lambda a, b: float(to_number(a)) ** to_number(b)),
    },
    "System.String": {
        "isnullorempty": _plain(lambda v: not text(v)), "isnullorwhitespace": _plain(lambda v: not text(v).strip()),
        "join": _plain(lambda s, *items: text(s).join(text(i) for i in _spread(items))),
        "format": _plain(lambda form, *items: format_items(text(form), _spread(items))),
        "concat": _plain(lambda *items: "".join(text(i) for i in items)),
        "equals": _plain(_same_text),
    },
    "System.Boolean": {"parse": _plain(_parse_bool)},
    "System.Convert": {
        "tobase64string": _plain(lambda raw: base64.b64encode(natives.data(raw)).decode()),
        "frombase64string": _plain(lambda s: base64.b64decode(text(s), validate=True)),
        "toboolean": _plain(lambda v: _parse_bool(v) if isinstance(v, str) else bool(v)),
        "toint32": _plain(lambda v, base=10: _to_int(v, base, "System.Int32")),
        "toint64": _plain(lambda v, base=10: _to_int(v, base, "System.Int64")),
        "tostring": _plain(lambda v, *_: text(v)),
    },
    "System.DateTime": {"parse": _plain(lambda v, *_: to_date(text(v))), "new": _date},
    "System.TimeSpan": {
        "fromseconds": _plain(lambda v: timedelta(seconds=float(v))),
        "fromminutes": _plain(lambda v: timedelta(minutes=float(v))),
        "fromhours": _plain(lambda v: timedelta(hours=float(v))),
        "frommilliseconds": _plain(lambda v: timedelta(milliseconds=float(v))),
        "parse": _plain(lambda v: to_span(text(v))),
    },
    "System.Version": {"parse": _plain(to_version), "new": _plain(lambda *p: to_version(".".join(text(i) for i in p)))},
    "System.Guid": {"newguid": _plain(lambda: _guid(str(uuid.uuid4())))},
    "System.Text.RegularExpressions.Regex": {
        "escape": _plain(lambda v: _escape(text(v))),
        "ismatch": _plain(lambda v, p: bool(regex(text(p), False).search(text(v)))),
        "match": _plain(lambda v, p: match_record(regex(text(p), False).search(text(v)))),
        "matches": _plain(_all_matches),
        "replace": _plain(_sub), "split": _plain(lambda v, p: TypedArray(list(regex(text(p), False).split(text(v))))),
    },
    "System.IO.Path": {
        "combine": _plain(_combine), "getfilename": _plain(_leaf), "getextension": _plain(_extension),
        "getfilenamewithoutextension": _plain(_stem),
        "getdirectoryname": _plain(lambda p: text(p).replace("/", "\\").rpartition("\\")[0]),
        "gettemppath": lambda rt: text(rt.environment("TEMP")) + "\\",
        "getfullpath": lambda rt, p: rt.resolve(text(p)),
    },
    "System.IO.File": {
        "exists": lambda rt, p: static_files.exists(rt, p, False), "readalltext": static_files.read_text,
        "writealltext": static_files.write_text,
        "readallbytes": lambda rt, p: rt.box.files.read(rt.resolve(text(p))),
        "writeallbytes": lambda rt, p, raw: static_files.write(rt, p, natives.data(raw)),
        "readalllines": static_files.read_lines, "writealllines": static_files.write_lines,
        "appendalltext": static_files.append_text, "delete": static_files.delete, "move": static_files.move,
        "openread": lambda rt, p: static_files.open(rt, p, False),
        "create": lambda rt, p: static_files.open(rt, p, True),
        "openwrite": lambda rt, p: static_files.open(rt, p, True),
        "open": lambda rt, p, mode, access="ReadWrite", _share="None": static_files.open_to_read(rt, p, mode, access),
    },
    "System.IO.Directory": {
        "exists": lambda rt, p: static_files.exists(rt, p, True),
        "createdirectory": lambda rt, p: rt.make_folders(rt.resolve(text(p))),
    },
    "System.Environment": {
        "getenvironmentvariable": lambda rt, name, *_: rt.environment(text(name)),
        "setenvironmentvariable": _set_variable,
    },
    "System.Console": {
        "openstandardinput": _stdin, "readline": lambda rt: _stdin(rt).line(),
        "write": lambda rt, v="": natives.Writer(rt.box.write).methods["write"](v),
        "writeline": lambda rt, v="": natives.Writer(rt.box.write).methods["writeline"](v),
    },
    "System.Security.Cryptography.SHA256": {"create": _plain(natives.Sha256)},
    "System.BitConverter": {"tostring": _plain(lambda raw: "-".join(f"{b:02X}" for b in natives.data(raw)))},
    "System.Diagnostics.Stopwatch": {"startnew": lambda rt: natives.Stopwatch(rt.box.monotonic)},
    "System.Threading.Thread": {"sleep": _sleep},
    "System.Management.Automation.PowerShell": {"create": natives.InnerShell},
    "System.Management.Automation.ScriptBlock": {"create": lambda rt, body: rt.block_of(text(body))},
}  # fmt: skip

PROPERTIES: dict[str, dict[str, Static]] = {
    "System.Math": {"pi": _plain(lambda: math.pi)},
    "System.String": {"empty": _plain(lambda: "")},
    "System.DateTime": {
        "utcnow": _utc_now, "now": _now, "minvalue": _plain(lambda: datetime(1, 1, 1)),
        "today": lambda rt: _now(rt).replace(hour=0, minute=0, second=0, microsecond=0),
    },
    "System.TimeSpan": {"zero": _plain(timedelta)},
    "System.Text.Encoding": {name: _plain(lambda e=encoding: e) for name, encoding in natives.ENCODINGS.items()},
    "System.Environment": {
        "machinename": lambda rt: rt.environment("COMPUTERNAME"), "newline": _plain(lambda: "\r\n"),
        "currentdirectory": lambda rt: rt.box.folder,
        "processorcount": lambda rt: int(text(rt.environment("NUMBER_OF_PROCESSORS")) or 1),
        "is64bitoperatingsystem": _plain(lambda: True),
    },
    "System.Console": {
        "out": lambda rt: natives.Writer(rt.box.write), "error": lambda rt: natives.Writer(rt.box.write_error),
        "in": lambda rt: natives.Reader(rt.console_input), "outputencoding": _plain(lambda: natives.UTF8_PLAIN),
        "inputencoding": _plain(lambda: natives.UTF8_PLAIN),
    },
    "System.Globalization.CultureInfo": {"invariantculture": _plain(_invariant)},
}  # fmt: skip
for _full, (_low, _high, _) in RANGES.items():
    METHODS.setdefault(_full, {})["parse"] = _parse_int(_full)
    PROPERTIES.setdefault(_full, {}).update(maxvalue=_plain(lambda v=_high: v), minvalue=_plain(lambda v=_low: v))
SETTABLE = frozenset({("System.Console", "outputencoding"), ("System.Console", "inputencoding")})


def _escape(value: str) -> str:
    special = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
    return "".join(special.get(c) or ("\\" + c if c in "\\*+?|{[()^$.# " else c) for c in value)


def static_property(rt: Runtime, full: str, name: str) -> object:
    """``[type]::Name``.

    Raises:
        Unsupported: not in the closed list.
    """
    member = enum_member(full, name)
    if member:
        return member
    found = PROPERTIES.get(full, {}).get(name.lower())
    if found is None:
        raise Unsupported(f"[{full}]::{name}")
    return found(rt)


def static_method(rt: Runtime, full: str, name: str, arguments: list[object]) -> object:
    """``[type]::Name(arguments)``.

    Raises:
        ScriptError: what the method raises.
        Unsupported: not in the closed list.
    """
    found = METHODS.get(full, {}).get(name.lower())
    if found is None and name.lower() == "new":
        return construct(rt, full, arguments)
    if found is None:
        raise Unsupported(f"[{full}]::{name}()")
    return invoke(found, name, rt, arguments)


def construct(rt: Runtime, full: str, arguments: list[object]) -> object:
    """A new object of a type.

    Raises:
        Unsupported: a type that scripts cannot make here.
    """
    plain = [unwrap(a) for a in arguments]
    made = natives.make(rt, full, plain)
    if made is not None:
        return made
    if full == "System.Collections.ArrayList":
        return ArrayList(plain[0] if plain and isinstance(plain[0], list) else [])
    if full.startswith("System.Collections.Generic.List["):
        items = GenericList(plain[0] if plain and isinstance(plain[0], list) else [])
        items.element = full[len("System.Collections.Generic.List[") : -1].removeprefix("System.")
        return items
    if full.endswith("Exception"):
        if full == "System.ArgumentNullException" and plain:
            return NetException(full, f"Value cannot be null.\r\nParameter name: {text(plain[0])}")
        return NetException(full, text(plain[0]) if plain else f"Exception of type '{full}' was thrown.")
    if full == "System.Management.Automation.PSCredential" and len(plain) == 2 and isinstance(plain[1], SecureString):
        return Record({"UserName": text(plain[0]), "Password": plain[1]}, type_name=full)
    if full in ("System.Management.Automation.PSObject", "System.Object"):
        return Record()
    if full == "System.Collections.Hashtable":
        return Hashtable()
    if full in ("System.Version", "System.DateTime"):
        return METHODS[full]["new"](rt, *plain)
    raise Unsupported(f"[{full}]::new()")


def new_object(rt: Runtime, name: str, arguments: list[object]) -> object:
    """``New-Object name``.

    Raises:
        ScriptError: there is no such type.
    """
    full = type_of(name)
    if full is None:
        raise natives.unknown_type(name)
    return construct(rt, full, arguments)


def set_static(full: str, name: str) -> None:
    """``[type]::Name = value``: only the console's encodings, which are UTF-8 here already."""
    if (full, name.lower()) not in SETTABLE:
        raise Unsupported(f"assignment to [{full}]::{name}")


__all__ = [
    "METHODS",
    "PROPERTIES",
    "ScriptError",
    "Version",
    "construct",
    "convert",
    "groups_of",
    "new_object",
    "static_method",
    "static_property",
]
