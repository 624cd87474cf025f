"""The one tree of errors that a user can meet, and the exit code of each family.

An error says *what* went wrong, the *details* that were seen, and the *remedy*: what to do now.
One place (`provision.app.edge`) prints it and exits.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import ClassVar


class ProvisionError(Exception):
    """Base of every expected failure.

    Args:
        what: one line: what went wrong, where.
        details: what was seen: output tails, values, the last observation; may have several lines.
        remedy: what the user can do now.
    """

    exit_code: ClassVar[int] = 70
    family: ClassVar[str] = "bug"

    def __init__(self, what: str, *, details: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.details = details
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.what]
        if self.details:
            parts.append(self.details)
        if self.remedy:
            parts.append(f"-> {self.remedy}")
        return "\n".join(parts)


class SettingsError(ProvisionError):
    """The settings cannot be used; ``details`` lists every problem with file and line."""

    exit_code = 2
    family = "settings"


class HostError(ProvisionError):
    """Something on this computer is missing or does not work (tool, disk, memory, permission)."""

    exit_code = 3
    family = "host"


class ArtifactError(ProvisionError):
    """A file could not be got, is not what was published, or could not be built."""

    exit_code = 4
    family = "artifacts"


class MachineError(ProvisionError):
    """A provider could not make, start, stop or describe a machine."""

    exit_code = 5
    family = "machines"


class ConnectionFailed(ProvisionError):
    """A machine could not be talked to."""

    exit_code = 6
    family = "connection"


class Unreachable(ConnectionFailed):
    """Nothing answered at the machine's address, or the connection broke and did not come back."""


class AuthenticationRefused(ConnectionFailed):
    """The machine answered and refused our user, key or password."""


class HostChanged(ConnectionFailed):
    """The machine at this address has another host key or certificate than the one pinned."""


class StepFailed(ProvisionError):
    """A step ran and what it promised is still not true."""

    exit_code = 7
    family = "step"


class DeadlineExceeded(ProvisionError):
    """A wait ended without its condition; ``details`` carries the last thing seen."""

    exit_code = 8
    family = "deadline"


class ReadinessFailed(ProvisionError):
    """The readiness suite ran and did not pass."""

    exit_code = 9
    family = "readiness failed"


class ReadinessNotRun(ProvisionError):
    """The readiness suite could not run."""

    exit_code = 10
    family = "readiness could not run"


class Locked(ProvisionError):
    """Another run holds the cluster's lock."""

    exit_code = 11
    family = "locked"


class Refused(ProvisionError):
    """Refused for safety; nothing was changed."""

    exit_code = 12
    family = "refused"


class RehearsedOnly(ProvisionError):
    """What was asked needs a real cluster; a rehearsal is no evidence."""

    exit_code = 13
    family = "rehearsed"


INTERRUPTED = 130
BUG = 70


# The tasks that texts name as commands to type; other words after "invoke" are not ours to change.
TASKS = "up|plan|status|render|settings|images|kubeconfig|build|halt|destroy|report|lock|cache|test|lint|bench"
_COMMAND = re.compile(rf"(?<![\w./-])invoke (?=(?:{TASKS})\b)")


def as_typed(text: str, environment: Mapping[str, str] | None = None) -> str:
    """A text whose commands can be typed as they stand: called by the script ``inv``, it is that script's tasks.

    Args:
        environment: holds ``HYBRID_COMMAND``, how `inv` was called; without it the commands stay ``invoke ...``.
    """
    called = (os.environ if environment is None else environment).get("HYBRID_COMMAND")
    return _COMMAND.sub(lambda _match: f"{shlex.quote(called)} ", text) if called else text
