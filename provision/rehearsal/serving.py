"""What the rehearsal's SSH and WS-Management servers share: their loop, their faults, a command's streams."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from provision.rehearsal.contract import ModelledMachine, Streams

T = TypeVar("T")

# Exit code of a command whose model has a defect.
MODEL_FAILED = 70


@dataclass
class Faults:
    """What a server does wrong on purpose; read at every event, so it may be changed while it runs.

    Attributes:
        drop_after: commands until the connection is dropped in the middle of one; then None again.
        refuse_logins: logins that are refused although the password is right, as a booting machine does.
        last_answers: commands still answered after the machine went down, before the server notices.
        slow: seconds that every reply comes late.
        cut_output_after: bytes of one command's output after which the connection is dropped, once.
    """

    drop_after: int | None = None
    refuse_logins: int = 0
    last_answers: int = 0
    slow: float = 0.0
    cut_output_after: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def drops_command(self) -> bool:
        """Counts one command; True when its connection has to be dropped."""
        with self._lock:
            if self.drop_after is None:
                return False
            self.drop_after -= 1
            if self.drop_after > 0:
                return False
            self.drop_after = None
            return True

    def refuses_login(self) -> bool:
        """Counts one login; True when it has to be refused."""
        with self._lock:
            if self.refuse_logins <= 0:
                return False
            self.refuse_logins -= 1
            return True

    def answers_once_more(self) -> bool:
        """Counts one command of a machine that is already down; True when it is still answered."""
        with self._lock:
            if self.last_answers <= 0:
                return False
            self.last_answers -= 1
            return True

    def cuts_output(self, sent: int) -> bool:
        """Whether a command that has sent so many bytes loses its connection now."""
        with self._lock:
            if self.cut_output_after is None or sent < self.cut_output_after:
                return False
            self.cut_output_after = None
            return True


class Presence:
    """Whether a connection still belongs to the boot in which it was made."""

    def __init__(self, machine: ModelledMachine, faults: Faults) -> None:
        self._machine = machine
        self._faults = faults
        self._boot = machine.boot_count

    def lost(self) -> bool:
        """True when the machine is down or has booted since; a fault may still let it answer."""
        gone = not self._machine.answers or self._machine.boot_count != self._boot
        return gone and self._faults.last_answers <= 0


class Pipe:
    """A command's standard input: bytes put in by a server, read by the command's thread."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def feed(self, data: bytes) -> None:
        with self._changed:
            if data and not self._ended:
                self._chunks.append(data)
                self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        return self._ended

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, all to the end when negative; blocks; ``b""`` at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended if size < 0 else bool(self._chunks) or self._ended)
            if size < 0:
                everything = b"".join(self._chunks)
                self._chunks.clear()
                return everything
            if not self._chunks or size == 0:
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            return chunk


def execute(machine: ModelledMachine, command_line: str, streams: Streams) -> int:
    """Run a command of the model; a defect of the model is said on the command's stderr, with its traceback.

    Raises:
        BrokenPipeError: the client has gone.
    """
    try:
        return machine.execute(command_line, streams)
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 (whatever it is, the client is told)
        streams.stderr(f"rehearsal: the model of {machine.name} failed\n{traceback.format_exc()}".encode())
        return MODEL_FAILED


class LoopThread:
    """One asyncio loop in one daemon thread; all servers of a process share it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="rehearsal servers", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        """Run a coroutine in the loop and wait for its result (from another thread)."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(timeout)

    def close(self) -> None:
        """Stop the loop; what runs in it is dropped."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)


@dataclass(frozen=True)
class Served:
    """A listening server: its port, and how it is stopped (all its connections are dropped)."""

    port: int
    stop: Callable[[], None]

    def close(self) -> None:
        self.stop()
