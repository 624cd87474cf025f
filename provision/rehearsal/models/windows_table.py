"""The tables of what a modelled Windows knows: commands by name, programs by what their file stands for.

Subject modules fill them with the decorators; `windows_process` looks things up.  What is not in the tables
does not exist on this Windows.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from provision.rehearsal.powershell.box import Bound, CommandError

if TYPE_CHECKING:
    from provision.rehearsal.models.windows_process import Program, WindowsProcess

Command = Callable[["WindowsProcess", Bound], Iterable[object]]
Run = Callable[["Program"], int]

COMMANDS: dict[str, Command] = {}
PROGRAMS: dict[str, Run] = {}

C = TypeVar("C", bound=Command)
R = TypeVar("R", bound=Run)


def command(name: str) -> Callable[[C], C]:
    """Register a PowerShell command of Windows."""

    def register(function: C) -> C:
        COMMANDS[name.lower()] = function
        return function

    return register


def program(name: str) -> Callable[[R], R]:
    """Register what a program does, by the name that its stand-in carries."""

    def register(function: R) -> R:
        PROGRAMS[name] = function
        return function

    return register


class ProgramError(Exception):
    """A program ends with a complaint on standard error.

    Args:
        code: its exit code.
        text: what it says; empty for programs that say it on standard output themselves.
    """

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def matches(pattern: str, text: str) -> bool:
    """PowerShell's wildcards (``* ? [a-z]``), in any case; without any it is the whole name."""
    return re.fullmatch(fnmatch.translate(pattern.lower()), text.lower()) is not None


def cim_not_found(kind: str, property_: str = "", value: str = "") -> CommandError:
    """What a CDXML command (Net*, ScheduledTasks, ...) says when its query has no result."""
    if property_:
        return CommandError(
            f"No {kind} objects found with property '{property_}' equal to '{value}'.  Verify the value of the"
            " property and retry.",
            f"CmdletizationQuery_NotFound_{property_}",
            category="ObjectNotFound",
            exception="Microsoft.PowerShell.Cmdletization.Cim.CimJobException",
        )
    return CommandError(
        f"No matching {kind} objects found by CIM query for enumerating instances. Verify query parameters and retry.",
        "CmdletizationQuery_NotFound",
        category="ObjectNotFound",
        exception="Microsoft.PowerShell.Cmdletization.Cim.CimJobException",
    )


def cim_failed(message: str, code: str, category: str = "NotSpecified") -> CommandError:
    """What a CIM method says when Windows refuses; ``code`` as ``Windows System Error 87``."""
    return CommandError(message, code, category=category, exception="Microsoft.Management.Infrastructure.CimException")


def not_modelled(what: str) -> CommandError:
    """The rehearsal does not know this; never a shrug."""
    return CommandError(
        f"rehearsal: {what} is not modelled", "NotModelled", terminating=True, category="NotImplemented"
    )


def joined(items: Sequence[str]) -> str:
    """Words for a message."""
    return ", ".join(items)
