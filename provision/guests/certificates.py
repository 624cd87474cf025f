"""HTTPS to machines with self-signed certificates: one certificate is accepted, the pinned one."""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import Any

import requests.adapters
from urllib3.connection import HTTPConnection

from provision.errors import Unreachable


class PinnedAdapter(requests.adapters.HTTPAdapter):
    """Checks every connection's certificate before a byte of ours is sent; small messages leave at once.

    Args:
        fingerprint: SHA-256 of the certificate, hex.
    """

    def __init__(self, fingerprint: str | None) -> None:
        self._fingerprint = fingerprint
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["socket_options"] = [
            *HTTPConnection.default_socket_options,
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        ]
        kwargs["assert_fingerprint"] = self._fingerprint
        super().init_poolmanager(*args, **kwargs)


def is_mismatch(error: BaseException) -> bool:
    """Whether this error says that the certificate is not the pinned one."""
    return isinstance(error, requests.exceptions.SSLError) and "ingerprint" in str(error)


def read_certificate(host: str, port: int, timeout: float = 15.0) -> str:
    """The SHA-256 fingerprint (hex) of the certificate that a server shows now, for pinning at first contact.

    Raises:
        Unreachable: nothing answers, or it does not speak TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=timeout) as sock, context.wrap_socket(sock) as tls:
            certificate = tls.getpeercert(binary_form=True)
    except OSError as error:
        raise Unreachable(
            f"{host}:{port} shows no certificate", details=str(error), remedy="is WinRM over HTTPS set up there?"
        ) from error
    return hashlib.sha256(certificate or b"").hexdigest()
