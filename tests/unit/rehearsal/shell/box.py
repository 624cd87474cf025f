"""A machine with files, coreutils and nothing else: what the shell's tests run on."""

from __future__ import annotations

import threading
from pathlib import Path

from provision.clock import utc_now
from provision.rehearsal.files import StateFiles
from provision.rehearsal.models import linux_coreutils, linux_files, linux_program, linux_text
from provision.rehearsal.shell import Call, run_script
from provision.rehearsal.state import MachineState

PROGRAMS = {**linux_coreutils.PROGRAMS, **linux_files.PROGRAMS, **linux_text.PROGRAMS}


class Box:
    """Implements `ShellBox` and `FileHost`."""

    def __init__(self, folder: Path) -> None:
        self.files = StateFiles(MachineState(folder, "box"), "linux")
        self.files.make_folders("/trial")
        self.files.make_folders("/tmp")
        self.files.make_folders("/dev/fd")
        self.killed = threading.Event()
        self.pid = 4242
        self.hostname = "box"
        self.calls: list[tuple[str, ...]] = []

    def which(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if name in PROGRAMS else None

    def is_link(self, path: str) -> bool:
        return self.files.read_link(path) is not None

    def clock(self) -> float:
        return utc_now().timestamp()

    now = clock

    def program(self, call: Call) -> int:
        self.calls.append(call.argv)
        if call.argv[0] not in PROGRAMS:
            raise FileNotFoundError(call.argv[0])
        return linux_program.run(PROGRAMS[call.argv[0]], self, call)


def run(box: Box, script: str, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a script in /trial."""
    out: list[bytes] = []
    err: list[bytes] = []
    code = run_script(
        script,
        box=box,
        arguments=arguments,
        stdin=stdin,
        stdout=out.append,
        stderr=err.append,
        cwd="/trial",
        env={"PATH": "/usr/bin", "HOME": "/root"},
    )
    return code, b"".join(out).decode(), b"".join(err).decode()
