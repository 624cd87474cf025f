"""powershell.exe's own command line: which script it runs, and what becomes of its streams."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from xml.sax.saxutils import escape

from provision.rehearsal.models.windows_process import WindowsProcess
from provision.rehearsal.powershell.faults import Unsupported
from provision.rehearsal.powershell.interpreter import run_command, run_script

# Parameters of powershell.exe 5.1 (about_PowerShell_exe); abbreviations are allowed while they are unique.
_SWITCHES = ("noprofile", "noninteractive", "nologo", "noexit", "sta", "mta")
_VALUES = ("executionpolicy", "inputformat", "outputformat", "version", "windowstyle", "configurationname")
_LAST = ("file", "command", "encodedcommand")
_POLICIES = ("bypass", "unrestricted", "remotesigned", "allsigned", "restricted", "default", "undefined")
_SHORT = {
    "ec": "encodedcommand",
    "e": "encodedcommand",
    "c": "command",
    "f": "file",
    "ep": "executionpolicy",
    "nop": "noprofile",
}
BAD_USAGE = -196608


def run_powershell(process: WindowsProcess, arguments: list[str]) -> int:
    """Run powershell.exe with these arguments; returns its exit code."""
    words = list(arguments)
    while words:
        word = words.pop(0)
        name = _name(word)
        if name in _SWITCHES:
            continue
        if name in _VALUES:
            if not words:
                return _usage(process, f"Missing argument for parameter {name}.")
            value = words.pop(0)
            if name == "executionpolicy" and value.lower() not in _POLICIES:
                return _usage(process, f"Invalid ExecutionPolicy value '{value}'.")
            continue
        if name == "encodedcommand":
            return _encoded(process, words)
        if name == "file":
            return _file(process, words)
        # Anything else is a command, as 5.1 takes it.
        text = " ".join(words if name == "command" else [word, *words])
        return _command(process, text)
    return _usage(process, "An interactive shell is not modelled.")


def _command(process: WindowsProcess, text: str) -> int:
    return _run(process, lambda: run_command(text, box=process, with_input=True))


def _run(process: WindowsProcess, run: Callable[[], int]) -> int:
    try:
        return run()
    except Unsupported as error:
        process.write_error(f"rehearsal: {error}\r\n".encode())
        return 1


def _name(word: str) -> str:
    if not word.startswith(("-", "/")):
        return ""
    name = word[1:].lower()
    if name in _SHORT:
        return _SHORT[name]
    found = [known for known in (*_SWITCHES, *_VALUES, *_LAST) if known.startswith(name)]
    return found[0] if len(found) == 1 or name in found else ""


def _usage(process: WindowsProcess, text: str) -> int:
    process.write_error(f"{text}\r\n".encode())
    return BAD_USAGE


def _file(process: WindowsProcess, words: list[str]) -> int:
    if not words:
        return _usage(process, "-File needs a path.")
    path = process.absolute(words[0])
    if not path.lower().endswith(".ps1"):
        return _usage(
            process, f"Processing -File '{words[0]}' failed because the file does not have a '.ps1' extension."
        )
    if not process.machine.files.exists(path):
        return _usage(
            process,
            f"The argument '{words[0]}' to the -File parameter does not exist. Provide the path to an existing '.ps1'"
            " file as an argument to the -File parameter.",
        )
    data = process.files.read(path)
    # Without a byte order mark 5.1 reads ANSI.
    text = data.decode("utf-8-sig") if data.startswith(b"\xef\xbb\xbf") else data.decode("cp1252", "replace")
    return _run(process, lambda: run_script(text, box=process, arguments=words[1:], name=path, with_input=True))


def _encoded(process: WindowsProcess, words: list[str]) -> int:
    try:
        text = base64.b64decode(words[0], validate=True).decode("utf-16-le")
    except (IndexError, binascii.Error, UnicodeDecodeError):
        return _usage(process, "Cannot process the command because the value specified with -EncodedCommand is not"
                      " properly encoded. The value must be Base64 encoded.")  # fmt: skip
    errors: list[bytes] = []
    write_error = process.divert_errors(errors.append)
    try:
        return _run(process, lambda: run_command(text, box=process, with_input=True))
    finally:
        if errors:
            write_error(_clixml(b"".join(errors).decode("utf-8", "replace")))


def _clixml(text: str) -> bytes:
    """Error text as -EncodedCommand writes it when its input is redirected."""
    lines = text.replace("\r\n", "\n").splitlines()
    items = "".join(f'<S S="Error">{escape(line)}_x000D__x000A_</S>' for line in lines)
    return (
        f'#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">{items}</Objs>'
    ).encode()
