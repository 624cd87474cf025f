"""What the documentation names exists: files, links, tasks and their flags, settings, steps, exit codes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from invoke.collection import Collection
from pydantic import BaseModel

import tasks
from provision.app.edge import call
from provision.doctor.judge import LINUX_DISK, OWN_MEMORY, WINDOWS_DISK
from provision.errors import BUG, INTERRUPTED
from provision.host.workspace import PRODUCT
from provision.plan import plan
from provision.rehearsal.faults import KINDS
from provision.settings.complete import complete
from provision.settings.load import load
from provision.settings.model import Features, ImageArchive, Machine, Network, Os, Settings
from tests.golden.golden import same_as
from tests.scripts import docs_blocks
from tests.unit.steps.image_settings import PEM

FILES = sorted(
    path
    for path in (
        *PRODUCT.glob("*.md"),
        *(PRODUCT / "docs").rglob("*.md"),
        *(PRODUCT / "templates").rglob("*.md"),
    )
    if path.name != "LICENSE.md"
)
GENERATED = [path for path in FILES if docs_blocks.names(path.read_text())]
ROOTS = ("provision/", "tests/", "templates/", "docs/", "benchmarks/", ".ci/", ".github/")
# Templates are named as steps name them.
TEMPLATE_FOLDERS = ("windows/", "linux/", "facts/", "kubeadm/", "cni/", "addons/", "report/")
# What `invoke` itself understands, before a task's name.
INVOKE_FLAGS = {"--list", "--help", "--version"}


def name(path: Path) -> str:
    return str(path.relative_to(PRODUCT))


every_file = pytest.mark.parametrize("path", FILES, ids=name)


def words(path: Path) -> list[str]:
    """What stands in backticks within the text."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(path))


def prose(path: Path) -> str:
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def commands(path: Path) -> Iterator[list[str]]:
    """Every call of invoke, split: in backticks and in blocks of shell."""
    # Of a block with output only what was typed.
    shown = [line for block in blocks(path, "sh") for line in block.splitlines()]
    shown += [line for block in blocks(path, "text") for line in block.splitlines() if line.startswith("$ ")]
    for text in [*words(path), *shown]:
        for found in re.findall(r"(?:^|[\s;(])(?:\./inv|invoke)[ \t]+([^;&|#)]+)", text):
            yield shlex.split(found)


@lru_cache
def known_tasks() -> dict[str, set[str]]:
    """Task -> its flags, long and short."""
    found = Collection.from_module(tasks)
    return {
        task: {flag for argument in found[task].get_arguments() for flag in argument_flags(argument.names)}
        for task in found.task_names
    }


def argument_flags(names: tuple[str, ...]) -> set[str]:
    return {f"-{n}" if len(n) == 1 else "--" + n.replace("_", "-").strip("-") for n in names}


@lru_cache
def known_steps() -> frozenset[str]:
    """The names of all steps, without their machines, of settings that need them all."""
    machines = (*Settings().machines, Machine(name="linw1", os="linux"))
    archives = tuple(
        ImageArchive(name=f"{os}.tar", version="1", url=f"image:{os}", os=os, images=(f"one.test/{os}:1",))
        for os in get_args(Os)
    )
    settings = complete(
        Settings(
            provider="libvirt",
            machines=machines,
            features=Features(prepull=True),
            network=Network(proxy="http://proxy.test:3128", registries={"docker.io": "https://mirror.test"}),
            archives=archives,
        )
    )
    return frozenset(step.name.split("@")[0] for step in plan(settings).steps)


@every_file
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        aim = (path.parent / file).resolve() if file else path
        assert aim.exists(), f"{name(path)} links to {target}"
        if anchor:
            assert anchor in anchors(aim), f"{name(path)} links to {target}: no such heading"


def anchors(path: Path) -> set[str]:
    """The anchors of a file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_file
def test_files_that_are_named_exist(path: Path) -> None:
    bases = (PRODUCT, PRODUCT / "templates")
    for word in words(path):
        text = word.split("::")[0].rstrip("/")
        if not text.startswith(ROOTS + TEMPLATE_FOLDERS) or re.search(r"[<…{ ]", text):
            continue
        assert any(list(base.glob(text)) for base in bases), f"{name(path)} names {word}"


@every_file
def test_commands_that_are_named_exist(path: Path) -> None:
    for task, *rest in commands(path):
        if task == "<task>":
            continue
        if task.startswith("-"):
            assert task in INVOKE_FLAGS, f"{name(path)}: invoke {task}"
            continue
        assert task in known_tasks(), f"{name(path)}: there is no task {task}"
        for flag in rest:
            if re.match(r"--?[a-z]", flag):
                assert flag.split("=")[0] in known_tasks()[task], f"{name(path)}: {task} has no flag {flag}"


@every_file
def test_settings_that_are_named_exist(path: Path) -> None:
    text = path.read_text()
    for word in words(path):
        is_key = re.fullmatch(r"[a-z_]+(\[\])?(\.[a-z_<>]+(\[\])?)+", word) and not word.endswith(".exe")
        if is_key and word.split(".")[0].removesuffix("[]") in Settings.model_fields:
            assert setting_exists(word), f"{name(path)} names {word}"
    for key in re.findall(r"--set '?([a-z_]+(?:\.[a-z_0-9]+)*)=", text):
        assert key == "key" or setting_exists(key), f"{name(path)} sets {key}"
    for variable in re.findall(r"\bHYBRID_([A-Z0-9]+(?:_[A-Z0-9]+)*(?:__[A-Z0-9_]+)+)", text):
        assert setting_exists(variable.lower().replace("__", ".")), f"{name(path)} names HYBRID_{variable}"


def setting_exists(key: str) -> bool:
    """Whether a dotted key is one of the settings; below a table or a machine's name anything goes once."""
    kind: Any = Settings
    for part in key.replace("[]", ".[]").split("."):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if part not in kind.model_fields:
                return False
            kind = bare(kind.model_fields[part].annotation)
        elif get_origin(kind) is tuple:
            kind = get_args(kind)[0]
        else:
            return True
    return True


