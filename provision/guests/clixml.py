"""PowerShell's CLIXML on stderr, made readable.

``powershell.exe -EncodedCommand`` writes errors and progress to a redirected stderr as serialised objects
(``#< CLIXML`` and one document); people need the text of the errors.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET  # the machine's own PowerShell wrote it; entities are refused below

_HEADER = "#< CLIXML"
_DOCUMENT = re.compile(r"<Objs\b.*?</Objs>", re.DOTALL)
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SHOWN = frozenset({"Error", "Warning", "Information", "Verbose", "Debug"})


def _unescape(text: str) -> str:
    """``_x000D__x000A_`` and the like; surrogate pairs come as two escapes."""
    units = _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), text)
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _texts(document: str) -> str:
    if "<!" in document:
        return document
    try:
        root = ET.fromstring(document)  # noqa: S314
    except ET.ParseError:
        return document
    parts = []
    for element in root:
        # <S S="Error">text</S>; progress records are objects (<Obj S="progress">) and are left out.
        if element.tag.rpartition("}")[2] == "S" and element.get("S", "") in _SHOWN:
            parts.append(_unescape(element.text or ""))
    return "".join(parts)


def readable(stderr: str) -> str:
    """The text with every CLIXML document replaced by what it says.

    Text that is no CLIXML stays; a document that cannot be read stays as it came.
    """
    if _HEADER not in stderr:
        return stderr
    text = re.sub(rf"{re.escape(_HEADER)}\r?\n?", "", stderr)
    return _DOCUMENT.sub(lambda found: _texts(found.group(0)), text)
