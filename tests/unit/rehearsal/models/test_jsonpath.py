"""kubectl's JSONPath, as our scripts write it."""

from __future__ import annotations

import pytest

from provision.rehearsal.models.jsonpath import BadTemplate, evaluate

NODES = {
    "items": [
        {
            "metadata": {"name": "a", "labels": {"hybrid.dev/x": "1"}},
            "spec": {"taints": [{"key": "k1"}, {"key": "k2"}]},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "Disk", "status": "False"}],
                "n": 3,
            },
        },
        {"metadata": {"name": "b"}, "spec": {}, "status": {"conditions": []}},
    ]
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].metadata.name}", "a b"),
        (".items[0].metadata.name", "a"),
        ("{.items[-1].metadata.name}", "b"),
        ('{range .items[*]}{.metadata.name}|{.spec.taints[*].key}{"\\n"}{end}', "a|k1 k2\nb|\n"),
        ('{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}', "a=True b= "),
        ("{.items[0].metadata.labels.hybrid\\.dev/x}", "1"),
        ("{.items[0].metadata.labels['hybrid.dev/x']}", "1"),
        ("{.items[0].status.n}", "3"),
        ("{.items[0].spec.taints}", '[{"key":"k1"},{"key":"k2"}]'),
        ("{.none.at.all}", ""),
        ("{.items[?(@.metadata.name!='a')].metadata.name}", "b"),
        ("{.items[?(@.metadata.labels)].metadata.name}", "a"),
        ("x={.items[0].metadata.name}y", "x=ay"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert evaluate(template, NODES) == text


@pytest.mark.parametrize("template", ["{.items[*}", "{range .items[*]}x", "{end}", "{.a..b}", "{'x}", "{.a[b]}"])
def test_bad_templates_are_refused(template: str) -> None:
    with pytest.raises(BadTemplate):
        evaluate(template, NODES)