def bare(annotation: Any) -> Any:
    """The type without Annotated."""
    return bare(annotation.__origin__) if hasattr(annotation, "__metadata__") else annotation


@every_file
def test_settings_that_are_shown_are_taken(path: Path, tmp_path: Path) -> None:
    for block in blocks(path, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)
        file = tmp_path / "variables.yaml"
        file.write_text(block)
        for pem in re.findall(r"\b[a-z]+\.pem\b", block):
            (tmp_path / pem).write_text(PEM)
        loaded = load(file, overrides=(), environment={}, workspace=tmp_path)
        assert plan(loaded.settings).steps


@every_file
def test_steps_that_are_named_exist(path: Path) -> None:
    for word in words(path):
        if found := re.fullmatch(r"([a-z][a-z-]*)@(?:[a-z]+\d+|<machine>|…)", word):
            assert found[1] in known_steps() | set(KINDS), f"{name(path)} names {word}"
    for step in re.findall(r"--(?:only|from)[ =]([a-z][a-z-]*)", path.read_text()):
        assert step in known_steps(), f"{name(path)}: --only {step}"
    for row in re.findall(r"^\|[^|\n]*\|[^|\n]*\|(.*)\|$", path.read_text() if path.parent.name == "templates" else ""):
        for step in re.findall(r"`([a-z-]+)(?:@<machine>)?`", row):
            assert step in known_steps(), f"{name(path)}: step {step}"


@every_file
def test_exit_codes_that_are_named_exist(path: Path) -> None:
    known = {0, 1, BUG, INTERRUPTED, *(kind.exit_code for kind in docs_blocks.errors())}
    for code in re.findall(r"exit(?:s|ed)?(?: with)?(?: code)? (\d+)", path.read_text()):
        assert int(code) in known, f"{name(path)}: exit code {code}"


@every_file
def test_nothing_is_left_to_be_written(path: Path) -> None:
    assert not re.search(r"\b(TODO|TBD|FIXME|XXX)\b", path.read_text()), name(path)


@pytest.mark.parametrize("path", GENERATED, ids=name)
def test_tables_are_what_the_code_says(path: Path) -> None:
    same_as(path, docs_blocks.filled(path.read_text()))


def test_every_table_is_used() -> None:
    assert {table for path in GENERATED for table in docs_blocks.names(path.read_text())} == set(docs_blocks.BLOCKS)


def test_every_guide_can_be_found() -> None:
    # From the README, over links.
    found, todo = set(), [PRODUCT / "README.md"]
    while todo:
        path = todo.pop()
        if path in found or path.suffix != ".md":
            continue
        found.add(path)
        targets = (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)))
        todo += [(path.parent / target).resolve() for target in targets if target and "://" not in target]
    assert set(FILES) <= found, f"nothing leads to {sorted(map(name, set(FILES) - found))}"


def test_what_the_product_says_about_the_readme_is_true() -> None:
    said = {
        section
        for file in (PRODUCT / "provision").rglob("*.py")
        for section in re.findall(r'README\.md, "([^"]+)"', file.read_text())
    }
    headings = re.findall(r"^#+ (.+)$", (PRODUCT / "README.md").read_text(), flags=re.MULTILINE)
    assert said and said <= set(headings)


def test_the_readme_has_what_each_provider_needs() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)$", (PRODUCT / "README.md").read_text(), flags=re.MULTILINE)
    assert [provider for provider, _ in rows] == ["libvirt", "virtualbox", "vmware_desktop", "hyperv", "existing"]
    for provider, row in rows[:-1]:
        settings = complete(Settings(provider=provider))
        for machine in settings.machines:
            assert f"`{machine.box}`" in row, f"{provider}: {machine.box}"


def test_the_readme_has_the_sizes_of_the_machines() -> None:
    text = (PRODUCT / "README.md").read_text()
    for machine in Settings().machines:
        assert re.search(rf"`{machine.name}` \([^)]*{machine.cpus} processors, {machine.memory} MiB\)", text)
    disk = LINUX_DISK + WINDOWS_DISK
    assert f"{OWN_MEMORY} MiB more" in text and f"about {disk // 1000} GB of disk" in text


def test_what_is_said_to_be_refused_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for setting in ("cni=antrea", "cni=flannel"):
        assert call("plan", {"set": ["provider=rehearsal", setting]}) == 12
    assert call("kubeconfig", {"set": ["provider=rehearsal"]}) == 13


@pytest.mark.parametrize("block", [b for path in FILES for b in blocks(path, "sh")])
def test_blocks_of_shell_can_be_parsed(block: str) -> None:
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run([bash, "-n"], input=block, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_template_has_one_row_for_each_step() -> None:
    text = (PRODUCT / "templates" / "README.md").read_text(encoding="utf-8")
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in text.splitlines() if line.startswith("| `")]
    seen = [(template, row[-1]) for row in rows for template in re.findall(r"`((?:windows|linux)/\d[^`]+)`", row[0])]
    assert len(seen) > 40
    assert sorted(seen) == sorted(set(seen))
