"""What a modelled Linux program is: a function on a host and a call, its options read strictly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from provision.rehearsal.files import StateFiles
from provision.rehearsal.shell import Call, Unsupported


class FileHost(Protocol):
    """What file programs need of the machine."""

    files: StateFiles

    def clock(self) -> float:
        """Seconds since 1970 by the machine's own clock."""
        ...


Program = Callable[[Any, Call], int]


class Usage(Exception):
    """A program was called wrongly: its message on stderr, and its exit code for that."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Failed(Exception):
    """A program could not do what it was asked: its message on stderr, and its exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Options:
    """The options and operands of one call.

    Attributes:
        given: option (``-r`` or ``--recursive`` as the declaration spells it first) -> its value, True without one.
    """

    def __init__(self, given: dict[str, Any], operands: list[str]) -> None:
        self.given = given
        self.operands = operands

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def get(self, name: str, default: str = "") -> str:
        value = self.given.get(name, default)
        return str(value)


def options(
    call: Call,
    flags: Iterable[str] = (),
    values: Iterable[str] = (),
    *,
    usage: int = 1,
    mixed: bool = True,
    repeated: Iterable[str] = (),
) -> Options:
    """Read a call's options as getopt does.

    Args:
        flags: options without value; spellings of one option are joined by ``|``: ``-r|-R|--recursive``.
        values: options with a value, likewise.
        usage: the exit code for an unknown option.
        mixed: options may stand behind operands.
        repeated: first spellings of options whose values are collected in a list.

    Raises:
        Usage: an option that the program does not have (or that its model does not know).
    """
    known: dict[str, tuple[str, bool]] = {}
    for takes, declared in ((False, flags), (True, values)):
        for spelling in declared:
            names = spelling.split("|")
            known.update(dict.fromkeys(names, (names[0], takes)))
    collected = set(repeated)
    given: dict[str, Any] = {}
    operands: list[str] = []
    rest = list(call.argv[1:])
    program = call.argv[0].rpartition("/")[2]

    def put(name: str, value: Any) -> None:
        first = known[name][0]
        if first in collected:
            given.setdefault(first, []).append(value)
        else:
            given[first] = value

    def needs() -> str:
        if not rest:
            raise Usage(f"{program}: option requires an argument -- '{word.lstrip('-')}'", usage)
        return rest.pop(0)

    while rest:
        word = rest.pop(0)
        if word == "--":
            operands += rest
            break
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            if name not in known or (equals and not known[name][1]):
                raise Usage(f"{program}: unrecognized option '{word}'", usage)
            put(name, (value if equals else needs()) if known[name][1] else True)
        elif word.startswith("-") and len(word) > 1:
            if word in known and len(word) > 2:
                put(word, needs() if known[word][1] else True)
                continue
            letters = word[1:]
            while letters:
                name, letters = "-" + letters[0], letters[1:]
                if name not in known:
                    raise Usage(f"{program}: invalid option -- '{name[1:]}'", usage)
                if known[name][1]:
                    put(name, letters or needs())
                    letters = ""
                else:
                    put(name, True)
        else:
            operands.append(word)
            if not mixed:
                operands += rest
                break
    return Options(given, operands)


def path_of(call: Call, text: str) -> str:
    """An operand as an absolute path."""
    if text.startswith("/"):
        return text
    return f"{call.cwd.rstrip('/')}/{text}"


def run(program: Program, host: Any, call: Call) -> int:
    """Run a program; its usage errors, failures and missing files become messages and exit codes."""
    name = call.argv[0].rpartition("/")[2]
    try:
        return program(host, call)
    except (Usage, Failed) as error:
        if str(error):
            call.err(f"{error}\n")
        return error.code
    except Unsupported:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        call.err(f"{name}: {where}{error.strerror or error}\n")
        return 1
