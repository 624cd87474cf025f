from __future__ import annotations

from pathlib import Path

import pytest

from provision.errors import HostError
from provision.guests import known_hosts


def test_a_damaged_file_is_no_empty_one(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(b"\xa5\xff")
    with pytest.raises(HostError, match="damaged"):
        known_hosts.pinned(file, "cp1")
    with pytest.raises(HostError, match="damaged"):
        known_hosts.pin(file, "cp1", "ssh-ed25519", "AAAA")


def test_the_first_key_stays(tmp_path: Path) -> None:
    file = tmp_path / "cluster" / "known_hosts"
    assert known_hosts.pinned(file, "a") is None
    assert known_hosts.pin(file, "a", "ssh-ed25519", "AAA") == ("ssh-ed25519", "AAA")
    assert known_hosts.pin(file, "a", "ssh-ed25519", "BBB") == ("ssh-ed25519", "AAA")
    known_hosts.pin(file, "b", "ssh-rsa", "CCC")
    assert file.read_text() == "a ssh-ed25519 AAA\nb ssh-rsa CCC\n"


def test_a_forgotten_machine_may_come_with_another_key(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    known_hosts.forget(file, "a")
    known_hosts.pin(file, "a", "k", "1")
    known_hosts.pin(file, "b", "k", "2")
    known_hosts.forget(file, "a")
    assert known_hosts.pinned(file, "a") is None
    assert known_hosts.pinned(file, "b") == ("k", "2")
