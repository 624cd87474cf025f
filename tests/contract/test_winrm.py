"""What only WinRM has: limits, quotas, faults, certificates; real pywinrm against the rehearsal's server."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import winrm.exceptions
import winrm.protocol
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provision.clock import Deadline
from provision.errors import AuthenticationRefused, HostChanged, Refused, Unreachable
from provision.guests.certificates import read_certificate
from provision.guests.powershell import COMMAND_LINE
from provision.guests.recipes import Invocation
from provision.guests.winrm import WinrmGuest
from provision.rehearsal.serving import LoopThread
from provision.rehearsal.wsman_server import serve_wsman
from tests.waiting import PATIENCE

from .boxes import PASSWORD, USER
from .conftest import Rig, make_rig
from .wire import Wire


@pytest.fixture
def rig(tmp_path: Path, loop: LoopThread) -> Iterator[Rig]:
    with closing(make_rig("winrm-windows", tmp_path, loop)) as made:
        yield made


def protocol(rig: Rig, **changes: object) -> winrm.protocol.Protocol:
    options: dict[str, object] = {
        "transport": "ntlm", "username": USER, "password": PASSWORD, "message_encryption": "always",
        "server_cert_validation": "ignore", "operation_timeout_sec": 1, "read_timeout_sec": 2, "proxy": None,
    }  # fmt: skip
    return winrm.protocol.Protocol(f"http://127.0.0.1:{rig.endpoint.port}/wsman", **{**options, **changes})  # type: ignore[arg-type]


def test_a_missing_token_policy_is_said_with_its_remedy(rig: Rig) -> None:
    rig.box.remote_administrators = False
    with pytest.raises(AuthenticationRefused) as caught:
        rig.guest().run(rig.script(rig.say("x")), Deadline(20))
    assert "LocalAccountTokenFilterPolicy" in caught.value.remedy
    rig.box.passwords["Administrator"] = PASSWORD
    assert rig.guest(user="Administrator").run(rig.script(rig.say("x")), Deadline(20)).code == 0


def test_envelopes_over_the_limit_are_refused_by_the_server(rig: Rig) -> None:
    raw = protocol(rig)
    shell = raw.open_shell(codepage=65001)
    command = raw.run_command(shell, "powershell.exe", console_mode_stdin=False)
    with pytest.raises(winrm.exceptions.WSManFaultError, match="maximum envelope size"):
        raw.send_command_input(shell, command, b"x" * 115_000)
    raw.close_shell(shell)


def test_replies_keep_to_the_envelope_limit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    original = winrm.protocol.Protocol.send_message

    def measured(self: winrm.protocol.Protocol, message: str) -> bytes:
        assert len(message) <= 153_600
        reply = original(self, message)
        sizes.append(len(reply))
        return reply

    monkeypatch.setattr(winrm.protocol.Protocol, "send_message", measured)
    script = rig.script(rig.much("0123456789", 100_000), *[rig.say("y" * 1000)] * 400)
    assert rig.guest().run(script, Deadline(30)).code == 0
    assert max(sizes) > 100_000
    assert max(sizes) <= 153_600


def test_a_command_line_over_the_limit_is_refused_as_cmd_does(rig: Rig) -> None:
    guest = rig.guest()
    assert isinstance(guest, WinrmGuest)
    from provision.guests.output import Output

    output = Output()
    ran = guest.invoke(
        Invocation("powershell.exe " + "x" * COMMAND_LINE, b"input"), "long", Deadline(20), output, output.stdout
    )
    assert ran.code == 1
    assert "The command line is too long." in output.err


def test_quotas(tmp_path: Path, loop: LoopThread) -> None:
    rig = make_rig("winrm-windows", tmp_path, loop)
    rig.served.close()
    rig.served = serve_wsman(rig.box, loop=loop, max_shells=1, max_processes=2)
    rig.endpoint = replace(rig.endpoint, port=rig.served.port)
    first = rig.guest()
    for number in range(5):  # places of ended commands are given back
        assert first.run(rig.script(rig.say(f"n{number}")), Deadline(20)).code == 0
    with pytest.raises(Unreachable, match="refused to start") as caught:
        rig.guest().run(rig.script(rig.say("x")), Deadline(20))
    assert "concurrent shells" in caught.value.details
    first.close()
    second = rig.guest()
    assert second.run(rig.script(rig.say("x")), Deadline(20)).code == 0
    second.close()
    rig.served.close()
    rig.box.close()


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_shell_that_is_gone_is_replaced(rig: Rig, pause: float) -> None:
    guest = rig.guest()
    assert guest.run(rig.script(rig.say("one")), Deadline(20)).code == 0
    rig.box.boots += 1  # shells end with the boot
    time.sleep(pause)  # the kept connection is still there, or closed by the server: nobody is to see a difference
    assert guest.run(rig.script(rig.say("two")), Deadline(20)).out.strip() == "two"


def test_the_shell_of_a_killed_run_ends_by_itself(tmp_path: Path) -> None:
    with closing(LoopThread()) as own, closing(make_rig("winrm-windows", tmp_path, own)) as rig:
        later, clock = [0.0], own.loop.time
        own.loop.time = lambda: clock() + later[0]  # type: ignore[method-assign]
        rig.served.close()
        rig.served = serve_wsman(rig.box, loop=own, max_shells=1)
        rig.endpoint = replace(rig.endpoint, port=rig.served.port)
        assert rig.guest().run(rig.script(rig.say("never closed")), Deadline(20)).code == 0
        later[0] += 300
        with pytest.raises(Unreachable, match="refused to start"):
            rig.guest().run(rig.script(rig.say("x")), Deadline(20))
        later[0] += 301
        assert rig.guest().run(rig.script(rig.say("x")), Deadline(20)).code == 0


def test_a_machine_that_restarts_under_a_command(rig: Rig) -> None:
    with pytest.raises(Unreachable, match="broke during trial") as caught:
        rig.guest().run(rig.script(rig.say("x"), rig.nap(600)), Deadline(PATIENCE), lambda _: rig.box.crash())
    assert "whether it ended cannot be known" in caught.value.details


def test_a_401_while_a_command_runs_is_mended(rig: Rig, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    guest, broken = rig.guest(port=wire.port), threading.Event()
    rig.release_when_asked_again(monkeypatch, broken)

    def breaks() -> None:
        rig.faults.refuse_logins = 1
        wire.cut()
        broken.set()

    def soon(line: str) -> None:
        if line == "a":
            threading.Timer(0.2, breaks).start()

    result = guest.run(rig.script(rig.say("a"), rig.hold(), rig.say("b")), Deadline(PATIENCE), soon)
    assert result.out.split() == ["a", "b"]
    assert rig.faults.refuse_logins == 0


@pytest.mark.parametrize("lost", ["request", "reply"])
def test_a_lost_end_of_input_never_runs_a_script_twice(rig: Rig, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    original = winrm.protocol.Protocol.send_command_input
    broken: list[int] = []

    def unreliable(
        self: winrm.protocol.Protocol, shell_id: str, command_id: str, stdin_input: str | bytes, end: bool = False
    ) -> None:
        if end and not broken:
            broken.append(1)
            if lost == "reply":
                original(self, shell_id, command_id, stdin_input, end)
            raise ConnectionResetError("lost")
        original(self, shell_id, command_id, stdin_input, end)

    monkeypatch.setattr(winrm.protocol.Protocol, "send_command_input", unreliable)
    result = rig.guest().run(rig.script(rig.say("once")), Deadline(20))
    assert (result.code, result.out.strip()) == (0, "once")
    assert len(rig.box.runs) == 1


def test_drops_in_every_request_of_a_command(rig: Rig) -> None:
    """The connection breaks at each command in turn: scripts run exactly once, or the error says that nobody knows."""
    guest = rig.guest()
    for number in range(4):
        rig.faults.drop_after = 1
        before = len(rig.box.runs)
        assert guest.run(rig.script(rig.say(f"n{number}")), Deadline(20)).out.strip() == f"n{number}"
        assert len(rig.box.runs) == before + 1


def test_a_password_is_needed(rig: Rig) -> None:
    with pytest.raises(AuthenticationRefused, match="needs a password"):
        rig.guest(password=None)


def test_no_request_leaves_without_encryption_or_with_basic(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    sent: list[requests.PreparedRequest] = []
    original = requests.adapters.HTTPAdapter.send

    def recorded(self: object, request: requests.PreparedRequest, **options: object) -> requests.Response:
        sent.append(request)
        return original(self, request, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", recorded)
    rig.guest().run(rig.script(rig.say("secret-text")), Deadline(20))
    assert len(sent) > 5
    for request in sent:
        assert not str(request.headers.get("Authorization", "")).startswith("Basic")
        if request.body:
            assert b"secret-text" not in (request.body if isinstance(request.body, bytes) else b"")
            assert "multipart/encrypted" in request.headers["Content-Type"]


def test_basic_is_refused_by_the_server(rig: Rig) -> None:
    with pytest.raises(winrm.exceptions.InvalidCredentialsError):
        protocol(rig, transport="basic", message_encryption="never").open_shell()


# -- HTTPS ---------------------------------------------------------------------------------------------------------


def certificate(folder: Path) -> ssl.SSLContext:
    """A self-signed certificate with a subject only, as Windows makes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "WIN-1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{made.serial_number}.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_https_with_a_pinned_certificate(rig: Rig, tmp_path: Path) -> None:
    assert ipaddress.ip_address(rig.endpoint.host).is_loopback
    rig.served.close()
    rig.served = serve_wsman(rig.box, loop=rig.loop, tls=certificate(tmp_path))
    rig.endpoint = replace(rig.endpoint, port=rig.served.port, https=True)
    with pytest.raises(Refused, match="not pinned"):
        rig.guest()
    pinned = read_certificate("127.0.0.1", rig.served.port)
    guest = rig.guest(certificate=pinned)
    assert guest.run(rig.script(rig.say("over tls")), Deadline(20)).out.strip() == "over tls"
    port = rig.served.port
    rig.served.close()
    rig.served = serve_wsman(rig.box, port=port, loop=rig.loop, tls=certificate(tmp_path))
    before = len(rig.box.command_lines)
    with pytest.raises(HostChanged, match="another certificate"):
        rig.guest(certificate=pinned).run(rig.script(rig.say("x")), Deadline(20))
    assert len(rig.box.command_lines) == before


def test_no_certificate_to_read(rig: Rig) -> None:
    with pytest.raises(Unreachable, match="shows no certificate"):
        read_certificate("127.0.0.1", rig.endpoint.port, timeout=0.5)
