"""The table of nodes in the words of people."""

from __future__ import annotations

import pytest

from provision.app.nodes import for_people


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Debian GNU/Linux 12 (bookworm)", "Debian 12"),
        ("Ubuntu 24.04.3 LTS", "Ubuntu 24.04.3"),
        ("Windows Server 2022 Standard Evaluation", "Windows 2022"),
        ("Microsoft Windows Server 2025 Datacenter", "Windows 2025"),
        ("containerd://2.3.4", "containerd 2.3.4"),
        ("no node", "no node"),
    ],
)
def test_what_every_node_says_is_left_out(said: str, shown: str) -> None:
    assert for_people([("winw1", said)]) == [("winw1", shown)]
