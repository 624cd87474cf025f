"""The one place that prints errors and decides exit codes."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from provision.errors import BUG, INTERRUPTED, ProvisionError, as_typed
from provision.secrets import MASKER

# command -> module and function; imported only when called, so that each command pays for itself alone
_COMMANDS = {
    "up": "up:up",
    "plan": "show:plan",
    "status": "status:status",
    "render": "show:render",
    "settings": "show:settings",
    "images": "images:images",
    "kubeconfig": "lifecycle:kubeconfig",
    "build": "build:build",
    "halt": "lifecycle:halt",
    "destroy": "lifecycle:destroy",
    "report": "report:report",
    "lock": "lock:lock",
    "cache": "cache:cache",
    "test": "quality:test",
    "lint": "quality:lint",
    "bench": "quality:bench",
}

_SHOW_CURSOR = "\x1b[?25h"


class Interrupted(Exception):
    """Ctrl-C; carries what is still at work on the machines."""


def call(command: str, flags: Mapping[str, Any]) -> int:
    """Run a command's use case; returns the exit code, having printed what there is to say."""
    as_json = bool(flags.get("json"))
    # Started with a stream closed (>&-): what would be said there is not for anybody.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - for the life of the process
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character is no reason to stop
    try:
        with _termination_interrupts():
            code = _use_case(command)(**flags) or 0
            sys.stdout.flush()
            return code
    except ProvisionError as error:
        return _failed(command, error, as_json=as_json)
    except (KeyboardInterrupt, Interrupted) as interrupted:
        _interrupted(command, str(interrupted), as_json=as_json)
    except BrokenPipeError as error:
        if not _reader_gone():
            return _bug(command, error, as_json=as_json)
        return 0  # head or less has seen enough; all there was to do has been done
    except OSError as error:
        from provision.host.files import trouble

        known = trouble(error)
        return _failed(command, known, as_json=as_json) if known else _bug(command, error, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort: a bug, with its traceback
        return _bug(command, error, as_json=as_json)


def _use_case(command: str) -> Callable[..., int | None]:
    module, name = _COMMANDS[command].split(":")
    found: Callable[..., int | None] = getattr(import_module(f"provision.app.{module}"), name)
    return found


@contextmanager
def _termination_interrupts() -> Iterator[None]:
    """A polite `kill` ends a command as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminated(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # see `provision.host.start`
    before = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _failed(command: str, error: ProvisionError, *, as_json: bool) -> int:
    _say(command, error.what, error.details, error.remedy, error.family, error.exit_code, as_json=as_json)
    return error.exit_code


def _bug(command: str, error: BaseException, *, as_json: bool) -> int:
    """A run that met it has put the traceback into its log, and says where in a note on the exception."""
    written = getattr(error, "__notes__", [])
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    details = f"its traceback is in {written[-1]}" if written else "".join(traceback.format_exception(error))
    what = f"a bug in this tool: {type(error).__name__}: {error}{where}"
    remedy = f"please report it with {'that file' if written else 'the lines above'}"
    _say(command, what, details, remedy, ProvisionError.family, BUG, as_json=as_json)
    return BUG


def _interrupted(command: str, words: str, *, as_json: bool) -> NoReturn:
    """Say what goes on without us, and leave at once: workers may be blocked in a read."""
    # A second Ctrl-C must not cut this short.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from provision.host.commands import interrupt_children  # after the handler: importing takes its time

    interrupt_children()
    if sys.stdout.isatty():
        print(_SHOW_CURSOR, end="", flush=True)
    if as_json:
        _say(command, "interrupted", words, "run it again", "interrupted", INTERRUPTED, as_json=True)
    text = as_typed(f"interrupted{': ' + words if words else ''}")
    if sys.stderr.isatty():
        text = textwrap.fill(text, shutil.get_terminal_size().columns - 1, break_on_hyphens=False)
    print(f"\n{text}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(INTERRUPTED)


def _say(command: str, what: str, details: str, remedy: str, family: str, code: int, *, as_json: bool) -> None:
    if as_json:
        row = {"command": command, "error": what, "family": family, "exit_code": code}
        row |= {"details": details, "remedy": remedy}
        # Masked before it becomes JSON, where a secret's quotes would be escaped.
        text = json.dumps({key: MASKER(value) if isinstance(value, str) else value for key, value in row.items()})
        try:
            print(text, flush=True)
            return
        except OSError:
            from provision.console import silence

            silence(sys.stdout)  # nobody reads it, or it cannot be written: then in words, where they may be read
    from provision.console import error_lines  # rich takes its time, and most commands end well

    terminal = sys.stderr.isatty()
    width = min(shutil.get_terminal_size().columns, 120) if terminal else None
    colours = {"what": "\x1b[31m", "details": "\x1b[2m"} if terminal and not os.environ.get("NO_COLOR") else {}
    for part, line in error_lines(what, details, remedy, width=width):
        print(f"{colours[part]}{line}\x1b[0m" if part in colours else line, file=sys.stderr)


def _reader_gone() -> bool:
    from provision.console import silence

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
        return True
    return False
