"""Small strict machines behind the rehearsal's servers, for the guests' contract."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from provision.guests import powershell
from provision.guests.base import Os
from provision.host.files import write_atomically
from provision.rehearsal.contract import Files, FileStat, Streams

USER = "operator"
PASSWORD = "canary-Pa55word"


class FolderFiles:
    """A machine's files in a folder of this computer."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, path: str) -> Path:
        clean = path.replace("\\", "/").replace(":", "").lstrip("/")
        return self.root / clean

    def stat(self, path: str) -> FileStat:
        found = self.path(path).stat()
        return FileStat(found.st_size, found.st_mtime, stat.S_ISDIR(found.st_mode))

    def read(self, path: str) -> bytes:
        return self.path(path).read_bytes()

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_bytes(data)

    def append(self, path: str, data: bytes) -> None:
        with self.path(path).open("ab") as stream:
            stream.write(data)

    def rename(self, old: str, new: str) -> None:
        self.path(new).parent.mkdir(parents=True, exist_ok=True)
        self.path(old).replace(self.path(new))

    def remove(self, path: str) -> None:
        self.path(path).unlink()

    def make_folder(self, path: str) -> None:
        self.path(path).mkdir(parents=True)

    def list(self, path: str) -> list[str]:
        return [entry.name for entry in self.path(path).iterdir()]


class Box:
    """What both machines have: accounts, boots, and the command lines that they were given."""

    os: Os

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.folder_files = FolderFiles(root)
        self.files: Files = self.folder_files
        self.root = root
        self.up = True
        self.boots = 1
        self.boot_seconds = 0.3
        self.more_answers = 0
        self.passwords = {USER: PASSWORD}
        self.keys: list[str] = []
        self.remote_administrators = True
        self.command_lines: list[str] = []
        self.runs: list[str] = []
        self._restarting = False
        # The client has the answer to what it asked for, and hangs up.
        self.left = threading.Event()

    @property
    def answers(self) -> bool:
        return self.up

    @property
    def boot_count(self) -> int:
        return self.boots

    def authorized_key(self, user: str, public_key: str) -> bool:
        return user in self.passwords and public_key.split()[:2] in [key.split()[:2] for key in self.keys]

    def password(self, user: str) -> str | None:
        return self.passwords.get(user)

    def admits_remote_administrator(self, user: str) -> bool:
        return self.remote_administrators or user == "Administrator"

    def restart(self) -> None:
        """Go down once the answers that are still due were given and taken, and come up again."""
        self._restarting = True
        self._maybe_go_down()

    def crash(self) -> None:
        """Go down now, whoever waits for an answer, and come up again."""
        threading.Thread(target=self._cycle, daemon=True).start()

    def _maybe_go_down(self) -> None:
        if not self._restarting:
            return
        if self.more_answers > 0:
            self.more_answers -= 1
            return
        self._restarting = False
        self.left.clear()

        def go_down() -> None:
            self.left.wait(10)
            self._cycle()

        threading.Thread(target=go_down, daemon=True).start()

    def _cycle(self) -> None:
        self.up = False
        self.stopped()
        time.sleep(self.boot_seconds)
        self.boots += 1
        self.up = True

    def stopped(self) -> None:
        """What dies with the machine."""


_SYSTEMD_RUN = """#!/bin/bash
for word in "$@"; do
  case $word in
    --unit=*) unit=${word#--unit=} ;;
    --*) ;;
    *) break ;;
  esac
  shift
done
while [ "${1#--}" != "$1" ]; do shift; done
echo "$unit" >> ROOT/started
setsid "$@" > /dev/null 2>&1 < /dev/null &
echo $! > ROOT/unit-$unit
"""
_SYSTEMCTL = """#!/bin/bash
case $1 in
  is-active)
    pid=$(cat ROOT/unit-$3 2> /dev/null) || exit 3
    kill -0 $pid 2> /dev/null && ! grep -q '^State:.Z' /proc/$pid/status
    ;;
  stop) kill -KILL -- -$(cat ROOT/unit-$2) ;;
  --no-block) : > ROOT/restart ;;
  *) exit 3 ;;
esac
"""
_BASH = """#!/bin/bash
case $1 in
  *.sh) exec /bin/bash <(sed 's#/proc/sys/kernel/random/boot_id#ROOT/boot_id#g; s#/var/lib/#ROOT/var/lib/#g' "$1") ;;
esac
exec /bin/bash "$@"
"""
_SUDO = """#!/bin/bash
[ "$1" = -n ] || exit 9
shift
exec "$@"
"""


class LinuxBox(Box):
    """Runs real bash; the machine's folders lie below a folder of the test."""

    os: Os = "linux"

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name, root)
        tools = root / "tools"
        tools.mkdir(parents=True)
        for tool, text in (("systemd-run", _SYSTEMD_RUN), ("systemctl", _SYSTEMCTL), ("sudo", _SUDO), ("bash", _BASH)):
            path = tools / tool
            path.write_text(text.replace("ROOT", str(root)))
            path.chmod(0o755)
        (tools / "chown").symlink_to("/bin/true")
        write_atomically(root / "boot_id", "boot-1\n")
        self._environment = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(root)}
        self.processes: list[subprocess.Popen[bytes]] = []

    def execute(self, command_line: str, streams: Streams) -> int:
        self.command_lines.append(command_line)
        root = self.root
        write_atomically(root / "boot_id", f"boot-{self.boots}\n")  # another command may be reading it
        process = subprocess.Popen(
            ["bash", "-c", command_line.replace("/var/lib/", f"{root}/var/lib/")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self._environment, start_new_session=True,
        )  # fmt: skip
        self.processes.append(process)
        assert process.stdin and process.stdout and process.stderr

        def feed() -> None:
            assert process.stdin
            try:
                while data := streams.stdin.read(65536):
                    process.stdin.write(data)
                    process.stdin.flush()
                process.stdin.close()
            except OSError:
                pass

        def drain(source: object, sink: Callable[[bytes], None]) -> None:
            try:
                while data := os.read(source.fileno(), 65536):  # type: ignore[attr-defined]
                    sink(data)
            except (OSError, ValueError):
                pass

        threads = [
            threading.Thread(target=feed, daemon=True),
            threading.Thread(target=drain, args=(process.stdout, streams.stdout), daemon=True),
            threading.Thread(target=drain, args=(process.stderr, streams.stderr), daemon=True),
        ]
        for thread in threads:
            thread.start()
        while process.poll() is None:
            time.sleep(0.005)
            if not self.up or streams.killed.is_set():
                self._kill(process)
        # All that it has said goes out before its end is told, however slowly it is taken.
        for thread in threads[1:]:
            thread.join()
        if (root / "restart").exists():
            (root / "restart").unlink()
            self.restart()
        else:
            self._maybe_go_down()
        return process.returncode if process.returncode >= 0 else 128 - process.returncode

    @staticmethod
    def _kill(process: subprocess.Popen[bytes]) -> None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def stopped(self) -> None:
        for pid in self.root.glob("unit-*"):
            try:
                os.killpg(int(pid.read_text()), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                continue

    def detached_starts(self) -> int:
        started = self.root / "started"
        return len(started.read_text().splitlines()) if started.exists() else 0

    def close(self) -> None:
        self.stopped()
        for process in self.processes:
            self._kill(process)
        shutil.rmtree(self.root, ignore_errors=True)


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
