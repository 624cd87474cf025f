"""The screen: live lines that fit, plain lines that are whole, errors, tables."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import pytest

from provision import console
from provision.app.edge import _COMMANDS
from provision.console import Screen, clean, duration, error_lines, is_live, roughly
from provision.errors import TASKS, as_typed
from provision.secrets import Secret
from tests.waiting import PATIENCE


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Stands in for the monotonic clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(console, "monotonic", made)
    return made


MakeScreen = Callable[..., Screen]


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> MakeScreen:
    """Makes a screen on a terminal of a size."""

    def make(width: int = 80, height: int = 24, **options: bool) -> Screen:
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("LINES", str(height))
        return Screen(stream=Terminal(), environment={"TERM": "xterm"}, **options)

    return make


def frame(screen: Screen) -> list[str]:
    """The live lines as they stand now."""
    with screen._console.capture() as captured:
        screen._console.print(screen._render())
    return clean(captured.get()).splitlines()


def written(screen: Screen) -> str:
    stream = screen._console.file
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def rows(screen: Screen, *machines: str) -> Screen:
    """Rows without rich's refreshing thread."""
    screen._rows = {name: console._Row(idle="being read") for name in ("host", *machines)}
    return screen


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (0.4, "0.4 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"),
     (3600, "1 h 00 min"), (7380, "2 h 03 min")],
)  # fmt: skip
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (8.4, "8 s"), (42, "40 s"), (89, "90 s"), (250, "4 min")])
def test_estimates_are_coarse(seconds: float, text: str) -> None:
    assert roughly(seconds) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("\x1b[32mgreen\x1b[0m", "green"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("10 %\r20 %\r30 %", "30 %"),
        ("with an end\r", "with an end"),
        ("a\tb\x00c\x07", "a b c "),
        ("two\nlines", "two\nlines"),
        ("\x9b31mC1", " 31mC1"),
    ],
)
def test_other_programs_output_cannot_drive_the_terminal(raw: str, text: str) -> None:
    assert clean(raw) == text


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "CI": "true"}, False), ({"TERM": "dumb"}, False), ({}, False)],
)
def test_live_only_on_a_terminal_that_nobody_records(environment: dict[str, str], expected: bool) -> None:
    assert is_live(Terminal(), environment) is expected
    assert not is_live(io.StringIO(), environment)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_one_line_a_machine_whatever_it_says(live: MakeScreen, clock: Clock, width: int) -> None:
    screen = rows(live(width), "cp1", "winw1")
    long = "C:\\ProgramData\\hybrid\\installed\\containerd.json is not there and nothing says that it ever was " * 3
    screen.started("cp1", "packages@cp1", long)
    screen.started("winw1", "features@winw1", long, 180.0)
    screen.started("winw1", "deliver-containerd@winw1", "43 of 120 MiB")
    for name in ("kubelet", "kubeadm", "kubectl", "runc"):
        screen.started("host", f"fetch-{name}", long)
    clock.now += 65
    lines = frame(screen)
    assert len(lines) == 4  # this computer, two machines, the footer
    assert max(map(len, lines)) <= width
    assert [line.split()[0] for line in lines[:3]] == ["host", "cp1", "winw1"]
    assert lines[1].endswith("…")


def test_a_line_has_the_step_its_times_and_what_it_waits_for(live: MakeScreen, clock: Clock) -> None:
    screen = rows(live(120), "winw1")
    screen.started("winw1", "features@winw1", "Containers is disabled", 180.0)
    clock.now += 65
    assert "features          1 min 05 s, ~2 min left  Containers is disabled" in frame(screen)[1]
    screen.waits("winw1", "features@winw1", "DISM: 40 %")
    assert frame(screen)[1].endswith("DISM: 40 %")
    clock.now += 200
    assert "4 min 25 s, usually 3 min" in frame(screen)[1]


