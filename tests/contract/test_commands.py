"""Local child processes, with real ones: ends, deadlines, events, output of any size."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from provision.clock import Deadline, monotonic
from provision.errors import DeadlineExceeded, HostError
from provision.host import commands
from provision.host.commands import interrupt_children, kill_group, passthrough, run, spawn_background
from provision.secrets import Secret
from tests.waiting import PATIENCE, Called, until


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    """Runs: neither gone nor a zombie that only its parent has not asked after."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_both_streams_and_the_exit_code() -> None:
    done = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), timeout=20)
    assert (done.code, done.out, done.err) == (3, "out\n", "err\n")


def test_ten_megabytes_on_both_streams_at_once() -> None:
    code = """
import sys, threading
def fill(stream):
    for _ in range(160): stream.write('x' * 65535 + '\\n')
    stream.flush()
other = threading.Thread(target=fill, args=(sys.stderr,)); other.start(); fill(sys.stdout); other.join()
"""
    done = run(python(code), timeout=60)
    assert done.code == 0
    assert len(done.out) == len(done.err) == 160 * 65536


def test_output_without_an_end_of_line_and_bytes_that_are_no_text() -> None:
    done = run(python("import sys; sys.stdout.buffer.write(b'half \\xff line')"), timeout=20)
    assert done.out == "half � line"


def test_standard_input_is_closed() -> None:
    assert run(python("import sys; print(repr(sys.stdin.read()))"), timeout=20).out == "''\n"


def test_lines_come_while_it_runs_masked() -> None:
    Secret("a-secret-of-a-child")
    seen: list[str] = []
    stop = threading.Event()

    def on_line(text: str) -> None:
        seen.append(text)
        stop.set()

    code = "import time; print('a-secret-of-a-child says', flush=True); time.sleep(600)"
    assert run(python(code), timeout=PATIENCE, on_line=on_line, stop=stop).code == -signal.SIGTERM
    assert seen == ["******** says"]


def test_variables_are_added_to_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_US", "1")
    code = "import os; print(os.environ['FROM_US'], os.environ['ADDED'])"
    assert run(python(code), timeout=20, env={"ADDED": "2"}).out == "1 2\n"


FAMILY = """
import subprocess, sys, pathlib, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
print('last words', flush=True)
time.sleep(600)
"""


def test_a_deadline_kills_the_whole_group_and_tells_the_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pid"
    deadline = Called("the family")
    monkeypatch.setattr(commands, "Deadline", lambda seconds, what="": deadline if what else Deadline(seconds))
    with pytest.raises(DeadlineExceeded) as caught:
        # The event is never set: with one the deadline is looked at several times a second.
        run([*python(FAMILY), str(note)], timeout=2, on_line=deadline.passes, stop=threading.Event())
    assert "did not end within 2 s and was killed" in caught.value.what
    assert caught.value.details == "last words"
    assert caught.value.remedy
    until(lambda: not alive(int(note.read_text())))


def test_a_deadline_passes_by_the_clock() -> None:
    began = monotonic()
    with pytest.raises(DeadlineExceeded, match="did not end within 1 s"):
        run(python("import time; time.sleep(600)"), timeout=1)
    assert 1 <= monotonic() - began < PATIENCE


def test_the_stop_event_ends_the_whole_group(tmp_path: Path) -> None:
    note, stop = tmp_path / "pid", threading.Event()
    done = run([*python(FAMILY), str(note)], timeout=PATIENCE, stop=stop, on_line=lambda _: stop.set())
    assert done.code == -signal.SIGTERM
    until(lambda: not alive(int(note.read_text())))


def test_a_program_that_ignores_the_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_GRACE", 0.3)
    stop = threading.Event()
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    done = run(python(code), timeout=PATIENCE, stop=stop, on_line=lambda _: stop.set())
    assert done.code == -signal.SIGKILL


def test_a_grandchild_that_keeps_the_pipe_does_not_keep_us(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = """
import subprocess, sys, pathlib
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
print('done')
"""
    done = run([*python(code), str(note)], timeout=PATIENCE)
    assert (done.code, done.out) == (0, "done\n")
    pid = int(note.read_text())
    assert alive(pid)  # it is not ours to end
    os.kill(pid, signal.SIGKILL)


def test_a_listener_that_fails_does_not_stop_the_program() -> None:
    def on_line(text: str) -> None:
        raise HostError("no space left")

    code = "for n in range(20000): print('x' * 50)\nimport sys; print('end', file=sys.stderr)"
    with pytest.raises(HostError, match="no space left"):
        run(python(code), timeout=30, on_line=on_line)


def test_a_missing_program_is_named_with_a_remedy(tmp_path: Path) -> None:
    for call in (lambda: run(["no-such-program-here"], timeout=5), lambda: passthrough(["no-such-program-here"])):
        with pytest.raises(HostError) as caught:
            call()
        assert "no-such-program-here" in caught.value.what
        assert "install" in caught.value.remedy


def test_require_shows_both_tails() -> None:
    done = run(python("import sys; print('out'); sys.exit('err')"), timeout=20)
    with pytest.raises(HostError) as caught:
        done.require("asking", "ask again")
    assert caught.value.details == "err\nout"
    assert caught.value.remedy == "ask again"
    assert "exit code 1" in caught.value.what


def test_an_interrupt_reaches_children_of_their_own_group(tmp_path: Path) -> None:
    note = tmp_path / "ready"
    code = """
import pathlib, sys, time
try:
    pathlib.Path(sys.argv[1]).write_text('x')
    time.sleep(600)
except KeyboardInterrupt: sys.exit(42)
"""
    codes: list[int] = []
    worker = threading.Thread(
        target=lambda: codes.append(run([*python(code), str(note)], timeout=PATIENCE).code), daemon=True
    )
    worker.start()
    until(note.exists)
    interrupt_children()
    worker.join(PATIENCE)
    assert codes == [42]
    assert not commands._CHILDREN


def test_a_background_process_outlives_its_starter_and_logs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid = spawn_background(python("import os; print(os.environ['WORD'], os.getsid(0) == os.getpid())"), log=log,
                           env={"WORD": "hello"})  # fmt: skip
    until(lambda: log.read_text() == "hello True\n")
    os.waitpid(pid, 0)
    kill_group(pid)  # gone: no error


def test_passthrough_gives_the_exit_code() -> None:
    assert passthrough(python("raise SystemExit(7)")) == 7
