"""Small strict machines behind the rehearsal's servers, for the guests' contract; Linux."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

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
