"""WQL filters: what they match, and what is no query."""

from __future__ import annotations

import pytest

from provision.rehearsal.models.windows_wql import parse_filter
from provision.rehearsal.powershell.box import CommandError

ROW = {"name": "kubelet", "state": "Running", "processid": 7, "started": True, "startname": None}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Name='KUBELET'", True),
        ('Name="containerd" OR Name="kubelet"', True),
        ("Name='kubelet' AND State<>'Running'", False),
        ("(Name='x' OR ProcessId > 6) AND NOT State='Stopped'", True),
        ("Name LIKE 'kube%'", True),
        ("Name LIKE 'kub_let'", True),
        ("Started = TRUE AND StartName = NULL", True),
        ("ProcessId <= 6", False),
    ],
)
def test_filters(text: str, found: bool) -> None:
    assert parse_filter(text)(ROW) is found


@pytest.mark.parametrize(
    "text", ["Name", "Name=", "Name='x", "Name='x' extra", "='x'", "(Name='x'", "Name='x' AND", "Name ~ 'x'"]
)
def test_what_is_no_query(text: str) -> None:
    with pytest.raises(CommandError, match="query"):
        parse_filter(text)(ROW)


def test_a_property_that_is_not_there_makes_it_invalid() -> None:
    with pytest.raises(CommandError, match="query"):
        parse_filter("Nonsense='x'")(ROW)
