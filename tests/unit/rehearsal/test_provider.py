"""The rehearsal's provider: what it keeps on this computer."""

from __future__ import annotations

import threading
from pathlib import Path

import asyncssh

from provision.host.workspace import Workspace
from provision.rehearsal.provider import RehearsalProvider
from provision.settings.model import Settings


def test_machines_made_at_once_have_one_key(tmp_path: Path) -> None:
    provider = RehearsalProvider(Workspace(tmp_path, "dev"), Settings())
    together = threading.Barrier(8)
    found: list[dict[str, str]] = []

    def ask() -> None:
        together.wait(10)
        found.append(provider._credentials())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(one == found[0] for one in found)
    private = asyncssh.read_private_key(provider.folder / "id_ed25519")
    assert private.export_public_key().decode().strip() == found[0]["public_key"]
