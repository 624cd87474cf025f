"""The HTTP server of the tests' own publishers, registries and doors."""

from __future__ import annotations

import http.server
import sys
from typing import Any


class Server(http.server.ThreadingHTTPServer):
    """One thread a connection; a client that breaks off is what some tests do, and nobody reads about it.

    Any other error of a handler is a defect of the test's: it is printed, as everywhere.
    """

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)
