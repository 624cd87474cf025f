"""How scripts are run on a Windows machine, over WinRM and over SSH alike.

The bootstrap travels as ``-EncodedCommand`` and reads base64 lines from ``$input``: Windows PowerShell feeds a
redirected standard input, line by line, to the pipeline of the command given on its command line, in ASCII
whatever the code page is.  (``[Console]::OpenStandardInput()`` is no way: the host has begun to read by then.)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path

from provision.guests.base import Script
from provision.guests.clixml import readable
from provision.guests.output import Output
from provision.guests.recipes import Invocation, LogReader, Recipes, Upload

# cmd.exe's limit for a command line.
COMMAND_LINE = 8191


def _load(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="ascii")


def encoded_command(text: str) -> str:
    """The command line that runs a short text; comments and indentation do not travel.

    Raises:
        ValueError: it would be longer than cmd.exe takes.
    """
    lines = (line.strip() for line in text.splitlines())
    short = "\n".join(line for line in lines if line and not line.startswith("#"))
    encoded = base64.b64encode(short.encode("utf-16-le")).decode()
    command = f"powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -EncodedCommand {encoded}"
    if len(command) > COMMAND_LINE:
        raise ValueError(f"the encoded command has {len(command)} characters, over {COMMAND_LINE}")
    return command


def quoted(text: str) -> str:
    """A text as a PowerShell literal."""
    return "'" + text.replace("'", "''") + "'"


BOOTSTRAP = encoded_command(_load("bootstrap.ps1"))
FOLLOW = Script("follow", _load("follow.ps1"))
WORKER = Script("worker", _load("worker.ps1"))
FOLDER = r"C:\ProgramData\hybrid"


def _stored(script: Script) -> bytes:
    # Windows PowerShell 5.1 reads a file without a byte order mark as ANSI.  Our scripts are ASCII; the values in
    # their parameter block need not be, and then the file gets its mark.
    data = script.text.encode()
    return data if data.isascii() else b"\xef\xbb\xbf" + data


def _payload(forget: Sequence[Script], kept: list[Script], run: Script, *arguments: object) -> bytes:
    lines = [f"forget {kept_digest(script)}" for script in forget]
    lines += [f"keep {kept_digest(script)} {base64.b64encode(_stored(script)).decode()}" for script in kept]
    words = " ".join(["run", kept_digest(run), *(str(argument) for argument in arguments), "end"])
    return "\n".join([*lines, words, ""]).encode("ascii")


def kept_digest(script: Script) -> str:
    """The SHA-256 under which a script is kept on the machine: of the bytes that are written there."""
    return script.digest if script.text.isascii() else Script(script.name, "\ufeff" + script.text).digest


class _FramedLog(LogReader):
    """Reads follow.ps1's lines; every piece says where it begins and ends, so that nothing is lost or taken twice.

    A lost answer of the machine may glue the head of one line to the tail of another: such a line's text is never
    as long as its two positions say.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._offset = 0
        self.stdout = self._take
        self.resume()

    @property
    def offset(self) -> int:
        return self._offset

    @property
    def complete(self) -> bool:
        return self._ended and not self._hole

    def resume(self) -> None:
        self._rest = b""
        self._errors = 0
        self._hole = self._ended = False

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if not self._hole:
                self._hole = not self._understood(line.split())

    def _understood(self, words: list[bytes]) -> bool:
        match words:
            case [b"log", begin, text, end]:
                return self._log(_piece(begin, text, end))
            case [b"err", begin, text, end]:
                return self._err(_piece(begin, text, end))
            case [b"end", position]:
                self._ended = True
                return position == b"%d" % (self._offset + self._errors)
            case [b"stopped"]:
                self._ended = True
                self._output.stderr(b"hybrid: the work was stopped before its end (did the machine restart?)\n")
            case [b"log" | b"err" | b"end", *_]:
                return False
        return True

    def _log(self, piece: tuple[int, bytes] | None) -> bool:
        if piece is None or piece[0] > self._offset:
            return False
        fresh = piece[1][self._offset - piece[0] :]
        self._offset += len(fresh)
        if fresh:
            self._output.stdout(fresh)
        return True

    def _err(self, piece: tuple[int, bytes] | None) -> bool:
        if piece is None or piece[0] != self._offset + self._errors:
            return False
        self._errors += len(piece[1])
        self._output.stderr(piece[1])
        return True


def _piece(begin: bytes, text: bytes, end: bytes) -> tuple[int, bytes] | None:
    """A piece and where it begins; None when it is not whole."""
    try:
        data = base64.b64decode(text, validate=True)
        start, after = int(begin), int(end)
    except ValueError:
        return None
    return (start, data) if start + len(data) == after else None


class WindowsRecipes(Recipes):
    """Windows PowerShell 5.1 as an administrator."""

    incoming = "/" + rf"{FOLDER}\incoming".replace("\\", "/")

    def run(self, script: Script, seconds: float, forget: Sequence[Script]) -> Invocation:  # noqa: ARG002
        return Invocation(BOOTSTRAP, _payload(forget, [script], script))

    def follow(self, script: Script, offset: int, forget: Sequence[Script]) -> Invocation:
        kept = [WORKER, script, FOLLOW]
        payload = _payload(forget, kept, FOLLOW, kept_digest(script), offset, kept_digest(WORKER))
        return Invocation(BOOTSTRAP, payload)

    def log_reader(self, output: Output) -> LogReader:
        return _FramedLog(output)

    def stop_detached(self, script: Script) -> Script:
        task = quoted(f"hybrid-{kept_digest(script)[:12]}")
        return Script(
            "stop-detached",
            f"$Found = @(Get-ScheduledTask -TaskName {task} -ErrorAction SilentlyContinue)\n"
            f"if ($Found.Count -gt 0) {{\n    Stop-ScheduledTask -TaskName {task}\n"
            f"    Unregister-ScheduledTask -TaskName {task} -Confirm:$false\n}}\n",
        )

    def boot(self) -> Script:
        return Script("boot-time", _load("boot.ps1"))

    def restart(self) -> Script:
        return Script("restart", self.boot().text + "& shutdown.exe /r /t 1 /f\nexit $LASTEXITCODE\n")

    def kill(self, stderr: bytes) -> str | None:  # noqa: ARG002
        return None  # the processes of a shell die with it

    def clean_stderr(self, text: str) -> str:
        return re.sub(r"\r\n", "\n", readable(text))

    def prepare_upload(self) -> Script:
        folder = self.incoming.lstrip("/").replace("/", "\\")
        return Script("prepare-upload", f"$null = New-Item -ItemType Directory -Force -Path {quoted(folder)}\n")

    def finish_upload(self, uploads: Sequence[Upload]) -> Script:
        lines = ["$ErrorActionPreference = 'Stop'"]
        for upload in uploads:
            source = quoted(upload.part.lstrip("/").replace("/", "\\"))
            folder = quoted(upload.target.rpartition("\\")[0])
            lines += [
                f"if ((Get-FileHash -LiteralPath {source} -Algorithm SHA256).Hash -ne {quoted(upload.digest)}) {{",
                f"    Remove-Item -LiteralPath {source} -Force",
                f"    Write-Output {quoted(upload.target)}",
                "    exit 96",
                "}",
                f"if (-not (Test-Path -LiteralPath {folder})) {{",
                f"    $null = New-Item -ItemType Directory -Force -Path {folder}",
                "}",
                f"Move-Item -LiteralPath {source} -Destination {quoted(upload.target)} -Force",
            ]
        return Script("finish-upload", "\n".join(lines) + "\n")
