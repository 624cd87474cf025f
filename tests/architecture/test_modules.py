"""Rules that hold for every module and every file."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from provision.host.workspace import PRODUCT, TEMPLATES
from provision.plan import plan
from provision.settings.complete import complete
from provision.settings.model import Settings

LONGEST = 400  # lines of a module; about 250 is what one reads in one go

# There a function is named after the command, a class after the construct, that it models.
NAMED_AFTER = ("provision/rehearsal/models/", "provision/rehearsal/powershell/", "provision/rehearsal/shell/")

MODULES = sorted((PRODUCT / "provision").rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(PRODUCT))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def public(body: list[ast.stmt], inside: str = "") -> Iterator[tuple[str, ast.stmt]]:
    """Functions and classes that others may use, with the methods of those classes."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield f"{inside}{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from public(node.body, f"{node.name}.")


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    if path.name == "__init__.py" and not path.read_text().strip():
        return
    assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [path for path in MODULES if not name(path).startswith(NAMED_AFTER)], ids=name)
def test_every_public_function_and_class_is_described(path: Path) -> None:
    undescribed = [
        found
        for found, node in public(tree(path).body)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and "." not in found
        and not ast.get_docstring(node)
    ]
    assert undescribed == []


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PRODUCT, stdin=subprocess.DEVNULL, capture_output=True, check=True, text=True,
    )  # fmt: skip
    return [PRODUCT / line for line in listed.stdout.split("\0") if line]


# Written in pieces, so that this file does not hold them.
FOREIGN = re.compile(
    "|".join(("/" + "work/(?:main|shared)", "/root/" + r"\.pyenv", "extra" + "-index", "--index" + "-url"))
)


def test_no_file_knows_somebodys_computer() -> None:
    if not (PRODUCT / ".git").exists():
        pytest.skip("the files of a checkout are what is looked at, and this is none")
    found = []
    for path in tracked():
        if not path.is_file() or path.suffix in (".png", ".gz", ".zip"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name(path)}:{text[: match.start()].count(chr(10)) + 1}" for match in FOREIGN.finditer(text)]
    assert found == []


def templates() -> list[str]:
    return sorted(
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.rglob("*")
        # A file that begins with an underscore is included by others; facts have one file a section.
        if path.is_file() and path.name != "README.md" and not path.name.startswith("_")
    )


@pytest.mark.parametrize("template", templates())
def test_every_template_is_listed_with_where_it_runs(template: str) -> None:
    text = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    folder = template.rpartition("/")[0]
    # Sections of facts, and documents that go together, are listed by their folder.
    together = folder.startswith("cni/") or (folder.startswith("facts/") and Path(template).stem != "probe")
    assert f"`{folder}/`" in text if together else f"`{template}`" in text


def test_what_the_list_of_templates_names_is_there() -> None:
    text = (TEMPLATES / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:windows|linux|kubeadm|cni|facts|report|addons)/[\w./-]+\.\w+)`", text)
    assert named
    assert [one for one in named if not (TEMPLATES / one).is_file()] == []


def test_step_names_are_lower_case_words_with_dashes() -> None:
    made = plan(complete(Settings().model_copy(update={"provider": "rehearsal"})))
    assert len(made.steps) > 40
    wrong = [
        step.name
        for step in made.steps
        # A fetch step ends with its artifact's file name, which may have dots.
        if not re.fullmatch(r"(fetch-[a-z0-9.-]+|[a-z0-9]+(-[a-z0-9]+)*)(@[a-z0-9-]+)?", step.name)
    ]
    assert wrong == []
    assert all(step.machine == step.name.partition("@")[2] for step in made.steps if "@" in step.name)
