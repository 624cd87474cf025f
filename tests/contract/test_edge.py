"""The edge in a real process: Ctrl-C, a polite kill, a reader that goes away, unknown flags."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provision.host.workspace import PRODUCT
from tests.waiting import PATIENCE

INVOKE = [sys.executable, "-m", "invoke"]

# A use case whose worker is blocked in a read for ever, as a connection to a machine may be.
BLOCKED = """
import os, sys, threading, time
from provision.app import edge
from provision.console import Screen

def use_case(json=False):
    ends = os.pipe()
    threading.Thread(target=lambda: os.read(ends[0], 1), daemon=True).start()
    screen = Screen()
    screen.begin(["winw1"])
    try:
        print("ready", file=sys.stderr, flush=True)
        while True: time.sleep(0.5)
    except KeyboardInterrupt:
        screen.end()
        raise edge.Interrupted("still at work: features@winw1; `invoke up` goes on from there") from None

edge._use_case = lambda command: use_case
sys.exit(edge.call("up", {"json": True} if "json" in sys.argv else {}))
"""


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process with this code."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PRODUCT,
    )


def blocked(*arguments: str) -> subprocess.Popen[str]:
    process = started(BLOCKED, *arguments)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    return process


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupt_ends_at_once_and_says_what_goes_on(
    how: signal.Signals, as_json: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYBRID_COMMAND", "./inv")
    started_at = time.monotonic()
    process = blocked(*(["json"] if as_json else []))
    began = time.monotonic()
    process.send_signal(how)
    out, err = process.communicate(timeout=PATIENCE)
    # It promises less than a second; what starting has just cost says how slow this computer is at the moment.
    assert time.monotonic() - began < max(1.0, 2 * (began - started_at))
    assert process.returncode == 130
    assert err == "\ninterrupted: still at work: features@winw1; `./inv up` goes on from there\n"
    if as_json:
        row = json.loads(out)
        assert (row["family"], row["exit_code"]) == ("interrupted", 130)
        assert "features@winw1" in row["details"]
    else:
        assert out == ""


# Where Python is met when it imports what it needs: Ctrl-C comes while `invoke` is being loaded.
SLOW = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
time.sleep(0.2)
raise AssertionError("went on")
"""


def test_an_interrupt_while_invoke_is_loaded_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "invoke").mkdir()
    (tmp_path / "invoke" / "__init__.py").write_text("")
    (tmp_path / "invoke" / "main.py").write_text(SLOW)
    done = subprocess.run(
        [sys.executable, "-P", str(PRODUCT / "provision" / "host" / "start.py"), "--list"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_an_interrupt_is_ours_again_once_a_command_runs() -> None:
    process = started("import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n" + BLOCKED)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "interrupted: still at work" in err


def test_an_interrupt_gives_the_terminal_its_cursor_back() -> None:
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm", "CI": ""}
    process = subprocess.Popen(
        [sys.executable, "-c", BLOCKED], stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, text=True,
        cwd=PRODUCT, env={**os.environ, **environment},
    )  # fmt: skip
    os.close(theirs)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    process.stderr.close()
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert b"\x1b[?25l" in shown  # it was live
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")


LONG = """
import sys
from provision.app import edge
from provision.console import Screen

def use_case():
    screen = Screen()
    for number in range(20000): screen.say(f"line {number}")
    print("the last word")
    print("went on", file=sys.stderr)
    return int(sys.argv[1])

edge._use_case = lambda command: use_case
sys.exit(edge.call("up", {}))
"""


@pytest.mark.parametrize("code", [0, 7])
def test_a_reader_that_goes_away_ends_nothing_and_hides_no_exit_code(code: int) -> None:
    process = started(LONG, str(code))
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.stderr.read() == "went on\n"
    process.stderr.close()
    assert process.wait(PATIENCE) == code


def test_a_terminal_that_cannot_show_a_character() -> None:
    code = """
from provision.app import edge
edge._use_case = lambda command: lambda: print("caf\\u00e9 \\u2026") or 0
raise SystemExit(edge.call("up", {}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, cwd=PRODUCT, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"caf? ?\n", b"")


def invoke(*arguments: str, cwd: Path = PRODUCT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*INVOKE, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.mark.parametrize("arguments", [("up", "--no-such-flag"), ("no-such-task",)])
def test_wrong_usage_is_1(arguments: tuple[str, ...]) -> None:
    done = invoke(*arguments)
    assert done.returncode == 1
    assert "No idea what" in done.stderr


def test_the_list_names_every_task_with_a_line_about_it() -> None:
    import tasks
    from provision.app import edge

    done = invoke("--list")
    assert done.returncode == 0
    for name in edge._COMMANDS:
        assert f"  {name} " in done.stdout
        assert getattr(tasks, name).__doc__.endswith(".")


def test_every_flag_is_explained_and_a_letter_means_the_same_everywhere() -> None:
    import tasks
    from provision.app import edge

    letters: dict[str, set[str]] = {}
    for name in edge._COMMANDS:
        for argument in getattr(tasks, name).get_arguments():
            assert argument.help, f"{name} --{argument.name}"
            for short in argument.names[1:]:
                letters.setdefault(short, set()).add(argument.name)
    assert letters == {"j": {"json"}, "s": {"set"}, "v": {"verbose"}, "y": {"yes"}}


def test_the_tasks_import_nothing_but_invoke() -> None:
    code = """
import sys
import invoke.program, invoke.tasks, invoke.context, invoke.exceptions
before = set(sys.modules)
import tasks
new = {name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(sorted(new))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=PRODUCT, check=True
    )
    assert done.stdout == "['tasks']\n"


def test_repeated_flags_reach_the_settings_whole(tmp_path: Path) -> None:
    (tmp_path / "variables.yaml").write_text("{}\n")
    flags = ("--variables", str(tmp_path / "variables.yaml"), "--set", "cluster.name=one", "--set", "cni=calico")
    done = invoke("settings", "--json", *flags)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["cluster.name"]["value"] == "one"


def test_programs_get_values_of_their_own_types(tmp_path: Path) -> None:
    (tmp_path / "variables.yaml").write_text("{}\n")
    flags = ("--variables", str(tmp_path / "variables.yaml"), "--set", "images.archives=[a.tar]")
    document = json.loads(invoke("settings", "--json", *flags).stdout)
    values = {key: row["value"] for key, row in document.items()}
    assert (values["features.prepull"], values["kubernetes.verbosity"], values["kubernetes.sha"]) == (False, 2, None)
    assert values["mirrors"] == {} and len(values["images.archives"]) == 1
    assert values["network.pods"] == "10.244.0.0/16"


REFUSED = """
import sys
from provision.app import edge
from provision.errors import Refused

def use_case(json):
    raise Refused("not today")

edge._use_case = lambda command: use_case
sys.exit(edge.call("up", {"json": True}))
"""


@pytest.mark.parametrize("output", ["full", "without a reader"])
def test_an_error_keeps_its_exit_code_where_its_json_cannot_be_written(output: str) -> None:
    if output == "full":
        stdout = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, stdout = os.pipe()
        os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", REFUSED], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True,
        cwd=PRODUCT,
    )  # fmt: skip
    os.close(stdout)
    assert (done.returncode, done.stderr) == (12, "error: not today\n")


def test_an_answer_on_a_full_disk_is_one_clear_error() -> None:
    code = REFUSED.replace('raise Refused("not today")', 'print("{}")')
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
            cwd=PRODUCT,
        )  # fmt: skip
    assert done.returncode == 3 and "No space left on device" in done.stderr and "Traceback" not in done.stderr
