"""What only SSH has: host keys, keys, uploads; real paramiko against the rehearsal's server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from provision.clock import Deadline
from provision.errors import AuthenticationRefused, HostChanged, HostError, StepFailed, Unreachable
from provision.guests import known_hosts
from provision.guests.connect import wait_for
from provision.rehearsal.serving import LoopThread
from provision.rehearsal.ssh_server import make_host_key
from provision.secrets import Secret

from .conftest import Rig, make_rig
from .wire import Wire


@pytest.fixture(params=["ssh-linux", "ssh-windows"])
def rig(request: pytest.FixtureRequest, tmp_path: Path, loop: LoopThread) -> Iterator[Rig]:
    with closing(make_rig(request.param, tmp_path, loop)) as made:
        yield made


def test_the_first_host_key_is_pinned_and_another_one_refused(rig: Rig) -> None:
    rig.guest().run(rig.script(rig.say("x")), Deadline(20))
    assert rig.endpoint.known_hosts is not None
    words = rig.endpoint.known_hosts.read_text().split()
    assert words[:2] == [rig.endpoint.machine, "ssh-ed25519"]
    assert rig.endpoint.known_hosts.stat().st_mode & 0o777 == 0o600
    rig.serve_again(make_host_key())
    before = len(rig.box.command_lines)
    with pytest.raises(HostChanged) as caught:
        rig.guest().run(rig.script(rig.say("x")), Deadline(20))
    assert rig.endpoint.machine in caught.value.remedy
    assert len(rig.box.command_lines) == before


def test_a_refused_login_pins_nothing(rig: Rig) -> None:
    with pytest.raises(AuthenticationRefused):
        rig.guest(password=Secret("not-the-one")).run(rig.script(rig.say("x")), Deadline(20))
    assert rig.endpoint.known_hosts is not None
    assert not rig.endpoint.known_hosts.exists()


def test_a_file_that_changed_on_its_way_is_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    append = rig.box.files.append
    monkeypatch.setattr(rig.box.files, "append", lambda path, data: append(path, b"X" + data[1:]))
    target = r"C:\ProgramData\hybrid\files\a" if rig.windows else "/var/lib/hybrid/files/a"
    with pytest.raises(StepFailed, match="another SHA-256"):
        rig.guest().put(b"hello", target, Deadline(30))
    assert not rig.box.folder_files.path(target).exists()


def test_logs_in_with_a_key_and_no_password(rig: Rig, tmp_path: Path) -> None:
    key = paramiko.RSAKey.generate(2048)
    file = tmp_path / "key"
    key.write_private_key_file(str(file))
    rig.box.keys.append(f"ssh-rsa {key.get_base64()} somebody")
    guest = rig.guest(password=None, key_file=file)
    assert guest.run(rig.script(rig.say("by key")), Deadline(20)).out.strip() == "by key"


def _key_file(path: Path, kind: str) -> Path:
    if kind == "locked":
        paramiko.RSAKey.generate(2048).write_private_key_file(str(path), password="secret")
    elif kind != "absent":
        path.write_bytes({"empty": b"", "binary": b"\xbc\xff\x00", "text": b"{}"}[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("absent", "cannot be used"),
        ("empty", "cannot be used"),
        ("binary", "cannot be used"),
        ("text", "cannot be used"),
        ("locked", "wants a passphrase"),
    ],
)
def test_a_key_that_nobody_can_read_is_told_at_once(rig: Rig, tmp_path: Path, kind: str, told: str) -> None:
    """It is neither a machine that still boots nor one that refuses us: waiting for it mends nothing."""
    endpoint = replace(rig.endpoint, password=None, key_file=_key_file(tmp_path / "key", kind))
    with pytest.raises(HostError, match=f"key {tmp_path}/key {told}") as caught:
        wait_for(endpoint, Deadline(60))
    assert "`key`" in caught.value.remedy


def test_a_password_opens_the_key_and_a_wrong_one_is_told(rig: Rig, tmp_path: Path) -> None:
    key = paramiko.RSAKey.generate(2048)
    key.write_private_key_file(str(tmp_path / "key"), password="secret")
    rig.box.keys.append(f"ssh-rsa {key.get_base64()} somebody")
    opened = rig.guest(password=Secret("secret"), key_file=tmp_path / "key")
    assert opened.run(rig.script(rig.say("opened")), Deadline(20)).out.strip() == "opened"
    with pytest.raises(HostError, match="wants a passphrase"):
        rig.guest(password=Secret("wrong"), key_file=tmp_path / "key").run(rig.script(rig.say("x")), Deadline(20))


@pytest.mark.parametrize("cut", [0.15, 0.35, 0.61, 0.8])
def test_a_pinned_key_that_is_cut_is_not_pinned_anew(rig: Rig, cut: float) -> None:
    rig.guest().run(rig.script(rig.say("x")), Deadline(20))
    file = rig.endpoint.known_hosts
    assert file is not None
    whole = file.read_text().strip()
    file.write_text(whole[: int(len(whole) * cut)])
    before = file.read_text()
    with pytest.raises((HostError, HostChanged), match="is damaged|another host key"):
        rig.guest().run(rig.script(rig.say("x")), Deadline(20))
    assert file.read_text() == before


def test_keys_are_pinned_by_the_machines_name_so_ports_may_move(rig: Rig) -> None:
    rig.guest().run(rig.script(rig.say("x")), Deadline(20))
    wire = Wire(rig.endpoint.port)
    assert rig.guest(port=wire.port).run(rig.script(rig.say("x")), Deadline(20)).code == 0
    wire.close()
    assert rig.endpoint.known_hosts is not None
    assert len(rig.endpoint.known_hosts.read_text().splitlines()) == 1
    rig.serve_again(make_host_key())
    known_hosts.forget(rig.endpoint.known_hosts, rig.endpoint.machine)
    assert rig.guest().run(rig.script(rig.say("made again")), Deadline(20)).code == 0


def test_many_first_contacts_at_once_pin_one_key(rig: Rig) -> None:
    errors: list[BaseException] = []

    def contact() -> None:
        guest = rig.guest()
        try:
            guest.run(rig.script(rig.say("x")), Deadline(20))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=contact) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert rig.endpoint.known_hosts is not None
    assert len(rig.endpoint.known_hosts.read_text().splitlines()) == 1


def test_a_cut_upload_leaves_nothing_at_its_target(rig: Rig) -> None:
    wire = Wire(rig.endpoint.port)
    target = r"C:\ProgramData\hybrid\files\big" if rig.windows else "/var/lib/hybrid/files/big"
    guest = rig.guest(port=wire.port)

    def cut(sent: int) -> None:
        if sent > 3_000_000:
            wire.cut()

    with pytest.raises(Unreachable, match="broke during the upload"):
        guest.put(b"z" * 20_000_000, target, Deadline(30), cut)
    assert not rig.box.folder_files.path(target).exists()
    guest.put(b"z" * 1000, target, Deadline(30))
    assert rig.box.folder_files.path(target).read_bytes() == b"z" * 1000
    wire.close()


def test_the_socket_does_not_wait_for_more_bytes(rig: Rig) -> None:
    guest = rig.guest()
    guest.run(rig.script(rig.say("x")), Deadline(20))
    client = guest._client  # type: ignore[attr-defined]
    assert client.get_transport().sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize("rig", ["ssh-linux"], indirect=True)
def test_scripts_run_with_the_ordinary_umask_and_are_readable_by_root_only(rig: Rig) -> None:
    assert rig.guest().run(rig.script("umask"), Deadline(20)).out.strip() == "0022"
    folder = rig.box.folder_files.path("/var/lib/hybrid/scripts")
    assert folder.stat().st_mode & 0o777 == 0o700
    # Others may pass through the folder above to theirs, and see nothing.
    assert folder.parent.stat().st_mode & 0o077 == 0o011
