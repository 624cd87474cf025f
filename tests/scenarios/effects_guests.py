"""What the guests' own scripts do on a Windows machine: keep and run scripts, detached work, boot times."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from provision.clock import Deadline, poll
from provision.guests import powershell
from provision.guests.base import Script
from provision.guests.output import Output
from provision.guests.powershell import WindowsRecipes, kept_digest
from provision.guests.recipes import Invocation
from provision.rehearsal.contract import Streams
from tests.scenarios.windows_bench import Bench

Write = Callable[[bytes], object]
KEPT = "C:\\ProgramData\\hybrid\\scripts"
SAYS = Script("says", "Write-Output \"said $([char]252)\"\n[Console]::Error.WriteLine('wrong')\nexit 3\n")
GO = f"{KEPT}\\go.txt"
WORKS = Script(
    "works",
    f"Add-Content -LiteralPath '{KEPT}\\started.txt' -Value 'started' -Encoding Ascii\n"
    'Write-Output "begun $([char]252)"\n'
    f"while (-not (Test-Path -LiteralPath '{GO}')) {{ Start-Sleep -Milliseconds 50 }}\n"
    "Write-Output 'ended'\n[Console]::Error.WriteLine('wrong')\nexit 4\n",
)
# The package's own scripts, by the names that they have among the templates.
GUESTS = "guests/"
SOURCES = ("bootstrap.ps1", "follow.ps1", "worker.ps1", "boot.ps1")


class _Input:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        data, self._data = self._data, b""
        return data


def invoke(bench: Bench, invocation: Invocation, out: Write, err: Write, killed: threading.Event) -> int:
    streams = Streams(_Input(invocation.stdin), out, err, killed)  # type: ignore[arg-type]
    # Over SSH: its consoles have another code page than our WinRM shells.
    with bench.machine.state.reading():
        spec, bench.machine.spec = bench.machine.spec, {**bench.machine.spec, "transport": "ssh"}
    try:
        return bench.machine.execute(invocation.command, streams)
    finally:
        bench.machine.spec = spec


def _run(bench: Bench, script: Script, out: Write, err: Write, killed: threading.Event, *forget: Script) -> int:
    return invoke(bench, WindowsRecipes().run(script, 60.0, forget), out, err, killed)


def says(bench: Bench, out: Write, err: Write, killed: threading.Event) -> int:
    """A script is run, the recorded end of another one is forgotten."""
    return _run(bench, SAYS, out, err, killed, WORKS)


def cut(bench: Bench, out: Write, err: Write, killed: threading.Event) -> int:
    """The input ends before its last line."""
    whole = WindowsRecipes().run(SAYS, 60.0, ())
    return invoke(bench, Invocation(whole.command, whole.stdin[: whole.stdin.index(b"run ")]), out, err, killed)


def _follow(bench: Bench, offset: int, out: Write, killed: threading.Event, until: bytes = b"") -> int:
    """Follow detached work; the connection breaks once ``until`` was said."""
    recipes = WindowsRecipes()
    output = Output()
    reader = recipes.log_reader(output)
    said = bytearray()
    lost = threading.Event()

    def take(data: bytes) -> None:
        said.extend(data)
        reader.stdout(data)
        if until and until in output.out.encode():
            lost.set()

    def end() -> None:
        killed.wait()
        lost.set()

    threading.Thread(target=end, daemon=True).start()
    code = invoke(bench, recipes.follow(WORKS, offset, ()), take, output.stderr, lost)
    if offset:
        # The log goes on in the middle: shown as it came.
        out(b"\n".join(line for line in bytes(said).splitlines() if not line.startswith(b"log")) + b"\n")
    out((output.out + recipes.clean_stderr(output.err)).encode())
    return code


@contextmanager
def _at_sleep(bench: Bench, action: Callable[[int], None]) -> Iterator[list[float]]:
    """Do something each time that the following script sleeps (a quarter of a second, as nobody else does)."""
    slept: list[float] = []
    sleeps = bench.machine.sleeps

    def counted(seconds: float, *stops: threading.Event) -> bool:
        if seconds == 0.25:
            slept.append(seconds)
            action(len(slept))
        return sleeps(seconds, *stops)

    bench.machine.sleeps = counted  # type: ignore[method-assign]
    try:
        yield slept
    finally:
        bench.machine.sleeps = sleeps  # type: ignore[method-assign]


def works(bench: Bench, out: Write, err: Write, killed: threading.Event) -> int:
    """Detached work outlives a broken connection and is followed to its end, through a long silence.

    It is started once; a third look finds its recorded end.
    """

    def go(slept: int) -> None:
        if slept == 50:
            bench.machine.files.write(GO, b"")

    _follow(bench, 0, out, killed, until=b"begun")
    with bench.machine.state.reading() as data:
        tasks = [{key: value for key, value in task.items() if key != "ran"} for task in data["tasks"].values()]
    out((json.dumps(tasks) + "\n").encode())
    with _at_sleep(bench, go):
        code = _follow(bench, 0, out, killed)
    out(f"{code}\n".encode())
    return _follow(bench, 0, out, killed)


def stopped(bench: Bench, out: Write, err: Write, killed: threading.Event) -> int:
    """Work that ended without a word: asked for from its middle, and from its beginning without cmd.exe."""
    out(f"{_follow(bench, 7, out, killed)}\n".encode())
    with _at_sleep(bench, lambda _: None) as slept:
        code = _follow(bench, 0, out, killed)
    _rest(bench)
    # It may still run when it is first looked at.
    out(f"given up after {'5 s' if sum(slept) >= 5 else 'no time'}\n".encode())
    return code


def _rest(bench: Bench) -> None:
    """Until no task runs any more."""

    def resting() -> tuple[bool | None, str]:
        with bench.machine.state.reading() as data:
            running = [task["name"] for task in data.get("tasks", {}).values() if task["state"] == "Running"]
        return (None if running else True), f"{running} run"

    poll(resting, Deadline(120), every=0.01)


def boot(bench: Bench, out: Write, err: Write, killed: threading.Event) -> int:
    """When the machine was started, and what waits for a restart."""
    return _run(bench, WindowsRecipes().boot(), out, err, killed)


CALLS: dict[str, Callable[[Bench, Write, Write, threading.Event], int]] = {
    "guest-says": says,
    "guest-cut": cut,
    "guest-works": works,
    "guest-stopped": stopped,
    "guest-boot": boot,
}


def _kept(*scripts: Script) -> list[str]:
    return [f"{KEPT}\\{kept_digest(script)}.ps1" for script in scripts]


def digests() -> dict[str, str]:
    """Digest of a kept script -> what it is."""
    scripts = {"says": SAYS, "works": WORKS, "follow": powershell.FOLLOW, "worker": powershell.WORKER}
    return {kept_digest(script): name for name, script in scripts.items()}


def own_files() -> list[str]:
    """Where the package's own scripts are kept, as they are and as they are now."""
    return _OWN + _kept(powershell.FOLLOW, powershell.WORKER, WindowsRecipes().boot())


_OWN = _kept(powershell.FOLLOW, powershell.WORKER, WindowsRecipes().boot())


@contextmanager
def source_as(name: str, text: str) -> Iterator[None]:
    """Another text for one of the guests' scripts, as long as the block lasts."""
    before: dict[str, Any] = {key: getattr(powershell, key) for key in ("BOOTSTRAP", "FOLLOW", "WORKER", "_load")}

    def load(asked: str) -> str:
        return text if asked == name else str(before["_load"](asked))

    changed: dict[str, tuple[str, Callable[[], object]]] = {
        "bootstrap.ps1": ("BOOTSTRAP", lambda: powershell.encoded_command(text)),
        "follow.ps1": ("FOLLOW", lambda: Script("follow", text)),
        "worker.ps1": ("WORKER", lambda: Script("worker", text)),
        "boot.ps1": ("_load", lambda: load),
    }
    constant, make = changed[name]
    setattr(powershell, constant, make())
    try:
        yield
    finally:
        for key, value in before.items():
            setattr(powershell, key, value)
