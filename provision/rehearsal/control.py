"""The control channel of the rehearsal's process: JSON over HTTP on loopback, with a secret.

The port and the secret stand in ``process.json`` (0600) in the rehearsal's folder.
"""

from __future__ import annotations

import hmac
import http.client
import json
import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from provision.errors import MachineError, ProvisionError
from provision.host.files import trouble

log = logging.getLogger("rehearsal")

PORT_FILE = "process.json"  # port, secret and process id of the running process
CONFIG_FILE = "config.json"  # scale and faults for the next one
LOCK_FILE = "process.lock"  # held by the running process
HEADER = "X-Rehearsal-Secret"
Handler = Callable[[str, Mapping[str, Any]], Any]


class ControlServer:
    """Answers calls in threads of their own.

    Args:
        secret: what a caller must know.
        handler: (call, arguments) -> JSON value; its `ProvisionError` goes back to the caller.
    """

    def __init__(self, secret: str, handler: Handler) -> None:
        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY

            def do_POST(self) -> None:
                given = self.headers.get(HEADER, "")
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if not hmac.compare_digest(given, secret):
                    self._answer(403, {"error": "the secret is wrong"})
                    return
                try:
                    self._answer(200, {"result": handler(self.path.strip("/"), json.loads(body or b"{}"))})
                except ProvisionError as error:
                    self._answer(409, {"error": error.what, "details": error.details, "remedy": error.remedy})
                except Exception as error:
                    log.exception("rehearsal: %s failed", self.path)
                    if known := trouble(error):
                        self._answer(409, {"error": known.what, "details": "", "remedy": known.remedy})
                        return
                    said = {"error": f"a defect in the rehearsal: {error!r}", "details": traceback.format_exc()}
                    self._answer(500, said)

            def _answer(self, code: int, document: Mapping[str, Any]) -> None:
                data = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Calls are not logged; what they do is."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="control").start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def call(port: int, secret: str, name: str, arguments: Mapping[str, Any], timeout: float) -> Any:
    """Ask the process.

    Raises:
        OSError: nobody answers there.
        MachineError: it refuses, or answers something else.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", f"/{name}", json.dumps(dict(arguments)), {HEADER: secret})
        response = connection.getresponse()
        try:
            document = json.loads(response.read())
        except ValueError as error:
            raise MachineError(f"rehearsal: {name} was answered with {response.status} and no JSON") from error
    except http.client.HTTPException as error:
        raise ConnectionError(f"the rehearsal's process broke off: {error!r}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise MachineError(
            f"rehearsal: {document.get('error', response.status)}",
            details=document.get("details", ""),
            remedy=document.get("remedy", ""),
        )
    return document["result"]
