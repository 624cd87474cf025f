"""Names of .NET types: how scripts write them, which there are, their enumerations and ranges."""

from __future__ import annotations

import re

from provision.rehearsal.powershell.faults import BASES
from provision.rehearsal.powershell.values import EnumValue

_SHORT = {
    "int": "System.Int32", "int32": "System.Int32", "long": "System.Int64", "int64": "System.Int64",
    "uint32": "System.UInt32", "uint64": "System.UInt64", "uint16": "System.UInt16", "int16": "System.Int16",
    "byte": "System.Byte", "string": "System.String", "char": "System.Char", "bool": "System.Boolean",
    "boolean": "System.Boolean", "double": "System.Double", "float": "System.Single", "object": "System.Object",
    "array": "System.Array", "datetime": "System.DateTime", "timespan": "System.TimeSpan",
    "version": "System.Version", "math": "System.Math", "convert": "System.Convert", "guid": "System.Guid",
    "regex": "System.Text.RegularExpressions.Regex", "environment": "System.Environment", "void": "System.Void",
    "hashtable": "System.Collections.Hashtable", "scriptblock": "System.Management.Automation.ScriptBlock",
    "switch": "System.Management.Automation.SwitchParameter", "type": "System.Type", "uri": "System.Uri",
    "switchparameter": "System.Management.Automation.SwitchParameter", "exception": "System.Exception",
    "pscustomobject": "System.Management.Automation.PSCustomObject",
    "powershell": "System.Management.Automation.PowerShell",
    "psobject": "System.Management.Automation.PSObject", "ordered": "System.Collections.Specialized.OrderedDictionary",
    "io.file": "System.IO.File", "io.path": "System.IO.Path", "text.encoding": "System.Text.Encoding",
    "console": "System.Console", "securestring": "System.Security.SecureString",
}  # fmt: skip
RANGES = {
    "System.Int32": (-(2**31), 2**31 - 1, "an Int32"), "System.UInt32": (0, 2**32 - 1, "a UInt32"),
    "System.Int64": (-(2**63), 2**63 - 1, "an Int64"), "System.UInt64": (0, 2**64 - 1, "a UInt64"),
    "System.Byte": (0, 255, "an unsigned byte"), "System.UInt16": (0, 65535, "a UInt16"),
    "System.Int16": (-32768, 32767, "an Int16"),
}  # fmt: skip
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
ENUMS: dict[str, tuple[tuple[str, int], ...]] = {
    "System.DayOfWeek": tuple((n, i) for i, n in enumerate(_DAYS)),
    "System.StringComparison": (("CurrentCulture", 0), ("CurrentCultureIgnoreCase", 1), ("InvariantCulture", 2),
                                ("InvariantCultureIgnoreCase", 3), ("Ordinal", 4), ("OrdinalIgnoreCase", 5)),
    "System.DateTimeKind": (("Unspecified", 0), ("Utc", 1), ("Local", 2)),
    "System.IO.FileMode": (("CreateNew", 1), ("Create", 2), ("Open", 3), ("OpenOrCreate", 4), ("Truncate", 5),
                           ("Append", 6)),
    "System.IO.FileAccess": (("Read", 1), ("Write", 2), ("ReadWrite", 3)),
    "System.IO.FileShare": (("None", 0), ("Read", 1), ("Write", 2), ("ReadWrite", 3), ("Delete", 4)),
    "System.StringSplitOptions": (("None", 0), ("RemoveEmptyEntries", 1)),
}  # fmt: skip


def type_of(name: str) -> str | None:
    """The full name of a type as scripts write it, None for one outside the closed list."""
    folded = name.lower()
    if folded in _SHORT:
        return _SHORT[folded]
    if folded.endswith("[]"):
        element = type_of(name[:-2])
        return element + "[]" if element else None
    for known in KNOWN_TYPES:
        if folded in (known.lower(), known.lower().removeprefix("system.")):
            return known
    generic = re.fullmatch(r"(?:system\.)?collections\.generic\.list(?:`1)?\[(.+)\]", folded)
    if generic:
        element = type_of(generic.group(1))
        return f"System.Collections.Generic.List[{element}]" if element else None
    return None


KNOWN_TYPES = frozenset(_SHORT.values()) | frozenset(BASES) | frozenset(BASES.values()) | frozenset(ENUMS) | {
    "System.Collections.ArrayList", "System.Diagnostics.Stopwatch", "System.Globalization.CultureInfo",
    "System.Text.UTF8Encoding", "System.Text.ASCIIEncoding", "System.Security.Cryptography.SHA256",
    "System.Management.Automation.ErrorRecord", "System.Management.Automation.PSCredential", "System.IO.Directory",
    "System.Threading.Thread", "System.BitConverter", "System.Text.StringBuilder", "System.NotSupportedException",
    "System.DateTimeOffset", "System.InvalidOperationException", "System.FormatException", "System.TimeoutException",
    "System.UnauthorizedAccessException", "System.IO.FileStream", "System.IO.StreamReader", "System.IO.MemoryStream",
}  # fmt: skip


def enum_member(type_name: str, name: str) -> EnumValue | None:
    """A member of one of the known enumerations."""
    for known, value in ENUMS.get(type_name, ()):
        if known.lower() == name.lower():
            return EnumValue(type_name, known, value)
    return None
