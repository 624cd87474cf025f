"""The interpreter and the real bash give the same output, exit code and files for every script of the corpus."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from provision.rehearsal.files import StateFiles
from tests.unit.rehearsal.shell.box import Box, run

BASH = Path("/bin/bash")


def corpus() -> dict[str, str]:
    """Name -> script."""
    text = Path(__file__).with_name("corpus.sh").read_text()
    parts = [part.partition("\n") for part in text.split("### ")[1:]]
    seen: Counter[str] = Counter()
    scripts: dict[str, str] = {}
    for name, _, script in parts:
        seen[name] += 1
        scripts[name if seen[name] == 1 else f"{name} {seen[name]}"] = script
    return scripts


SCRIPTS = corpus()


def modelled_files(files: StateFiles) -> dict[str, str]:
    found = {}
    for path in files.walk("/trial"):
        name = path.removeprefix("/trial/")
        link = files.read_link(path)
        if link is not None:
            found[name] = f"-> {link}"
        else:
            found[name] = "folder" if files.is_folder(path) else files.read(path).decode()
    return found


def real_files(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "folder" if path.is_dir() else path.read_text()
    return found


# Real bash is what the interpreter is held to; it runs in a folder of the test's own (waiting for it may sleep).
@pytest.mark.allow("spawn", "sleep")
@pytest.mark.skipif(not BASH.exists(), reason="needs the package bash")
@pytest.mark.parametrize("name", SCRIPTS)
def test_same_as_bash(name: str, tmp_path: Path) -> None:
    script = SCRIPTS[name]
    work = tmp_path / "work"
    work.mkdir()
    environment = {"PATH": os.defpath, "HOME": "/root", "LC_ALL": "C.UTF-8"}
    real = subprocess.run(
        [str(BASH), "-s"],
        input=script.encode(),
        capture_output=True,
        cwd=work,
        env=environment,
        timeout=120,
        check=False,
    )
    box = Box(tmp_path / "box")
    code, out, err = run(box, script)
    assert out == real.stdout.decode(), f"{err}\n--- bash said\n{real.stderr.decode()}"
    assert code == real.returncode, f"{err}\n--- bash said\n{real.stderr.decode()}"
    assert bool(err) == bool(real.stderr), f"{err!r}\n--- bash said\n{real.stderr.decode()!r}"
    assert modelled_files(box.files) == real_files(work)


def test_the_corpus_is_big_enough() -> None:
    assert len(SCRIPTS) >= 250
