"""The tests' origin of artifacts: Debian's containerd and runc under their publishers' URLs, stand-ins for the rest."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from provision.artifacts.catalog import needed
from provision.rehearsal.published import published
from provision.settings.model import Settings
from tests.http_servers import Server


@contextmanager
def serving(settings: Settings, real: dict[str, Path]) -> Iterator[dict[str, str]]:
    """Serve every artifact of the settings on loopback; gives the ``mirrors:`` under which they are found.

    Args:
        real: artifact name -> the file to serve; the others are the rehearsal's stand-ins.
    """
    content: dict[str, bytes] = {}
    for spec in needed(settings):
        address = spec.url.removeprefix("https://")
        data = real[spec.name].read_bytes() if spec.name in real else published(address)
        assert data is not None, f"nobody publishes {spec.url}"
        content[address] = data
        if spec.checksum_url:
            line = f"{hashlib.sha256(data).hexdigest()}  {address.rpartition('/')[2]}\n"
            content[spec.checksum_url.removeprefix("https://")] = line.encode()

    class Request(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = content.get(self.path.lstrip("/"))
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = Server(("127.0.0.1", 0), Request)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield {"https://": f"http://127.0.0.1:{server.server_address[1]}"}
    finally:
        server.shutdown()
        server.server_close()
