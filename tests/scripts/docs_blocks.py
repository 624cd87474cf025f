"""The tables in the documentation that are made from the code, so that they cannot disagree with it.

A table stands in a Markdown file between ``<!-- made from the code: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence

from invoke.collection import Collection

import tasks
from provision.doctor.judge import CANDIDATES
from provision.errors import BUG, INTERRUPTED, ProvisionError
from provision.knowledge.boxes import BOXES, VAGRANT_PROVIDERS
from provision.plan import plan
from provision.rehearsal.faults import KINDS
from provision.rehearsal.latency import load
from provision.settings.complete import complete
from provision.settings.model import Settings
from provision.steps.base import Step

_BLOCK = re.compile(r"(<!-- made from the code: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# The systems that `inv` runs on.
_SYSTEMS = {"linux": "Linux", "macos": "macOS", "wsl2": "WSL2"}


def filled(text: str) -> str:
    """A Markdown file's text with its tables as the code has them now."""
    return _BLOCK.sub(lambda found: found[1] + BLOCKS[found["name"]]() + found[3], text)


def names(text: str) -> list[str]:
    """The tables that a Markdown file has."""
    return [found["name"] for found in _BLOCK.finditer(text)]


def default_settings() -> Settings:
    """The settings without a file, on a real provider: the names of a rehearsal's nodes differ."""
    return complete(Settings(provider="libvirt"))


def errors() -> Iterator[type[ProvisionError]]:
    """Every error that has an exit code of its own, by code."""
    own = [kind for kind in ProvisionError.__subclasses__() if "exit_code" in vars(kind)]
    yield from sorted(own, key=lambda kind: kind.exit_code)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").splitlines()[0]


def _tasks() -> str:
    found = Collection.from_module(tasks)
    return _table(
        ("task", "what it does"), [(f"`./inv {name}`", _first_line(found[name])) for name in sorted(found.task_names)]
    )


def _exit_codes() -> str:
    rows = [("0", "", "It is done, and it was checked."), ("1", "usage", "A flag or task that there is not.")]
    rows += [(str(kind.exit_code), kind.family, _first_line(kind)) for kind in errors()]
    rows += [
        (str(BUG), "bug", "A fault in this tool; the traceback is on the screen, please report it."),
        (str(INTERRUPTED), "interrupted", "Ctrl-C; what was at work on the machines goes on there."),
    ]
    return _table(("code", "family", "what it says"), rows)


def _steps() -> str:
    steps = plan(default_settings()).steps
    rows: list[tuple[str, ...]] = []
    for step in steps:
        if not step.name.startswith("fetch-"):
            rows.append((str(len(rows) + 2), f"`{step.name}`", step.title, step.lane, _needs(step), _scripts(step)))
    files = sum(step.name.startswith("fetch-") for step in steps)
    first = (
        "1",
        "`fetch-<file>`",
        f"{files} files in the cache, with the digest that their publisher or the lock says",
        "host",
        "",
        "",
    )
    return _table(("", "step", "true afterwards", "lane", "needs", "script"), [first, *rows])


def _needs(step: Step) -> str:
    files = any(need.startswith("fetch-") for need in step.needs)
    needs = [f"`{need}`" for need in step.needs if not need.startswith("fetch-")]
    return ", ".join([*needs, *(["its files"] if files else [])])


def _scripts(step: Step) -> str:
    marks = ["restarts the machine"] if step.reboots else []
    marks += ["outlives the connection"] if step.detached else []
    return "; ".join([", ".join(f"`{call.template}`" for call in step.scripts), *marks]).removeprefix("; ")


def _faults() -> str:
    return _table(
        ("fault", "what happens", "what the run does", "machines"),
        [
            (f"`{kind.name}`", kind.happens, kind.expected, kind.os.capitalize() if kind.os else "all")
            for kind in KINDS.values()
        ],
    )


def _latencies() -> str:
    return _table(
        ("effect", "seconds", "source"),
        [(f"`{row.name}`", f"{row.seconds:g}", row.source) for row in load().values()],
    )


def _boxes() -> str:
    return _table(
        ("box", "system", "providers"),
        [
            (
                f"`{row.name}`",
                f"Windows Server {row.windows_version}" if row.windows_version else "Linux",
                ", ".join(row.providers),
            )
            for row in BOXES
        ],
    )


def _candidates() -> str:
    rows = [
        (_SYSTEMS[system], ", then ".join(f"`{provider}`" for provider in providers))
        for system, providers in CANDIDATES.items()
        if system in _SYSTEMS
    ]
    assert {provider for system in _SYSTEMS for provider in CANDIDATES[system]} == set(VAGRANT_PROVIDERS)  # type: ignore[index]
    return _table(("this computer", "`auto` tries"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "tasks": _tasks,
    "exit-codes": _exit_codes,
    "steps": _steps,
    "faults": _faults,
    "latencies": _latencies,
    "boxes": _boxes,
    "candidates": _candidates,
}
