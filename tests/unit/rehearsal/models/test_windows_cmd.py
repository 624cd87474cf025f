"""Command lines are taken apart as Microsoft's C runtime and cmd.exe do it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.rehearsal.models.windows_cmd import (
    expand,
    join_arguments,
    special_characters,
    split_program,
)
from provision.rehearsal.powershell.native import split_arguments


# The examples of "Parsing C command-line arguments" (Microsoft's C++ documentation).
@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ('"a b c" d e', ["a b c", "d", "e"]),
        (r'"ab\"c" "\\" d', ['ab"c', "\\", "d"]),
        (r'a\\\b d"e f"g h', [r"a\\\b", "de fg", "h"]),
        (r"a\\\"b c d", [r"a\"b", "c", "d"]),
        (r'a\\\\"b c" d e', [r"a\\b c", "d", "e"]),
        ('a"b"" c d', ['ab" c d']),
        ('--resolv-conf=""', ["--resolv-conf="]),
        ('"" x', ["", "x"]),
        ("", []),
    ],
)
def test_arguments_are_split_as_documented(line: str, arguments: list[str]) -> None:
    assert split_arguments(line) == arguments


@given(st.lists(st.text(alphabet='ab \\"\t', max_size=6), max_size=4))
def test_what_is_joined_comes_apart_again(arguments: list[str]) -> None:
    assert split_arguments(join_arguments(arguments)) == arguments


def test_the_programs_name_keeps_its_backslashes() -> None:
    assert split_program('"C:\\Program Files\\x.exe" --a b') == ("C:\\Program Files\\x.exe", "--a b")
    assert split_program("sc.exe query  x") == ("sc.exe", "query  x")


def test_variables_and_special_characters() -> None:
    assert expand("%A%\\x %B%", {"A": "C:\\k"}) == "C:\\k\\x %B%"
    assert special_characters('echo "a & b"') == ""
    assert special_characters("echo a & b") == "&"
