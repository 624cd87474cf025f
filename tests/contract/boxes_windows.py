"""A small strict Windows machine behind the rehearsal's servers, for the guests' contract."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from provision.guests import powershell
from provision.guests.base import Os
from provision.host.files import write_atomically
from provision.rehearsal.contract import Streams

from .boxes import Box


class _Exit(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


class WindowsBox(Box):
    """Knows the bootstrap, the follower, and the few lines of PowerShell that the contract's scripts consist of."""

    os: Os = "windows"

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name, root)
        root.mkdir(parents=True, exist_ok=True)
        self.folder = r"C:\ProgramData\hybrid\scripts"
        self.tasks: dict[str, threading.Event] = {}
        self.started = 0
        self.pending_boots = 0

    def execute(self, command_line: str, streams: Streams) -> int:
        self.command_lines.append(command_line)
        try:
            if command_line != powershell.BOOTSTRAP:
                streams.stderr(b"not recognized as an internal or external command\r\n")
                return 9009
            return self._bootstrap(streams)
        finally:
            self._maybe_go_down()

    def _bootstrap(self, streams: Streams) -> int:
        run: list[str] = []
        for line in streams.stdin.read().decode("ascii").splitlines():
            words = line.split(" ")
            if words[0] == "keep" and len(words) == 3:
                path = rf"{self.folder}\{words[1]}.ps1"
                try:
                    self.files.stat(path)
                except FileNotFoundError:
                    self.files.write(path, base64.b64decode(words[2]))
                if hashlib.sha256(self.files.read(path)).hexdigest() != words[1]:
                    self.files.remove(path)
                    return 97
            if words[0] == "forget":
                self.folder_files.path(rf"{self.folder}\{words[1]}.exit").unlink(missing_ok=True)
            if words[0] == "run" and words[-1] == "end":
                run = words
        if len(run) < 3 or streams.killed.is_set():
            return 97
        if run[1] == powershell.FOLLOW.digest:
            return self._follow(streams, *run[2:-1])
        return self._run(run[1], streams.stdout, streams.stderr, streams.killed)

    def _run(
        self, digest: str, stdout: Callable[[bytes], None], stderr: Callable[[bytes], None], killed: threading.Event
    ) -> int:
        text = self.files.read(rf"{self.folder}\{digest}.ps1").decode("utf-8-sig")
        self.runs.append(text)
        asks_boot = powershell.WindowsRecipes().boot().text
        if text.startswith(asks_boot):  # the restart begins with it
            pending = "servicing" if self.pending_boots else ""
            self.pending_boots = max(0, self.pending_boots - 1)
            stdout(f'{{"boot":"boot-{self.boots}","pending":"{pending}"}}\r\n'.encode())
            text = text.removeprefix(asks_boot)
        try:
            for line in text.splitlines():
                if line.strip():
                    self._line(line.strip(), stdout, stderr, killed)
        except _Exit as ended:
            return ended.code
        return 0

    def _line(
        self, line: str, stdout: Callable[[bytes], None], stderr: Callable[[bytes], None], killed: threading.Event
    ) -> None:
        if line in {"exit 96", "$ErrorActionPreference = 'Stop'", "}"} or line.startswith(
            ("if (-not (Test-Path", "Remove-Item", "Write-Output ")
        ):
            return
        if found := re.fullmatch(r"'(.*)' \* (\d+)", line):
            stdout(found[1].encode() * int(found[2]) + b"\r\n")
        elif found := re.fullmatch(r"'(.*)'", line):
            stdout(found[1].replace("''", "'").encode() + b"\r\n")
        elif found := re.fullmatch(r"throw '(.*)'", line):
            stderr(found[1].encode() + b"\r\n")
            raise _Exit(1)
        elif found := re.fullmatch(r"exit (\d+)", line):
            raise _Exit(int(found[1]))
        elif found := re.fullmatch(r"Start-Sleep -Milliseconds (\d+)", line):
            end = time.monotonic() + int(found[1]) / 1000
            while time.monotonic() < end:
                if killed.wait(0.01) or not self.up:
                    raise _Exit(1)
        elif found := re.fullmatch(r"while \(-not \(Test-Path -LiteralPath '(.*)'\)\) \{ Start-Sleep .*\}", line):
            while not Path(found[1]).exists():
                if killed.wait(0.01) or not self.up:
                    raise _Exit(1)
        elif found := re.fullmatch(r"if \(\(Get-FileHash -LiteralPath '(.*)' .*-ne '(.*)'\) \{", line):
            if hashlib.sha256(self.files.read(found[1])).hexdigest() != found[2]:
                raise _Exit(96)
        elif found := re.fullmatch(r"Move-Item -LiteralPath '(.*)' -Destination '(.*)' -Force", line):
            self.files.rename(found[1], found[2])
        elif found := re.fullmatch(r"\$null = New-Item -ItemType Directory -Force -Path '(.*)'", line):
            self.folder_files.path(found[1]).mkdir(parents=True, exist_ok=True)
        elif line.startswith("& shutdown.exe /r"):
            self.restart()
        elif line == "exit $LASTEXITCODE" or line.startswith(
            ("#", "$Found = @(Get-Sched", "if ($Found", "Unregister-")
        ):
            return
        elif found := re.fullmatch(r"Stop-ScheduledTask -TaskName 'hybrid-(.*)'", line):
            self.tasks[found[1]].set()
        else:
            stderr(f"not understood: {line}\r\n".encode())
            raise _Exit(1)

    # What follow.ps1 and worker.ps1 do.
    def _follow(self, streams: Streams, digest: str, offset_text: str, worker: str) -> int:
        assert worker == powershell.WORKER.digest
        state, offset, name = rf"{self.folder}\{digest}", int(offset_text), digest[:12]
        log, err, end = (self.folder_files.path(f"{state}.{kind}") for kind in ("log", "err", "exit"))
        if not end.exists() and name not in self.tasks:
            if offset > 0:
                streams.stdout(b"stopped\r\n")
                return 98
            log.write_bytes(b"")
            err.write_bytes(b"")
            self._start_task(digest, log, err, end)
        while True:
            ended, running = end.exists(), name in self.tasks
            with log.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(60000)
            if data:
                streams.stdout(b"log %d %s %d\r\n" % (offset, base64.b64encode(data), offset + len(data)))
                offset += len(data)
                continue
            if ended:
                break
            if not running and not end.exists():
                streams.stdout(b"stopped\r\n")
                return 98
            if streams.killed.wait(0.02):
                return 1
        said = err.read_bytes()
        if said:
            streams.stdout(b"err %d %s %d\r\n" % (offset, base64.b64encode(said), offset + len(said)))
        streams.stdout(b"end %d\r\n" % (offset + len(said)))
        return int(end.read_text())

    def _start_task(self, digest: str, log: Path, err: Path, end: Path) -> None:
        killed = threading.Event()
        self.tasks[digest[:12]] = killed
        self.started += 1

        def work() -> None:
            def to(path: Path) -> Callable[[bytes], None]:
                def write(data: bytes) -> None:
                    with path.open("ab") as stream:
                        stream.write(data)

                return write

            boots = self.boots
            code = self._run(digest, to(log), to(err), killed)
            if self.up and boots == self.boots and not killed.is_set():
                write_atomically(end, str(code))  # the follower may be looking
            self.tasks.pop(digest[:12], None)

        threading.Thread(target=work, daemon=True).start()

    def stopped(self) -> None:
        for killed in self.tasks.values():
            killed.set()

    def detached_starts(self) -> int:
        return self.started

    def close(self) -> None:
        self.stopped()
        shutil.rmtree(self.root, ignore_errors=True)