def test_two_lanes_of_one_machine_are_both_shown(live: MakeScreen, clock: Clock) -> None:
    screen = rows(live(120), "winw1")
    screen.started("winw1", "features@winw1", "Containers is disabled")
    screen.started("winw1", "deliver-containerd@winw1", "")
    screen.waits("winw1", "deliver-containerd@winw1", "43 of 120 MiB")
    clock.now += 12
    line = frame(screen)[1]
    assert "features 12 s  Containers is disabled | deliver-containerd 12 s  43 of 120 MiB" in line
    screen.ended("winw1", "features@winw1", "done", "on", 12.0)
    line = frame(screen)[1]
    assert "features" not in line
    assert "43 of 120 MiB" in line


def test_steps_beyond_the_width_are_counted(live: MakeScreen, clock: Clock) -> None:
    screen = rows(live(80), "cp1")
    for name in ("kubelet", "kubeadm", "kubectl", "runc"):
        screen.started("host", f"fetch-{name}", "")
    line = frame(screen)[0]
    assert "fetch-kubelet" in line
    assert line.rstrip().endswith("+2")


def test_a_machine_at_rest_says_why(live: MakeScreen, clock: Clock) -> None:
    screen = rows(live(), "winw1")
    assert frame(screen)[1].endswith("being read")
    screen.idle("winw1", "waits for control-plane")
    assert frame(screen)[1].rstrip() == "winw1  waits for control-plane"


def test_many_machines_on_a_small_terminal_end_with_the_rest_counted_and_the_time(
    live: MakeScreen, clock: Clock
) -> None:
    screen = rows(live(80, 12), "cp1", *(f"winw{number}" for number in range(1, 33)))
    for number in range(20, 33):
        screen.started(f"winw{number}", f"features@winw{number}", "")
    lines = frame(screen)
    assert len(lines) <= 12 - 2
    shown = [line.split()[0] for line in lines[:-2]]
    assert shown == [f"winw{number}" for number in range(20, 28)]  # those at work first
    assert lines[-2] == "and 26 more machines: 5 at work, 21 waiting"
    assert lines[-1].startswith("0 s")


def test_the_footer_counts_the_time_left_down_from_when_it_was_told(live: MakeScreen, clock: Clock) -> None:
    screen = rows(live(rehearsed=True))
    assert frame(screen)[-1] == "rehearsal, 0 s"
    clock.now += 100
    screen.time_left(50.0)
    screen.steps_done(3, 41)
    clock.now += 10
    assert frame(screen)[-1] == "rehearsal, 1 min 50 s, about 40 s left, 3 of 41 steps"
    screen.time_left(50.0, at_least=True)
    assert "at least 50 s left" in frame(screen)[-1]
    clock.now += 60
    assert "left" not in frame(screen)[-1]


def test_an_ended_step_is_one_line_of_a_terminal(live: MakeScreen, clock: Clock) -> None:
    screen = live(80)
    screen.ended("winw1", "features@winw1", "done", "Containers is active " * 20, 65.0)
    screen.ended("winw1", "join@winw1", "failed", "first line\nsecond line", 2.0)
    done, failed = written(screen).splitlines()
    assert len(clean(done)) <= 80
    assert clean(done).startswith("ok     1 min 05 s  features@winw1 ")
    assert clean(done).endswith("…")
    assert "FAILED" in failed
    assert "first line second line" in failed


def test_a_plain_log_is_whole_has_times_and_no_colour(clock: Clock) -> None:
    stream = io.StringIO()
    screen = Screen(stream=stream, environment={"CI": "true", "TERM": "xterm"})
    screen.begin(["winw1"])
    reason = "not there: " + "kubelet.exe, " * 40
    clock.now += 2.5
    screen.started("winw1", "features@winw1", reason)
    screen.line("winw1", "features@winw1", "only with --verbose")
    clock.now += 60
    screen.ended("winw1", "features@winw1", "done", "on", 60.0)
    screen.end()
    assert stream.getvalue().splitlines() == [
        f"[    2.5 s] start  features@winw1: {reason}",
        "[   62.5 s] ok     features@winw1 (1 min 00 s): on",
    ]


