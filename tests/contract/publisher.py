"""A publisher on loopback that answers as badly as a test wants: real sockets, real TLS."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import ipaddress
import re
import socket
import ssl
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.http_servers import Server

Serve = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """One request; a test's function answers it with these."""

    protocol_version = "HTTP/1.1"
    publisher: Publisher

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.publisher.requests.append((self.path, self.headers.get("Range")))
        route = next((name for name in self.publisher.routes if self.path.endswith(name)), None)
        if route is None:
            self.say(404, b"no such file", {})
            return
        self.publisher.routes[route](self)

    @property
    def start(self) -> int:
        """Where the asked-for range begins."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def say(self, code: int, body: bytes = b"", headers: dict[str, str] | None = None, *, promised: int = -1) -> None:
        """Answer; with ``promised`` other than the body's length the connection is closed early."""
        self.send_response(code)
        given = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body)), **(headers or {})}
        if promised >= 0:
            given["Content-Length"] = str(promised)
            self.close_connection = True
        for name, value in given.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def reset(self) -> None:
        """Cut the connection as a rebooting router does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


class Publisher:
    """The server: the end of a path -> what answers there."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Serve] = {}
        self.requests: list[tuple[str, str | None]] = []
        handler = type("Handler", (Exchange,), {"publisher": self})
        self._server = Server(("127.0.0.1", 0), handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def publishing(context: ssl.SSLContext | None = None) -> Iterator[Publisher]:
    """A publisher while it is needed."""
    made = Publisher(context)
    try:
        yield made
    finally:
        made.close()


def good(body: bytes) -> Serve:
    """As a publisher should: whole, or from where it is asked for."""

    def serve(exchange: Exchange) -> None:
        tag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'
        start = exchange.start if exchange.headers.get("If-Range", tag) == tag else 0
        if start >= len(body) > 0:
            exchange.say(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        elif start:
            ranged = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}", "ETag": tag}
            exchange.say(206, body[start:], ranged)
        else:
            exchange.say(200, body, {"ETag": tag})

    return serve


def sums(body: bytes, name: str) -> Serve:
    """A checksum file."""
    return good(f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode())


def elf(arch: int = 62) -> bytes:
    """The beginning of a Linux program (62 is amd64, 183 arm64)."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, arch) + bytes(200)


def exe(machine: int = 0x8664) -> bytes:
    """The beginning of a Windows program."""
    return b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", machine) + bytes(200)


def tar_gz(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    """An archive; a TarInfo stands for itself (a link, a device), without content."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member, io.BytesIO(bytes(member.size)))
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return gzip.compress(raw.getvalue(), mtime=0)


def special(name: str, kind: bytes, leads_to: str = "") -> tarfile.TarInfo:
    """A member that is no file: a link, a device."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = leads_to
    return info


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, signed by itself, and its PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "ca.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem
