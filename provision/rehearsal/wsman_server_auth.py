"""NTLM for the WS-Management server: one context a TCP connection, passwords never in clear text on disk."""

from __future__ import annotations

import base64
import binascii
import os
import re
import struct
import tempfile
import threading
from pathlib import Path

import spnego
import spnego.exceptions
from spnego._ntlm_raw.crypto import ntowfv1  # the NT hash; MD4 is not in every OpenSSL any more

from provision.rehearsal.contract import ModelledMachine

_BOUNDARY = b"--Encrypted Boundary"
_PROTOCOL = b"application/HTTP-SPNEGO-session-encrypted"
CONTENT_TYPE = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'

# pyspnego's acceptor reads its accounts only from the file that this environment variable names, at every
# handshake: handshakes are done one at a time, each with a file of the one account's hash.
_HANDSHAKE = threading.Lock()


class LoginRefused(Exception):
    """The user is unknown or the password wrong."""


def user_of(token: bytes) -> tuple[str, str]:
    """Domain and user of an NTLM AUTHENTICATE message (MS-NLMP 2.2.1.3).

    Raises:
        LoginRefused: the message is malformed.
    """
    try:
        fields = [struct.unpack_from("<HHI", token, offset) for offset in (28, 36)]
        (flags,) = struct.unpack_from("<I", token, 60)
        encoding = "utf-16-le" if flags & 1 else "cp437"
        domain, user = (token[start : start + size].decode(encoding) for size, _, start in fields)
    except (struct.error, UnicodeDecodeError) as error:
        raise LoginRefused("malformed NTLM message") from error
    return domain, user


class NtlmLogin:
    """The handshake and the sealing of one connection."""

    def __init__(self, machine: ModelledMachine) -> None:
        self._machine = machine
        self._context: spnego.ContextProxy | None = None
        self.user: str | None = None

    def step(self, header: str) -> str | None:
        """One ``Authorization`` header: the challenge to send, or None when the login is complete.

        Raises:
            LoginRefused: wrong user or password, or a malformed token.
        """
        _, _, encoded = header.partition(" ")
        try:
            token = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise LoginRefused("malformed token") from error
        kind = token[8:12]
        if kind == b"\x01\x00\x00\x00":
            self.user = None
            with _account("", "", "") as _:
                self._context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
                challenge = self._context.step(token)
            return base64.b64encode(challenge or b"").decode()
        if self._context is None:
            raise LoginRefused("no challenge was asked for on this connection")
        domain, user = user_of(token)
        password = self._machine.password(user)
        if password is None:
            raise LoginRefused(f"no user {user}")
        try:
            with _account(domain, user, password):
                self._context.step(token)
        except spnego.exceptions.SpnegoError as error:
            raise LoginRefused(f"wrong password for {user}") from error
        self.user = user
        return None

    def unseal(self, body: bytes) -> bytes:
        """The message inside an encrypted body.

        Raises:
            LoginRefused: it was not sealed with this connection's key.
        """
        marker = b"\tContent-Type: application/octet-stream\r\n"
        start, end = body.find(marker), body.rfind(_BOUNDARY + b"--")
        length = re.search(rb"Length=(\d+)", body[:start])
        if self._context is None or start < 0 or end < start or length is None:
            raise LoginRefused("not an encrypted message")
        payload = body[start + len(marker) : end]
        (size,) = struct.unpack_from("<I", payload)
        try:
            message = self._context.unwrap_winrm(payload[4 : 4 + size], payload[4 + size :])
        except spnego.exceptions.SpnegoError as error:
            raise LoginRefused("sealed with another key") from error
        if len(message) != int(length.group(1)):
            raise LoginRefused("the length of the message is not the one it names")
        return message

    def seal(self, message: bytes) -> bytes:
        """An encrypted body."""
        assert self._context is not None
        sealed = self._context.wrap_winrm(message)
        return b"".join(
            (
                _BOUNDARY + b"\r\n\tContent-Type: " + _PROTOCOL + b"\r\n",
                b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n" % len(message),
                _BOUNDARY + b"\r\n\tContent-Type: application/octet-stream\r\n",
                struct.pack("<I", len(sealed.header)),
                sealed.header,
                sealed.data,
                _BOUNDARY + b"--\r\n",
            )
        )


class _account:  # noqa: N801 (used like a function)
    """While entered, pyspnego knows this one account and nobody else."""

    def __init__(self, domain: str, user: str, password: str) -> None:
        name = f"{domain}\\{user}" if domain else user
        self._line = f"{name or 'nobody'}:0:{'0' * 32}:{ntowfv1(password).hex().upper()}:[U]:LCT-0"
        self._path: Path | None = None

    def __enter__(self) -> None:
        _HANDSHAKE.acquire()
        handle, name = tempfile.mkstemp(prefix="ntlm-")  # mkstemp makes it 0600
        self._path = Path(name)
        with os.fdopen(handle, "w") as stream:
            stream.write(self._line)
        os.environ["NTLM_USER_FILE"] = name

    def __exit__(self, *_: object) -> None:
        os.environ.pop("NTLM_USER_FILE", None)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        _HANDSHAKE.release()