def test_verbose_shows_what_scripts_print(clock: Clock) -> None:
    stream = io.StringIO()
    screen = Screen(stream=stream, environment={}, verbose=True)
    screen.started("winw1", "features@winw1", "missing")
    screen.line("winw1", "features@winw1", "\x1b[1mDISM\x1b[0m 40 %")
    assert stream.getvalue().splitlines()[-1] == "[    0.0 s] |      features@winw1: DISM 40 %"


def test_a_plain_log_says_what_is_still_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    said = threading.Event()
    screen = Screen(stream=io.StringIO(), environment={"CI": "1"}, beat=0.01)
    plain = screen._plain
    lines: list[str] = []

    def spy(mark: str, step: str, text: str, took: str = "") -> None:
        lines.append(f"{mark} {step} {text}")
        plain(mark, step, text, took)
        if mark == "still":
            said.set()

    monkeypatch.setattr(screen, "_plain", spy)
    screen.begin(["winw1"])
    screen.started("winw1", "features@winw1", "missing")
    screen.waits("winw1", "features@winw1", "Windows to restart")
    assert said.wait(PATIENCE)
    screen.end()
    assert "still features@winw1 Windows to restart" in lines


def test_quiet_says_nothing(clock: Clock) -> None:
    stream = io.StringIO()
    screen = Screen(stream=stream, environment={}, quiet=True)
    screen.begin(["cp1"])
    screen.say("x")
    screen.table("", ("a",), [("b",)])
    screen.started("cp1", "s@cp1", "r")
    screen.ended("cp1", "s@cp1", "done", "r", 1.0)
    screen.end()
    assert stream.getvalue() == ""


def test_secrets_are_masked_everywhere(live: MakeScreen, clock: Clock) -> None:
    Secret("s3cret-of-this-test")
    stream = io.StringIO()
    plain = Screen(stream=stream, environment={}, verbose=True)
    on_terminal = rows(live(120), "cp1")
    for screen in (plain, on_terminal):
        screen.say("say s3cret-of-this-test")
        screen.table("", ("a",), [("cell s3cret-of-this-test",)])
        screen.started("cp1", "s@cp1", "reason s3cret-of-this-test")
        screen.line("cp1", "s@cp1", "line s3cret-of-this-test")
    on_terminal.idle("host", "idle s3cret-of-this-test")
    shown = stream.getvalue() + written(on_terminal) + "\n".join(frame(on_terminal))
    on_terminal.ended("cp1", "s@cp1", "failed", "end s3cret-of-this-test", 1.0)
    shown += written(on_terminal)
    assert "s3cret-of-this-test" not in shown
    assert shown.count("********") >= 8


def test_no_color_leaves_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    screen = Screen(stream=stream, environment={"NO_COLOR": "1", "TERM": "xterm"})
    screen.say("x", "green")
    screen.ended("cp1", "s@cp1", "failed", "r", 1.0)
    assert "\x1b[3" not in stream.getvalue()


NODES = [
    ("cp1-rehearsal", "Ready", "Debian GNU/Linux 12 (bookworm)", "v1.36.4", "containerd://2.3.4", "192.168.56.10"),
    ("winw1-rehearsal", "NotReady", "Windows Server 2022 Standard Evaluation", "v1.36.4", "containerd://2.3.4",
     "192.168.56.11"),
]  # fmt: skip
NODE_COLUMNS = ("node", "status", "os", "kubelet", "runtime", "address")


def test_a_table_of_nodes_fits_80_columns_and_cuts_no_name(live: MakeScreen) -> None:
    screen = live(80)
    screen.table("", NODE_COLUMNS, NODES)
    lines = clean(written(screen)).splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    for row in NODES:
        for cell in (row[0], row[1], row[3], row[4], row[5]):
            assert cell in text
    assert "…" not in text


