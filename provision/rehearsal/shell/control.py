"""How commands leave: the ends of shells, functions and loops as exceptions."""

from __future__ import annotations


class ExitShell(Exception):
    """``exit``, or errexit's end of the shell."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ReturnFunction(ExitShell):
    """``return``."""


class BreakLoop(Exception):
    """``break`` and ``continue``."""

    def __init__(self, levels: int, goes_on: bool) -> None:
        super().__init__(levels)
        self.levels, self.goes_on = levels, goes_on


class Killed(Exception):
    """The session was ended from outside."""


class RedirectFailed(Exception):
    """A file of a redirection could not be opened."""
