"""What a failed run says: the first cause, what was stopped by it, and what the machine's logs show."""

from __future__ import annotations

import re
from collections.abc import Sequence

from provision import journal as journals
from provision.app.session import Session
from provision.clock import Deadline
from provision.console import Screen
from provision.errors import ConnectionFailed, HostError, ProvisionError, Refused
from provision.guests.base import Script
from provision.render.engine import render
from provision.steps.context import Tools
from provision.steps.runner import NotChosen, RunResult

COLLECT_LIMIT = 60.0  # seconds for all logs of one machine

# What a log says -> what it means and what to do. Only causes that we have a remedy for.
CAUSES: Sequence[tuple[str, str]] = (
    (
        r"no space left on device|There is not enough space on the disk",
        "the machine's disk is full: free space on it",
    ),
    (
        r"(?i)x509: certificate (has expired|signed by unknown authority)",
        "certificates and clock disagree: look at the machine's clock, then run `invoke up` again",
    ),
    (
        r"(?i)failed to pull image|ErrImagePull|ImagePullBackOff",
        "an image cannot be pulled: look at the machine's way to the registry, and at `network.proxy`",
    ),
    (
        r"(?i)unknown flag: --\S+",
        "the kubelet does not know a flag of its command line: look at `kubernetes.extra_args`",
    ),
    (
        r"(?i)invalid bearer token|token .* (expired|not found)",
        "the join token has expired: run `invoke up` again, it makes a new one",
    ),
    (
        r"(?i)hcsshim|0xc0370",
        "Windows could not make a container: is the Containers feature active, does the image fit this Windows?",
    ),
)


def explain(
    session: Session, tools: Tools, journal: journals.Journal, screen: Screen, result: RunResult
) -> ProvisionError:
    """The first failure, with the other failures, what was not run, and the cause that the logs show."""
    first = result.failures[0]
    error = first.error
    assert isinstance(error, ProvisionError)
    parts = [error.details] if error.details else []
    machine = first.step.machine
    if machine is not None and not isinstance(error, ConnectionFailed | HostError | NotChosen | Refused):
        screen.say(f"collecting logs of {machine} (at most {COLLECT_LIMIT:.0f} s)", "dim")
        # What the step itself has said names its cause more surely than all that a machine logs.
        causes = [f"likely cause: {cause}" for cause in recognised(error.details)[:1]]
        collected = _collected(tools, journal, machine)
        parts += causes or collected
    others = [f"also failed: {end.step.name}: {end.reason}" for end in result.failures[1:]]
    blocked = f"not run because of it: {len(result.blocked)} steps" if result.blocked else ""
    parts += [*others, blocked, f"logs: {journal.folder}"]
    text = error.what if first.step.name in error.what else f"{first.step.name}: {error.what}"
    label = "rehearsal: " if session.rehearsed else ""
    made = type(error)(
        label + text,
        details="\n".join(part for part in parts if part),
        remedy=error.remedy or "the machines are kept; mend the cause and run `invoke up` again: it goes on from here",
    )
    made.__cause__ = error
    return made


def _collected(tools: Tools, journal: journals.Journal, machine: str) -> list[str]:
    found = tools.settings.machine(machine)
    template = f"{found.os}/90-collect.{'ps1' if found.os == 'windows' else 'sh'}"
    try:
        guest = tools.open_guest(tools, machine)
        try:
            result = guest.run(Script("collect", render(template)), Deadline(COLLECT_LIMIT, "collecting logs"))
        finally:
            guest.close()
    except ProvisionError as error:
        return [f"its logs could not be collected: {error.what}"]
    path = journal.folder / f"{machine}.log"
    path.write_text(result.out + result.err, encoding="utf-8")
    return [f"likely cause: {cause}" for cause in recognised(result.out)[:1]]


def recognised(text: str) -> list[str]:
    """The known causes that a log shows, in the order of the table."""
    return [meaning for pattern, meaning in CAUSES if re.search(pattern, text)]
