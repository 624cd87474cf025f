"""The one place that prints errors and decides exit codes."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from provision.errors import BUG, INTERRUPTED, ProvisionError
from provision.secrets import MASKER

# command -> module and function; imported only when called, so that each command pays for itself alone
_COMMANDS = {
    "up": "up:up",
    "plan": "show:plan",
    "status": "status:status",
    "render": "show:render",
    "settings": "show:settings",
    "kubeconfig": "lifecycle:kubeconfig",
    "halt": "lifecycle:halt",
    "destroy": "lifecycle:destroy",
    "report": "report:report",
    "test": "quality:test",
    "lint": "quality:lint",
    "bench": "quality:bench",
}


class Interrupted(Exception):
    """Ctrl-C; carries what is still at work on the machines."""


def call(command: str, flags: Mapping[str, Any]) -> int:
    """Run a command's use case; returns the exit code, having printed what there is to say."""
    try:
        module, name = _COMMANDS[command].split(":")
        use_case: Callable[..., int | None] = getattr(import_module(f"provision.app.{module}"), name)
        return use_case(**flags) or 0
    except ProvisionError as error:
        return _failed(command, error, as_json=bool(flags.get("json")))
    except (KeyboardInterrupt, Interrupted) as interrupted:
        words = str(interrupted)
        print(f"\ninterrupted{': ' + words if words else ''}", file=sys.stderr, flush=True)
        # Workers may be blocked in a read: leaving must not wait for them.
        os._exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has gone: nothing to say to anybody.
        os._exit(0)
    except Exception:  # noqa: BLE001 - the last resort: a bug, with its traceback
        text = MASKER(traceback.format_exc())
        print(f"a bug in this tool, exit code {BUG}; please report it with this text:\n{text}", file=sys.stderr)
        return BUG


def _failed(command: str, error: ProvisionError, *, as_json: bool) -> int:
    if as_json:
        row = {
            "command": command,
            "error": error.what,
            "family": error.family,
            "exit_code": error.exit_code,
            "details": error.details,
            "remedy": error.remedy,
        }
        print(MASKER(json.dumps(row)))
        return error.exit_code
    red, dim, plain = ("\x1b[31m", "\x1b[2m", "\x1b[0m") if _colour() else ("", "", "")
    print(f"{red}error: {MASKER(error.what)}{plain}", file=sys.stderr)
    for line in MASKER(error.details).splitlines():
        print(f"  {dim}{line}{plain}", file=sys.stderr)
    if error.remedy:
        print(f"to do: {MASKER(error.remedy)}", file=sys.stderr)
    return error.exit_code


def _colour() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")
