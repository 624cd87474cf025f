"""A document to Settings through the model; what pydantic finds becomes problems that people can act on."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from provision.settings import shape as shapes
from provision.settings.document import Document, suggest
from provision.settings.layers import password_variable
from provision.settings.model import Settings
from provision.settings.problems import Complaint, Path, Problem
from provision.settings.shape import Shape


def validate(document: Document) -> tuple[Settings | None, frozenset[Path]]:
    """The settings, and the paths whose values were unusable.

    Problems go into the document.  Unusable values count as absent, so that what contradicts the rest
    can still be found in the same report; with a whole machine unusable there are no settings.
    """
    values = without_nulls(document.values)
    broken: set[Path] = {problem.path for problem in document.problems if problem.path}
    _refuse_passwords(values, document)
    # A pass finds all that is wrong; dropping it may bring up what it hid, never more than a few times.
    for _ in range(5):
        try:
            return Settings.model_validate(values), frozenset(broken)
        except ValidationError as error:
            for detail in error.errors():
                path = _path(detail, values)
                # What was unusable counts as absent: that it is missing then is no news.
                if path not in broken:
                    document.problems.append(_problem(detail, path, document))
                broken.add(path)
                if detail["type"] == "missing" or not _drop(values, path):
                    return _without_machines(values), frozenset(broken | {("machines",)})
    return None, frozenset(broken)


def _without_machines(values: dict[str, Any]) -> Settings | None:
    rest = {key: value for key, value in values.items() if key != "machines"}
    try:
        return Settings.model_validate(rest)
    except ValidationError:
        return None


def without_nulls(values: Any) -> Any:
    """A copy in which keys without a value are absent, and so have their defaults."""
    if isinstance(values, dict):
        return {key: without_nulls(value) for key, value in values.items() if value is not None}
    if isinstance(values, list):
        return [without_nulls(value) for value in values]
    return copy.copy(values)


def _refuse_passwords(values: dict[str, Any], document: Document) -> None:
    machines = values.get("machines")
    for index, machine in enumerate(machines if isinstance(machines, list) else []):
        if isinstance(machine, dict) and machine.pop("password", None) is not None:
            path = ("machines", str(index), "password")
            variable = password_variable(str(machine.get("name", "NAME")))
            remedy = f"delete it here and set {variable}, or type it when asked"
            document.problems.append(Problem(document.origin(path), path, "a password does not belong here", remedy))


def _path(detail: ErrorDetails, values: dict[str, Any]) -> Path:
    """The place in the document: pydantic's location without its names of union members."""
    path: list[str] = []
    here: Any = values
    for part in detail["loc"]:
        in_table = isinstance(here, dict) and part in here
        in_list = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if in_table or in_list:
            here = here[part]
        elif detail["type"] != "missing":
            break
        path.append(str(part))
    return tuple(path)


def _drop(values: dict[str, Any], path: Path) -> bool:
    here: Any = values
    for key in path[:-1]:
        here = here[int(key)] if isinstance(here, list) else here[key]
    if not path:
        return False
    if isinstance(here, list):
        if path[0] == "machines":
            return False
        here[int(path[-1])] = None
        return False
    return here.pop(path[-1], None) is not None


def _problem(detail: ErrorDetails, path: Path, document: Document) -> Problem:
    what, remedy = _words(detail, shapes.at(path))
    return Problem(document.origin(path), path, what, remedy)


def _words(detail: ErrorDetails, wanted: Shape | None) -> tuple[str, str]:
    about = wanted.about if wanted else ""
    choices = wanted.choices if wanted else ()
    context = detail.get("ctx") or {}
    error, given = context.get("error"), detail["input"]
    if isinstance(error, Complaint):
        return error.what, error.remedy
    if detail["type"] == "missing":
        return "is missing", f"add it: {about}"
    if choices:
        near = suggest(str(given), choices)
        known = f"write one of {', '.join(choices)}"
        return f"{given!r} is not known here", f"did you mean {near}? {known}" if near else known
    limits = {"greater_than_equal": "ge", "greater_than": "gt", "less_than_equal": "le", "less_than": "lt"}
    if detail["type"] in limits:
        words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
        limit = limits[detail["type"]]
        return f"{given} is out of range", f"write {words[limit]} {context[limit]}: {about}"
    if detail["type"].startswith("int"):
        return f"{given!r} is not a whole number", f"write a whole number: {about}"
    if detail["type"].startswith("float"):
        return f"{given!r} is not a number", f"write a number: {about}"
    if given is None and wanted and wanted.kind == "part":
        return "is empty", f"write its keys, or delete it: {', '.join(wanted.offered())}"
    if given in ("", None):
        return "is empty", f"write {about}, or delete it"
    return f"{given!r} cannot be used: {detail['msg'][0].lower()}{detail['msg'][1:]}", f"write {about}"
