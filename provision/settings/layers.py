"""What overrides the file: the environment and ``--set``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from provision.secrets import Secret
from provision.settings import shape as shapes
from provision.settings.document import Document, read_value, suggest, unknown_key
from provision.settings.problems import Origin, Path, Problem
from provision.settings.shape import Shape

PREFIX = "HYBRID_"
# Variables of ours that are about this computer, not about a cluster; `inv` reads HYBRID_PYTHON and
# sets HYBRID_COMMAND.
NOT_SETTINGS = frozenset({"HYBRID_CACHE", "HYBRID_COMMAND", "HYBRID_PYTHON"})
# Tables of whatever there is, by hosts or names of files: what follows in a key path is one key.
_DOTTED = frozenset({("network", "registries"), ("kubernetes", "kubeadm_patches")})
PASSWORD = "HYBRID_PASSWORD_"  # noqa: S105 - the name of a variable
REGISTRY = "HYBRID_REGISTRY_"


def password_variable(machine: str) -> str:
    """The environment variable with a machine's password."""
    return PASSWORD + machine.upper().replace("-", "_")


def apply_overrides(document: Document, overrides: Sequence[str], *, base: FilePath) -> None:
    """Put the values of ``--set`` over a document; problems go into it."""
    for text in overrides:
        key, equals, value = text.partition("=")
        origin = Origin("--set", key)
        path = tuple(part for part in key.strip().split("."))
        if not equals or not all(path):
            document.problems.append(
                Problem(Origin("--set", text), (), "not of the form key=value", "write --set kubernetes.version=1.35")
            )
            continue
        _apply(document, path, value, origin, base)


def apply_environment(document: Document, environment: Mapping[str, str], *, base: FilePath) -> dict[str, Secret]:
    """Put ``HYBRID_...`` variables over a document; problems go into it.

    Returns the machines' passwords by machine name.
    """
    passwords: dict[str, Secret] = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable.startswith(REGISTRY) or variable in NOT_SETTINGS:
            continue
        origin = Origin("environment", variable)
        if variable.startswith(PASSWORD):
            name = _machine_of(variable.removeprefix(PASSWORD), document)
            if name is None:
                remedy = f"name a machine: {', '.join(_names(document))}"
                document.problems.append(Problem(origin, (), "a password for a machine that does not exist", remedy))
            else:
                passwords[name] = Secret(environment[variable])
            continue
        path = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if path[0] == "machines" and len(path) > 1:
            path = (path[0], _machine_of(path[1], document) or path[1], *path[2:])
        _apply(document, path, environment[variable], origin, base)
    return passwords


def _names(document: Document) -> list[str]:
    machines = document.values.get("machines")
    return [
        str(machine["name"])
        for machine in (machines if isinstance(machines, list) else [])
        if isinstance(machine, dict) and machine.get("name")
    ]


def _machine_of(text: str, document: Document) -> str | None:
    """The machine that a variable's part names: upper case, with underscores for dashes."""
    wanted = text.lower().replace("-", "_")
    return next((name for name in _names(document) if name.lower().replace("-", "_") == wanted), None)


def _apply(document: Document, path: Path, text: str, origin: Origin, base: FilePath) -> None:
    complaint = _locate(document, path)
    if isinstance(complaint, tuple) and isinstance(complaint[0], str):
        what, remedy = complaint
        document.problems.append(Problem(origin, path, what, str(remedy)))
        return
    real, wanted = complaint
    assert isinstance(wanted, Shape)
    read = read_value(text, wanted, tuple(real), origin, base=base)
    document.problems += read.problems
    if read.problems or "value" not in read.values:
        return
    for known in [known for known in document.origins if known[: len(real)] == real]:
        del document.origins[known]
    document.origins.update(read.origins)
    _put(document.values, tuple(real), read.values["value"])


def _locate(document: Document, path: Path) -> tuple[Path, Shape] | tuple[str, str]:
    """The path with machine numbers and its shape, or what is wrong and the remedy."""
    real: list[str] = []
    wanted: Shape = shapes.root()
    for position, key in enumerate(path):
        named = (wanted.inner is not None and wanted.inner.kind == "leaf") or tuple(real) in _DOTTED
        if wanted.kind == "table" and wanted.inner is not None and named:
            # Keys of a table may have dots of their own (node.kubernetes.io/x, https://dl.k8s.io).
            return (*real, ".".join(path[position:])), wanted.inner
        if wanted.kind == "leaf":
            return "there is nothing below this key", f"set {'.'.join(path[:position])} itself"
        if wanted.kind == "list":
            names = _names(document)
            if real == ["machines"] and key in names:
                key = str(names.index(key))
            elif real == ["machines"]:
                near = suggest(key, tuple(names))
                return f"there is no machine {key}", f"did you mean {near}?" if near else f"known: {', '.join(names)}"
            else:
                return "single items of this list cannot be set", f"set {'.'.join(path[:position])} as a whole: [a, b]"
        inner = wanted.below(key)
        if inner is None:
            return "there is no such key", unknown_key(key, path[:position], wanted, {})
        real.append(key)
        wanted = inner
    return tuple(real), wanted


def _put(values: dict[str, Any], path: Path, value: Any) -> None:
    here: Any = values
    for key in path[:-1]:
        if isinstance(here, list):
            here = here[int(key)]
        else:
            if not isinstance(here.get(key), dict | list):
                here[key] = {}
            here = here[key]
    if isinstance(here, list):
        here[int(path[-1])] = value
    else:
        here[path[-1]] = value
