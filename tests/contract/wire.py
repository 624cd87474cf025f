"""A TCP connection that a test can cut."""

from __future__ import annotations

import contextlib
import socket
import threading


class Wire:
    """Forwards a loopback port to another; `cut` drops what is open, `cut_after` does so later.

    Attributes:
        port: where clients connect.
        made: connections so far.
        silent: take connections and say nothing, as a machine that is half down.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.made = 0
        self.silent = False
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._left: int | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            self.made += 1
            if self.silent:
                self._pairs.append((near, near))
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.append((near, far))
            threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65536):
                if counted and self._spent(len(data)):
                    sink.sendall(data[: len(data) // 2])
                    self.cut()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _spent(self, size: int) -> bool:
        with self._lock:
            if self._left is None:
                return False
            self._left -= size
            if self._left > 0:
                return False
            self._left = None
            return True

    def cut_after(self, size: int) -> None:
        """Drop all connections once the server has sent so many more bytes."""
        with self._lock:
            self._left = size

    def cut(self) -> None:
        """Drop all open connections."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()

    def close(self) -> None:
        self._listening.close()
        self.cut()
