"""What is outside the interpreter's bash is named, with its line; nothing is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.rehearsal.shell import Unsupported, run_script
from tests.unit.rehearsal.shell.box import Box


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("eval 'echo a'", "the builtin eval"),
        ("x=`date`", "`...`"),
        ("echo {a,b}", "brace expansion"),
        ("read x", "read without -r"),
        ("set -x", "set -x"),
        ("shopt -s extglob", "shopt extglob"),
        ("trap 'x' ERR", "trap on ERR"),
        ("[ a = a -a b = b ]", "-a, -o"),
        ("declare -n x=y", "declare -n"),
        ("select x in a; do :; done", "for_statement"),
        ("case a in a) :;& b) :;; esac", "case_item"),
        ("printf '%e' 1", "printf %e"),
        ("echo ${x@Q}", "${x@Q}"),
        ("getopts ab x", "the builtin getopts"),
        ("pushd /tmp", "the builtin pushd"),
        ("cat > >(tee x)", ">(tee x)"),
        ("if true; then", "a syntax error"),
        ("let x=1", "the builtin let"),
    ],
)
def test_named_with_its_line(tmp_path: Path, script: str, named: str) -> None:
    out: list[bytes] = []
    with pytest.raises(Unsupported) as caught:
        run_script(f"\n{script}\n", box=Box(tmp_path), stdout=out.append, stderr=out.append, cwd="/trial")
    assert named in str(caught.value)
    assert caught.value.line in (2, 3)


def test_a_killed_session_ends(tmp_path: Path) -> None:
    box = Box(tmp_path)
    out: list[bytes] = []

    def write(data: bytes) -> None:
        out.append(data)
        box.killed.set()

    code = run_script("while true; do echo a; done", box=box, stdout=write, stderr=write, cwd="/trial")
    assert code == 137
    assert out == [b"a\n"]
