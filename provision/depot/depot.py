"""Serves a run's files to the Windows machines, and takes those that they were asked for.

Runs on the control plane; standard library only, Python 3.8+.

Usage: python3 depot.py LIST, where LIST is a JSON file:
    address, port   where to listen (the private card; port 0 takes a free one)
    clients         the addresses that are served; everybody else is refused
    path            an unguessable word that every request has to begin with
    files           name -> path on this machine; nothing else is served
    uploads         name -> path that a client may put a file to, once; none when absent
    life            seconds after which the program ends
    ready           a file that is written, with the address and port, once it listens
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

PIECE = 1 << 20
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class Depot(ThreadingHTTPServer):
    """One thread a connection: a slow machine holds up nobody."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.wanted = wanted
        super().__init__((wanted["address"], wanted["port"]), Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base class's signature
        """Foreign clients get no answer at all."""
        return client_address[0] in self.wanted["clients"]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A broken connection is the client's business: it comes back and resumes."""
        print(f"{client_address[0]} {sys.exc_info()[1]!r}", flush=True)


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD with ranges, for the files on the list; PUT for those that are expected."""

    server: Depot
    protocol_version = "HTTP/1.1"
    server_version = "depot"
    sys_version = ""
    timeout = 60
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Send a file, or the part of it that is asked for."""
        self._serve(send=True)

    def do_HEAD(self) -> None:
        """The same without the bytes."""
        self._serve(send=False)

    def do_PUT(self) -> None:
        """Take a file that is expected, whole or not at all; what is there is never written over."""
        path = self._upload_asked_for()
        length = self.headers.get("Content-Length", "")
        if path is None or not (length.isascii() and length.isdigit() and len(length) < 16):
            self.close_connection = True  # its bytes are not read
            self._refuse(404 if path is None else 411)
            return
        beside = path.with_name(f"{path.name}.{self.client_address[1]}.new")
        left = int(length)
        code = 201
        try:
            with beside.open("wb") as stream:
                while left > 0:
                    piece = self.rfile.read(min(PIECE, left))
                    if not piece:
                        self.close_connection = True
                        return
                    stream.write(piece)
                    left -= len(piece)
            beside.chmod(0o644)
            os.link(beside, path)  # unlike a rename it fails where a file is
        except FileExistsError:
            code = 409
        except OSError as error:
            self.close_connection = True
            code = 507 if error.errno == errno.ENOSPC else 500
        finally:
            # Before the answer: whoever has it finds the folder as it stays.
            if beside.exists():
                beside.unlink()
        self._refuse(code)

    def _upload_asked_for(self) -> Path | None:
        """None for whatever does not begin with our word or is not expected."""
        word, _, name = self.path.lstrip("/").partition("/")
        if not hmac.compare_digest(word.encode(), self.server.wanted["path"].encode()):
            return None
        found = self.server.wanted.get("uploads", {}).get(name)
        return Path(found) if found else None

    def _serve(self, *, send: bool) -> None:
        path = self._file_asked_for()
        if path is None:
            self._refuse(404)
            return
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            span = self._span(size)
            if span is None:
                self._refuse(416, ("Content-Range", f"bytes */{size}"))
                return
            first, length = span
            partial = "Range" in self.headers
            self.send_response(206 if partial else 200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(length))
            self.send_header("Accept-Ranges", "bytes")
            if partial:
                self.send_header("Content-Range", f"bytes {first}-{first + length - 1}/{size}")
            self.end_headers()
            if send:
                self._copy(stream, first, length)

    def _file_asked_for(self) -> Path | None:
        """None for whatever does not begin with our word or is not on the list."""
        word, _, name = self.path.lstrip("/").partition("/")
        if not hmac.compare_digest(word.encode(), self.server.wanted["path"].encode()):
            return None
        path = Path(self.server.wanted["files"].get(name, ""))
        return path if path.is_file() else None

    def _span(self, size: int) -> tuple[int, int] | None:
        """First byte and length of what is asked for; None when it lies outside of the file."""
        if "Range" not in self.headers:
            return 0, size
        found = RANGE.fullmatch(self.headers["Range"].strip())
        if found is None or not (found[1] or found[2]):
            return None
        if found[1]:
            first, last = int(found[1]), min(size - 1, int(found[2]) if found[2] else size - 1)
        else:
            first, last = max(0, size - int(found[2])), size - 1
        return (first, last - first + 1) if first <= last else None

    def _copy(self, stream: BinaryIO, first: int, length: int) -> None:
        stream.seek(first)
        while length > 0:
            piece = stream.read(min(PIECE, length))
            if not piece:  # the file shrank: the client sees a short answer and asks again
                self.close_connection = True
                return
            self.wfile.write(piece)
            length -= len(piece)

    def _refuse(self, code: int, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        """The path is a secret: only who, what and how it ended is noted."""
        print(f"{self.client_address[0]} {self.command} {int(code)}", flush=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing else is worth a line; the base class would print paths."""


def main() -> None:
    """Serve until the end of the life that the list allows."""
    wanted = json.loads(Path(sys.argv[1]).read_text())
    depot = Depot(wanted)
    # Ends at its time even while requests hang; systemd has the same limit.
    end = threading.Timer(wanted["life"], os._exit, args=(0,))
    end.daemon = True
    end.start()
    host, port = depot.socket.getsockname()[:2]
    ready = Path(wanted["ready"])
    beside = ready.with_name(ready.name + ".new")
    beside.write_text(f"{host}:{port}\n")
    beside.replace(ready)
    depot.serve_forever()


if __name__ == "__main__":
    main()