def test_a_table_breaks_words_and_never_the_names_of_its_rows(live: MakeScreen) -> None:
    screen = live(60)
    rows = [
        ("machines.cp1.windows_version", "2022", "default"),
        ("key", "many words " * 6, "variables.yaml:20, latest"),
    ]
    screen.table("", ("key", "value", "from"), rows)
    lines = clean(written(screen)).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[1].startswith("machines.cp1.windows_version  2022")
    assert all(word in ("many", "words") for line in lines[2:] for word in line[30:45].split())


def test_a_table_in_a_pipe_is_one_line_a_row_without_trailing_spaces() -> None:
    stream = io.StringIO()
    screen = Screen(stream=stream, environment={})
    screen.table("", ("", "step", "why"), [("missing", "features@winw1", "x" * 300), ("true", "a", "short")])
    lines = stream.getvalue().splitlines()
    assert lines[0] == "         step            why"
    assert lines[1] == f"missing  features@winw1  {'x' * 300}"
    assert lines[2] == "true     a               short"


def test_an_error_is_what_details_remedy() -> None:
    lines = error_lines("features@winw1: it failed", "DISM: 0x800f0954\n  at line 12\n\nend", "run it again")
    assert lines == [
        ("what", "error: features@winw1: it failed"),
        ("details", "  DISM: 0x800f0954"),
        ("details", "    at line 12"),
        ("details", ""),
        ("details", "  end"),
        ("remedy", "to do: run it again"),
    ]


def test_an_error_on_a_terminal_breaks_between_words_below_its_text() -> None:
    lines = [line for _, line in error_lines("word " * 30, "detail " * 20, "do " * 40, width=80)]
    assert max(map(len, lines)) < 80
    assert lines[1].startswith("       word")
    assert [line for line in lines if line.startswith("to do: do")]
    assert lines[-1].startswith("       do")


def test_printing_while_the_live_lines_are_drawn_never_locks_up(live: MakeScreen) -> None:
    screen = live(100, 30)
    screen.begin(["cp1", "winw1"])

    def work(machine: str) -> None:
        for number in range(60):
            step = f"s{number}@{machine}"
            screen.started(machine, step, "missing")
            screen.line(machine, step, "line")
            screen.say("words")
            screen.ended(machine, step, "done", "true", 0.1)

    workers = [threading.Thread(target=work, args=(name,), daemon=True) for name in ("cp1", "winw1")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert not any(worker.is_alive() for worker in workers)
    screen.end()
    screen.end()  # twice is harmless
    assert written(screen).count("words") == 120


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("next: invoke report, or README.md", "next: ./inv report, or README.md"),
        ("run `invoke destroy`, then `invoke up --from x`", "run `./inv destroy`, then `./inv up --from x`"),
        ("./inv up and /venv/bin/invoke up", "./inv up and /venv/bin/invoke up"),
        ("cannot invoke method x, nor invoke upward", "cannot invoke method x, nor invoke upward"),
    ],
)
def test_commands_can_be_typed_as_they_stand(text: str, typed: str) -> None:
    assert as_typed(text, {"HYBRID_COMMAND": "./inv"}) == typed
    assert as_typed(text, {}) == text


def test_a_folder_with_a_blank_is_quoted() -> None:
    assert as_typed("next: invoke up", {"HYBRID_COMMAND": "/my lab/inv"}) == "next: '/my lab/inv' up"


def test_every_task_is_known_as_a_command() -> None:
    assert set(TASKS.split("|")) == set(_COMMANDS)


def test_what_is_said_and_what_failed_name_typeable_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRID_COMMAND", "./inv")
    stream = io.StringIO()
    Screen(stream=stream, environment={}).say("next: invoke kubeconfig")
    assert stream.getvalue() == "next: ./inv kubeconfig\n"
    assert error_lines("gone", "", "run `invoke up`")[-1] == ("remedy", "to do: run `./inv up`")
