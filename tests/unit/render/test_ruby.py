"""Ruby literals."""

from __future__ import annotations

import pytest

from provision.render.quoting import ruby, ruby_arguments


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (None, "nil"),
        (True, "true"),
        (12, "12"),
        (1.5, "1.5"),
        ("plain", '"plain"'),
        ("it's", '"it\'s"'),
        ('a "quote" and \\', '"a \\"quote\\" and \\\\"'),
        ("#{evil} #$x #@y #z", '"\\#{evil} \\#$x \\#@y #z"'),
        ("two\nlines\t", '"two\\nlines\\t"'),
        ("größe", '"größe"'),
        (":id", ":id"),
        (": no symbol", '": no symbol"'),
        (["modifyvm", ":id", 1], '["modifyvm", :id, 1]'),
        ({"a": 1, "b-c": None}, '{ a: 1, "b-c" => nil }'),
        ({}, "{}"),
    ],
)
def test_a_value_as_ruby_reads_it(value: object, literal: str) -> None:
    assert ruby(value) == literal


def test_keyword_arguments() -> None:
    assert ruby_arguments({"ip": "10.0.0.1", "auto_config": False}) == 'ip: "10.0.0.1", auto_config: false'


def test_a_control_character_is_refused() -> None:
    with pytest.raises(ValueError, match="control character"):
        ruby("a\x00b")
