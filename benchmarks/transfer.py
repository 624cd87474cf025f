"""How fast commands and files get to a machine: our ways beside the ways of others.

Run it: ``python -m benchmarks.transfer`` prints one JSON document.  Servers run in a process of their own; the
clients are the product's guests, real paramiko and real pywinrm.  A way that would take minutes is measured on a
sample and its row says so (``sampled_bytes``).

A file's way to Windows is the product's own: SFTP to the control plane, then a pull from the real depot program by
a real curl with the options of the script that runs on Windows, then its digest.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import winrm.protocol

from benchmarks.measure import Row
from provision.artifacts.cache import file_digest
from provision.clock import Deadline
from provision.depot import PROGRAM
from provision.guests.base import Endpoint, Os, Script
from provision.guests.connect import connect
from provision.guests.powershell import encoded_command
from provision.host.workspace import TEMPLATES
from provision.rehearsal.contract import Files, FileStat, Streams
from provision.rehearsal.serving import LoopThread
from provision.rehearsal.ssh_server import make_host_key, serve_ssh
from provision.rehearsal.wsman_server import serve_wsman
from provision.secrets import Secret

MEGABYTE = 1_000_000
# Bytes of a file that fit into one encoded command (base64, then UTF-16, then base64, under 8,191 characters).
ENCODED_PIECE = 2_100
INPUT_PIECE = 100_000
USER, PASSWORD = "bench", "bench-throw-away"


class _DevNull:
    """Files that keep their size and nothing else."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}

    def stat(self, path: str) -> FileStat:
        if path not in self.sizes:
            raise FileNotFoundError(path)
        return FileStat(self.sizes[path], 0.0)

    def read(self, path: str) -> bytes:
        raise FileNotFoundError(path)

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:  # noqa: ARG002
        self.sizes[path] = len(data)

    def append(self, path: str, data: bytes) -> None:
        self.sizes[path] += len(data)

    def rename(self, old: str, new: str) -> None:
        self.sizes[new] = self.sizes.pop(old)

    def remove(self, path: str) -> None:
        del self.sizes[path]

    def make_folder(self, path: str) -> None:
        """Folders need not be made here."""

    def list(self, path: str) -> list[str]:  # noqa: ARG002
        return list(self.sizes)


class _Sink:
    """Takes any command and any input, and succeeds at once: what is left is the transport."""

    name = "sink"
    answers = True
    boot_count = 1

    def __init__(self, os: Os) -> None:
        self.os: Os = os
        self.files: Files = _DevNull()

    def authorized_key(self, user: str, public_key: str) -> bool:  # noqa: ARG002
        return False

    def password(self, user: str) -> str | None:
        return PASSWORD if user == USER else None

    def execute(self, command_line: str, streams: Streams) -> int:  # noqa: ARG002
        while streams.stdin.read(1 << 20):
            pass
        streams.stdout(b"ok\n")
        return 0


def _serve(pipe: Connection) -> None:
    loop = LoopThread()
    linux = serve_ssh(_Sink("linux"), host_key=make_host_key(), loop=loop)
    windows = serve_wsman(_Sink("windows"), loop=loop)
    pipe.send((linux.port, windows.port))
    pipe.recv()


@dataclass(frozen=True)
class Ports:
    ssh: int
    winrm: int


@contextmanager
def servers() -> Iterator[Ports]:
    """Both servers in a process of their own."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(far,), daemon=True)
    process.start()
    try:
        yield Ports(*near.recv())
    finally:
        near.send("end")
        process.join(timeout=5)


def endpoint(os: Os, port: int, folder: Path) -> Endpoint:
    return Endpoint(
        "sink", os, "winrm" if os == "windows" else "ssh", "127.0.0.1", port, USER, Secret(PASSWORD),
        known_hosts=folder / f"known_hosts-{os}",
    )  # fmt: skip


def command_milliseconds(where: Endpoint, times: int = 50) -> float:
    """One remote command on a kept connection (median)."""
    guest, taken = connect(where), []
    script = Script("nothing", "exit 0\n")
    guest.run(script, Deadline(30))
    for _ in range(times):
        start = time.perf_counter()
        guest.run(script, Deadline(30))
        taken.append(time.perf_counter() - start)
    guest.close()
    return sorted(taken)[times // 2] * 1000


def sftp_seconds(where: Endpoint, file: Path) -> float:
    """The product's upload: pipelined, hashed on the way, checked on the machine."""
    guest = connect(where)
    guest.run(Script("nothing", "exit 0\n"), Deadline(30))
    start = time.perf_counter()
    guest.put(file, "/var/lib/hybrid/files/file", Deadline(600))
    taken = time.perf_counter() - start
    guest.close()
    return taken


def _protocol(where: Endpoint) -> winrm.protocol.Protocol:
    return winrm.protocol.Protocol(
        f"http://{where.host}:{where.port}/wsman", transport="ntlm", username=USER, password=PASSWORD,
        server_cert_validation="ignore", message_encryption="always", proxy=None,
    )  # fmt: skip


def encoded_commands_seconds(where: Endpoint, sample: int) -> float:
    """Others' way into Windows: a kept shell, one encoded command a piece that appends base64 to a file."""
    protocol = _protocol(where)
    shell = protocol.open_shell(codepage=65001)
    start = time.perf_counter()
    for _ in range(0, sample, ENCODED_PIECE):
        text = f"Add-Content -Path C:\\file.b64 -Value {'A' * (ENCODED_PIECE * 4 // 3)}"
        command = protocol.run_command(shell, encoded_command(text))
        protocol.send_command_input(shell, command, b"", end=True)
        protocol.get_command_output(shell, command)
        protocol.cleanup_command(shell, command)
    taken = time.perf_counter() - start
    protocol.close_shell(shell)
    return taken


