"""Machines that exist already, over real sockets of loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.clock import Deadline
from provision.errors import AuthenticationRefused, MachineError, Refused, SettingsError
from provision.host.workspace import Workspace
from provision.machines.existing import ExistingProvider, probe
from provision.secrets import Secret
from provision.settings.model import Machine, Settings


def _silent(_: str) -> None:
    pass


@pytest.fixture
def speaking() -> Iterator[dict[str, int]]:
    """Three servers: one with an SSH banner, one that speaks something else, one that only listens (as WinRM does)."""
    servers = {name: socket.create_server(("127.0.0.1", 0)) for name in ("ssh", "http", "winrm")}
    words = {"ssh": b"SSH-2.0-x\r\n", "http": b"HTTP/1.1 400 no\r\n", "winrm": b""}

    def serve(name: str) -> None:
        while True:
            try:
                connection, _ = servers[name].accept()
            except OSError:
                return
            with connection:
                connection.sendall(words[name])

    for name in servers:
        threading.Thread(target=serve, args=(name,), daemon=True).start()
    yield {name: server.getsockname()[1] for name, server in servers.items()}
    for server in servers.values():
        server.close()


def _machine(name: str, port: int, **changes: Any) -> Machine:
    values = {"os": "linux", "role": "control-plane", "host": "127.0.0.1", "user": "me", "key": Path("/k")} | changes
    return Machine(name=name, port=port, **values)


def _provider(tmp_path: Path, *machines: Machine, **arguments: Any) -> ExistingProvider:
    settings = Settings(provider="existing", machines=machines)
    return ExistingProvider(settings, Workspace(tmp_path, "x"), **{"ask": None, **arguments})


def test_states_by_one_probe_each(tmp_path: Path, speaking: dict[str, int]) -> None:
    provider = _provider(
        tmp_path,
        _machine("cp1", speaking["ssh"]),
        _machine("other", speaking["http"]),
        _machine("win", speaking["winrm"], os="windows", role="worker"),
        _machine("gone", 1),
    )
    assert provider.states() == {"cp1": "running", "other": "unreachable", "win": "running", "gone": "unreachable"}


def test_what_a_probe_saw() -> None:
    assert "does not answer" in (probe(_machine("gone", 1)) or "")
    assert "does not resolve" in (probe(_machine("typo", 22, host="no.such.host.invalid")) or "")


def test_up_waits_and_gives_up(tmp_path: Path, speaking: dict[str, int]) -> None:
    good, gone = _machine("cp1", speaking["ssh"]), _machine("gone", 1)
    typo = _machine("typo", 22, host="no.such.host.invalid")
    provider = _provider(tmp_path, good, gone, typo)
    provider.ensure_up(good, Deadline(5), _silent)
    with pytest.raises(MachineError) as late:
        provider.ensure_up(gone, Deadline(0.3), _silent)
    assert "127.0.0.1:1 does not answer" in late.value.details
    with pytest.raises(MachineError) as wrong:
        provider.ensure_up(typo, Deadline(5), _silent)
    assert "correct `host`" in wrong.value.remedy


def test_a_password_from_the_settings_or_the_prompt_and_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "from the prompt"

    first = _machine("win-1", 5985, os="windows", password=Secret("from outside"))
    second = _machine("win2", 5985, os="windows")
    provider = _provider(tmp_path, first, second, ask=ask)
    provider.prepare(Deadline(5), _silent)
    found = [provider.endpoint(machine).password for machine in (first, second, second)]
    assert [secret.reveal() for secret in found if secret] == ["from outside", "from the prompt", "from the prompt"]
    assert asked == ["password of me on win2 (127.0.0.1): "]


def test_a_password_that_nobody_can_give(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationRefused) as caught:
        _provider(tmp_path, _machine("win", 5985, os="windows")).prepare(Deadline(5), _silent)
    assert "HYBRID_PASSWORD_WIN" in caught.value.remedy


def test_a_machine_that_is_not_described(tmp_path: Path) -> None:
    bare = Machine(name="cp1", os="linux", role="control-plane")
    with pytest.raises(SettingsError) as caught:
        _provider(tmp_path, bare).prepare(Deadline(5), _silent)
    assert caught.value.details.splitlines() == [
        "machines.cp1.host: provider existing needs it",
        "machines.cp1.user: provider existing needs it",
    ]


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    machine = _machine("cp1", 22)
    provider = _provider(tmp_path, machine)
    for refused in (provider.halt, provider.destroy):
        with pytest.raises(Refused):
            refused(machine, Deadline(5), _silent)
    with pytest.raises(Refused):
        provider.snapshot(machine, "x", Deadline(5), _silent)
