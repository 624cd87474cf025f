"""The commands that the interpreter has itself; all others belong to the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.rehearsal.powershell import (
    file_commands,
    file_writing,
    json_commands,
    object_commands,
    object_writing,
    plain_commands,
)
from provision.rehearsal.powershell.faults import Unsupported
from provision.rehearsal.powershell.stages import BoundStage, Stage

if TYPE_CHECKING:
    from provision.rehearsal.powershell.binder import Given
    from provision.rehearsal.powershell.runtime import Runtime
    from provision.rehearsal.powershell.table import CommandRow

OBJECTS = {**object_commands.STAGES, **json_commands.STAGES, **file_writing.STAGES, **object_writing.STAGES}
PLAIN = {**plain_commands.COMMANDS, **file_commands.COMMANDS}
REFUSED = frozenset(
    {"Tee-Object", "Format-Table", "Format-List", "Get-Member", "Compare-Object", "Set-Alias", "Invoke-Command"}
)
NAMES = frozenset(OBJECTS) | frozenset(PLAIN)


def stage_for(rt: Runtime, row: CommandRow, given: list[Given], piped: bool, line: int) -> Stage | None:
    """The running part for a command of ours, None for one of the machine.

    Raises:
        Unsupported: a command that scripts of the subset do not use.
    """
    if row.name in REFUSED:
        raise Unsupported(f"command {row.name}", line)
    maker = OBJECTS.get(row.name)
    if maker is not None:
        return maker(rt, row, given, piped, line)
    run = PLAIN.get(row.name)
    return BoundStage(rt, row, given, run, piped, line) if run else None