def input_push_seconds(where: Endpoint, size: int) -> float:
    """Through the standard input of one command, in pieces that fit the envelope."""
    protocol = _protocol(where)
    shell = protocol.open_shell(codepage=65001)
    piece = bytes(INPUT_PIECE)
    start = time.perf_counter()
    command = protocol.run_command(shell, "receive", console_mode_stdin=False)
    for sent in range(INPUT_PIECE, size + INPUT_PIECE, INPUT_PIECE):
        protocol.send_command_input(shell, command, piece, end=sent >= size)
    protocol.get_command_output(shell, command)
    taken = time.perf_counter() - start
    protocol.close_shell(shell)
    return taken


def curl_options() -> list[str]:
    """The options that ``templates/windows/50-deliver.ps1`` gives to curl."""
    script = (TEMPLATES / "windows/50-deliver.ps1").read_text()
    found = re.search(r"^\$curl = @\((.*)\)$", script, re.MULTILINE)
    if found is None:
        raise RuntimeError("50-deliver.ps1 has no line that begins with $curl = @(")
    return re.findall(r"'([^']*)'", found[1])


def pull_seconds(file: Path, folder: Path) -> tuple[float, float]:
    """The pull from the depot, digest included; and by how many MB the depot grew while it served."""
    ready, arrived = folder / "ready", folder / "arrived"
    wanted = {"address": "127.0.0.1", "port": 0, "clients": ["127.0.0.1"], "path": "word", "life": 600}
    listed = folder / "list.json"
    listed.write_text(json.dumps({**wanted, "files": {"file": str(file)}, "ready": str(ready)}))
    depot = subprocess.Popen([sys.executable, "-I", "-S", PROGRAM, listed], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        end = time.monotonic() + 15
        while not ready.exists():
            if depot.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the depot does not start")
            time.sleep(0.01)
        before = _peak(depot.pid)
        start = time.perf_counter()
        url = f"http://{ready.read_text().strip()}/word/file"
        pull = ["curl", *curl_options(), "--continue-at", "-", "--output", str(arrived), url]
        subprocess.run(pull, stdin=subprocess.DEVNULL, check=True, timeout=300)
        digest = file_digest(arrived)
        taken = time.perf_counter() - start
        if digest != file_digest(file):
            raise RuntimeError("the file arrived damaged")
        return taken, _peak(depot.pid) - before
    finally:
        depot.kill()
        depot.wait()


def _peak(pid: int) -> float:
    """The most memory that a process has used so far, MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def measure(size: int = 100 * MEGABYTE, sample: int = MEGABYTE // 2) -> dict[str, dict[str, float]]:
    """All rows: name -> figures (milliseconds, seconds, MB/s).

    Args:
        size: bytes of the file.
        sample: bytes on which the slow way is measured.
    """
    with tempfile.TemporaryDirectory() as name, servers() as ports:
        folder = Path(name)
        linux, windows = endpoint("linux", ports.ssh, folder), endpoint("windows", ports.winrm, folder)
        file = folder / "file"
        with file.open("wb") as stream:
            stream.truncate(size)
        rows: dict[str, dict[str, float]] = {
            "command over SSH": {"milliseconds": command_milliseconds(linux)},
            "command over WinRM": {"milliseconds": command_milliseconds(windows)},
        }
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        upload = sftp_seconds(linux, file)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        pull, depot_grown = pull_seconds(file, folder)
        for row, taken, measured in (
            ("file by SFTP", upload, size),
            ("file from the depot", pull, size),
            ("file to Windows", upload + pull, size),
            ("file to Windows by standard input", input_push_seconds(windows, size), size),
            ("file to Windows by encoded commands", encoded_commands_seconds(windows, sample), sample),
        ):
            speed = measured / taken / MEGABYTE
            rows[row] = {"seconds": size / MEGABYTE / speed, "megabytes_per_second": speed}
            if measured != size:
                rows[row]["sampled_bytes"] = measured
        rows["file to Windows"]["grown_megabytes"] = max(grown, depot_grown)
        return rows


def rows() -> list[Row]:
    """The budgets of a 100 MB file to Windows."""
    found = measure()
    ours, others = found["file to Windows"], found["file to Windows by encoded commands"]
    upload, pull = found["file by SFTP"]["seconds"], found["file from the depot"]["seconds"]
    push = found["file to Windows by standard input"]["seconds"]
    note = (
        f"{others['seconds']:.0f} s (of a sample) / {ours['seconds']:.1f} s: SFTP {upload:.1f} s, pull {pull:.1f} s; "
        f"stdin push {push:.1f} s"
    )
    return [
        Row("100 MB to Windows: encoded commands / ours", others["seconds"] / ours["seconds"], 100, False, "x", note),
        # A tenth of the file would be a sign that something keeps it.
        Row("100 MB to Windows: memory that grows", ours["grown_megabytes"], 10, unit="M", note="ours, or the depot"),
    ]


if __name__ == "__main__":
    threading.current_thread().name = "benchmark"
    sys.stdout.write(json.dumps(measure(), indent=2) + "\n")
