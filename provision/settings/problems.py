"""Problems with settings, where each stands, and the one error that reports them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from provision.errors import SettingsError
from provision.secrets import MASKER

Path = tuple[str, ...]


def dotted(path: Sequence[str]) -> str:
    """A key path as people write it: ``machines.winw1.memory``."""
    return ".".join(path)


@dataclass(frozen=True)
class Origin:
    """Where a value came from.

    Attributes:
        source: the file's name, the environment variable or the ``--set`` as it was given.
        line, column: counted from 1; None outside files.
        key: the key as it stands there, if spelled otherwise than today (older forms).
        note: what was made of the value.
    """

    kind: Literal["default", "file", "environment", "--set", "derived"] = "default"
    source: str = ""
    line: int | None = None
    column: int | None = None
    key: str = ""
    note: str = ""

    def __str__(self) -> str:
        return f"{self._place()}, {self.note}" if self.note else self._place()

    def _place(self) -> str:
        if self.kind == "file":
            where = self.source if self.line is None else f"{self.source}:{self.line}"
            return f"{where} ({self.key})" if self.key else where
        return f"{self.kind} {self.source}".strip()


DEFAULT = Origin()


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, which key, what, and what to do about it."""

    origin: Origin
    path: Path
    what: str
    remedy: str

    def __str__(self) -> str:
        where = str(self.origin)
        if self.origin.line is not None and self.origin.column is not None and not self.path:
            where = f"{where}:{self.origin.column}"
        head = f"{where}: {dotted(self.path)}: " if self.path else f"{where}: "
        return MASKER(f"{head}{self.what}\n    -> {self.remedy}")


class BadSettings(SettingsError):
    """Every problem found, in the order of the file.

    Args:
        older: the file has an older form, in which the spellings of the remedies would be no keys.
    """

    def __init__(self, problems: Sequence[Problem], *, older: bool = False) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.origin.kind != "file", p.origin.line or 0)))
        count = len(self.problems)
        super().__init__(
            f"the settings have {count} problem{'s' if count != 1 else ''}",
            details="\n".join(str(problem) for problem in self.problems),
            remedy=("bring the file into today's form with `invoke settings --write`, " if older else "")
            + "mend them and run the same command again; nothing was started",
        )


class Complaint(ValueError):
    """Raised by the model's validators: what is wrong with one value, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
