"""The workflows that run at the users' GitHub, as far as they can be checked without it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tree_sitter import Language, Parser
from tree_sitter_powershell import language

import tasks
from provision.host.workspace import PRODUCT
from tests.windows.check_facts import misfits

WORKFLOWS = sorted((PRODUCT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted((PRODUCT / "tests" / "windows").glob("*.ps1"))


def test_they_are_workflows() -> None:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*argv, *map(str, WORKFLOWS)], capture_output=True, text=True)
    assert WORKFLOWS
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_what_they_name_is_there(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    commands = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    for job in jobs.values():
        assert job["timeout-minutes"] <= 60
    for task in re.findall(r"\./inv ([a-z]+)", commands):
        assert hasattr(tasks, task), task
    named = re.findall(r"(?<![\w/])(?:tests|\.ci)/[\w./-]+", commands)
    for name in named:
        assert (PRODUCT / name).exists(), name
    assert named
    for module in re.findall(r"-m ([\w.]+)", commands):
        assert (PRODUCT / (module.replace(".", "/") + ".py")).exists(), module


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_the_windows_tests_are_powershell(path: Path) -> None:
    data = path.read_bytes()
    assert data.isascii()
    tree = Parser(Language(language())).parse(data)
    assert not tree.root_node.has_error


def test_facts_that_no_model_knows_are_found() -> None:
    stamp = {"text": None}
    assert misfits(json.dumps({"facts": {"stamp": stamp}})) == []
    assert misfits(json.dumps({"facts": {"stamp": {"text": None, "time": 1}, "moon": {}}})) == [
        "moon: no model knows this section",
        "stamp: stamp is malformed at time: Extra inputs are not permitted",
    ]
    assert misfits("Access is denied.")[0].startswith("a script did not end with its facts")
