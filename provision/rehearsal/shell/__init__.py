"""A small strict interpreter for the bash that our own Linux scripts are written in, on a model instead of a machine.

Read in this order: `syntax` (the tree), `parse_words` and `parse` (text to tree), `words` and `expand` (words to
arguments), `redirects`, `statements` (compound commands), `interpreter` (processes, pipelines, simple commands),
`builtins`, `conditions`, `arithmetic`, `patterns`; `box` is what the shell asks of the machine.  It is held to the real
bash by the corpus in ``tests/unit/rehearsal/shell``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from provision.rehearsal.contract import Stdin
from provision.rehearsal.shell.box import Call, ShellBox
from provision.rehearsal.shell.control import Killed
from provision.rehearsal.shell.interpreter import KILLED, Shell
from provision.rehearsal.shell.parse import parse
from provision.rehearsal.shell.streams import Collected, Discarded, Passed, Sink, Source
from provision.rehearsal.shell.syntax import Unsupported

__all__ = ["Call", "Collected", "Discarded", "Passed", "ShellBox", "Sink", "Source", "Unsupported", "run_script"]


def run_script(
    text: str,
    *,
    box: ShellBox,
    arguments: Sequence[str] = (),
    name: str = "bash",
    stdin: Stdin | Source | bytes = b"",
    stdout: Callable[[bytes], None] | Sink,
    stderr: Callable[[bytes], None] | Sink,
    env: Mapping[str, str] | None = None,
    cwd: str = "/root",
) -> int:
    """Run a script as ``bash`` would; returns its exit code, 137 when the box was killed.

    Args:
        arguments: the positional parameters.
        name: ``$0``, which also stands before the shell's own messages.
        env: the exported variables that it starts with.

    Raises:
        Unsupported: the script uses something outside the interpreter's bash.
    """
    descriptors: dict[int, Source | Sink] = {
        0: stdin if isinstance(stdin, Source) else Source(stdin),
        1: Passed(stdout) if callable(stdout) else stdout,
        2: Passed(stderr) if callable(stderr) else stderr,
    }
    shell = Shell(box, name, arguments, descriptors)
    shell.cwd = cwd
    for key, value in (env or {}).items():
        variable = shell.variables.declare(key, local=False)
        variable.values["0"], variable.exported = value, True
    shell.variables.declare("PWD", local=False).values["0"] = cwd
    try:
        return shell.whole(parse(text))
    except Killed:
        return KILLED
