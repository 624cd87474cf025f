"""The rehearsal's origin of artifacts: an HTTP server on loopback behind ``mirrors:``.

``https://host/path`` is ``<url>/host/path`` here.  It answers for what `published` has, with ranges, and
counts what it was asked for.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests

from provision.rehearsal.published import published
from provision.rehearsal.registry import Answer, Site, answer


class Origin:
    """The server; `url` is its base, `mirrors` what the settings must say to use it.

    Args:
        used: called at each request.
    """

    def __init__(self, used: Callable[[], None] = lambda: None) -> None:
        self.requests: Counter[str] = Counter()
        # Registries and mirrors that only the settings know.
        self.sites: tuple[Site, ...] = ()
        origin = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY

            def do_GET(self) -> None:
                used()
                address = self.path.lstrip("/")
                origin.requests[address] += 1
                registry = answer(address, self.headers.get("Authorization", ""), origin.sites)
                if registry is not None:
                    self._send(registry.status, registry.body, {"Content-Type": registry.type})
                    return
                data = published(address)
                if data is None:
                    self._send(404, b"not published (rehearsal)\n", {"Content-Type": "text/plain"})
                    return
                begin = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                if begin is None:
                    self._send(200, data, {"Accept-Ranges": "bytes"})
                    return
                offset = int(begin[1])
                if offset >= len(data):
                    self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                    return
                self._send(206, data[offset:], {"Content-Range": f"bytes {offset}-{len(data) - 1}/{len(data)}"})

            def do_HEAD(self) -> None:
                self.do_GET()

            def _send(self, code: int, data: bytes, headers: dict[str, str]) -> None:
                self.send_response(code)
                for name, value in {"Content-Type": "application/octet-stream", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Requests are counted, not logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def mirrors(self) -> dict[str, str]:
        """The ``mirrors:`` under which every https URL is asked for here."""
        return {"https://": self.url}

    def ask(self, url: str, headers: Mapping[str, str]) -> Answer:
        """The way out of the rehearsed machines: a real request to this server.

        Raises:
            OSError: no such registry is known here.
        """
        parts = urlsplit(url)
        address = f"{parts.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        with requests.Session() as session:
            session.trust_env = False  # loopback
            got = session.get(f"{self.url}/{address}", headers=dict(headers), timeout=30)
        if got.status_code == 404 and got.headers.get("Content-Type") == "text/plain":
            raise OSError(f"dial tcp: lookup {parts.hostname}: no such host")
        return Answer(got.status_code, got.content, got.headers.get("Content-Type", ""))

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="origin").start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
