"""The rehearsal's provider: what it keeps on this computer."""

from __future__ import annotations

import threading
from pathlib import Path

import asyncssh
import pytest

from provision.errors import MachineError
from provision.host.workspace import Workspace
from provision.rehearsal.park import Park
from provision.rehearsal.process import Process
from provision.rehearsal.provider import RehearsalProvider
from provision.settings.model import Settings
from tests.waiting import PATIENCE


def test_machines_made_at_once_have_one_key(tmp_path: Path) -> None:
    provider = RehearsalProvider(Workspace(tmp_path, "dev"), Settings())
    together = threading.Barrier(8)
    found: list[dict[str, str]] = []

    def ask() -> None:
        together.wait(PATIENCE)
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


def test_lost_credentials_of_machines_are_an_error_at_once_and_never_made_anew(tmp_path: Path) -> None:
    provider = RehearsalProvider(Workspace(tmp_path, "dev"), Settings())
    provider._credentials()
    machines = provider.folder / "machines"
    machines.mkdir()
    (machines / "cp1.json").write_text("{}")
    (provider.folder / "credentials.json").write_text("{{")
    with pytest.raises(MachineError, match="damaged"):
        provider._credentials()
    (provider.folder / "credentials.json").unlink()
    with pytest.raises(MachineError, match="damaged"):
        provider._credentials()


@pytest.mark.parametrize("text", ["{{", "[]", '{"scale": "x"}', '{"faults": ["none such"]}'])
def test_a_damaged_configuration_does_not_keep_the_process_from_starting(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    process = Process(tmp_path)
    assert process.park.faults == ()
    process.origin._server.server_close()


@pytest.mark.parametrize("text", ["{{", "[]"])
def test_a_damaged_machine_does_not_keep_the_others_from_loading(tmp_path: Path, text: str) -> None:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "cp1.json").write_text(text)
    park = Park(tmp_path, scale=0.0)
    park.load()
    assert park.all() == []
    with pytest.raises(MachineError, match="damaged"):
        park.create({"name": "cp1", "os": "linux"})
