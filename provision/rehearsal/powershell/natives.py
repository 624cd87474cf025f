"""Objects of the few .NET classes that scripts may make: clocks, encodings, digests, streams, inner shells."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from provision.rehearsal.powershell.convert import text, to_number
from provision.rehearsal.powershell.faults import Flow, ScriptError, error, method_error
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.values import Native

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime


def data(value: object) -> bytes:
    """A byte array, or a list of numbers, as bytes."""
    return value if isinstance(value, bytes) else bytes(int(to_number(b)) for b in value)  # type: ignore[attr-defined]


class Stopwatch(Native):
    """``System.Diagnostics.Stopwatch`` on the machine's clock."""

    type_name = "System.Diagnostics.Stopwatch"

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._passed = 0.0
        self._since: float | None = now()
        self.properties = {
            "elapsed": lambda: timedelta(seconds=self.seconds()),
            "elapsedmilliseconds": lambda: int(self.seconds() * 1000),
            "isrunning": lambda: self._since is not None,
        }
        self.methods = {"stop": self._stop, "start": self._start, "restart": self._restart, "reset": self._reset}

    def seconds(self) -> float:
        return self._passed + (0.0 if self._since is None else self._now() - self._since)

    def _stop(self) -> object:
        self._passed, self._since = self.seconds(), None
        return NOTHING

    def _start(self) -> object:
        self._since = self._now() if self._since is None else self._since
        return NOTHING

    def _restart(self) -> object:
        self._passed, self._since = 0.0, self._now()
        return NOTHING

    def _reset(self) -> object:
        self._passed, self._since = 0.0, None
        return NOTHING


class TextEncoding(Native):
    """One of ``System.Text``'s encodings; ``mark`` is what it writes at the start of a file."""

    type_name = "System.Text.Encoding"

    def __init__(self, codec: str, mark: bytes = b"") -> None:
        super().__init__()
        self.codec = codec
        self.mark = mark
        self.properties = {"webname": lambda: codec}
        self.methods = {"getbytes": self.encode, "getstring": self.decode, "getpreamble": lambda: mark}

    def encode(self, value: object) -> bytes:
        return text(value).encode(self.codec, "replace")

    def decode(self, value: object, start: int = 0, count: int | None = None) -> str:
        raw = data(value)
        return raw[start : None if count is None else start + count].decode(self.codec, "replace")


UTF8 = TextEncoding("utf-8", b"\xef\xbb\xbf")
UTF8_PLAIN = TextEncoding("utf-8")
ENCODINGS = {
    "utf8": UTF8,
    "ascii": TextEncoding("ascii"),
    "unicode": TextEncoding("utf-16-le", b"\xff\xfe"),
    "default": TextEncoding("cp1252"),
}


class Sha256(Native):
    type_name = "System.Security.Cryptography.SHA256"

    def __init__(self) -> None:
        super().__init__()
        self.methods = {"computehash": self._compute, "dispose": lambda: NOTHING}

    @staticmethod
    def _compute(source: object) -> bytes:
        return hashlib.sha256(source.rest() if isinstance(source, ByteStream) else data(source)).digest()


class ByteStream(Native):
    """A stream of bytes that is read, or collected and kept when it is closed."""

    type_name = "System.IO.Stream"

    def __init__(self, load: Callable[[], bytes], keep: Callable[[bytes], None] | None = None) -> None:
        super().__init__()
        self._load = load
        self._content: bytes | None = None
        self._keep = keep
        self._written = bytearray()
        self.at = 0
        self.properties = {"length": lambda: len(self.content), "position": lambda: self.at}
        self.methods = {
            "write": self._write,
            "writebyte": lambda one: self._write(bytes([int(one)])),
            "readbyte": self._read_byte,
            "seek": self._seek,
            "copyto": self._copy_to,
            "flush": lambda: NOTHING,
            "close": self.close,
            "dispose": self.close,
            "toarray": lambda: bytes(self._written),
        }

    @property
    def content(self) -> bytes:
        if self._content is None:
            self._content = self._load()
        return self._content

    def rest(self) -> bytes:
        found, self.at = self.content[self.at :], len(self.content)
        return found

    def line(self) -> str | None:
        """The next line as text, None at the end."""
        if self.at >= len(self.content):
            return None
        stop = self.content.find(b"\n", self.at)
        end = len(self.content) if stop < 0 else stop
        found, self.at = self.content[self.at : end], min(end + 1, len(self.content))
        return found.decode("utf-8", "replace").rstrip("\r")

    def _read_byte(self) -> int:
        if self.at >= len(self.content):
            return -1
        self.at += 1
        return self.content[self.at - 1]

    def _seek(self, offset: object, origin: object) -> int:
        base = {"begin": 0, "current": self.at, "end": len(self.content)}[text(origin).lower()]
        self.at = base + int(to_number(offset))
        return self.at

    def _copy_to(self, target: object) -> object:
        assert isinstance(target, ByteStream)
        return target._write(self.rest())

    def _write(self, value: object, start: int = 0, count: int | None = None) -> object:
        raw = data(value)
        self._written += raw[start : None if count is None else start + count]
        return NOTHING

    def close(self) -> object:
        if self._keep:
            self._keep(bytes(self._written))
            self._keep = None
        return NOTHING


class Reader(Native):
    """``StreamReader`` and ``[Console]::In``."""

    type_name = "System.IO.StreamReader"

    def __init__(self, stream: ByteStream) -> None:
        super().__init__()
        self.properties = {"endofstream": lambda: stream.at >= len(stream.content)}
        self.methods = {
            "readline": stream.line,
            "readtoend": lambda: stream.rest().decode("utf-8", "replace"),
            "close": lambda: NOTHING,
            "dispose": lambda: NOTHING,
        }


class Writer(Native):
    """``[Console]::Out`` and ``[Console]::Error``."""

    type_name = "System.IO.TextWriter"

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__()

        def put(value: object = "", end: str = "") -> object:
            write((text(value) + end).encode("utf-8"))
            return NOTHING

        self.methods = {"write": put, "writeline": lambda value="": put(value, "\r\n"), "flush": lambda: NOTHING}


class StringBuilder(Native):
    type_name = "System.Text.StringBuilder"

    def __init__(self, start: object = "") -> None:
        super().__init__()
        self._parts = [text(start)]
        self.properties = {"length": lambda: len(str(self))}
        self.methods = {
            "append": self._append,
            "appendline": lambda value="": self._append(text(value) + "\r\n"),
            "tostring": lambda: str(self),
        }

    def _append(self, value: object) -> object:
        self._parts.append(text(value))
        return self

    def __str__(self) -> str:
        return "".join(self._parts)


class InnerShell(Native):
    """``[powershell]::Create()``: a script run beside this one, so that a probe can have a time limit."""

    type_name = "System.Management.Automation.PowerShell"

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self._runtime = runtime
        self._script = ""
        self._arguments: list[object] = []
        self._stop = threading.Event()
        self._done = threading.Event()
        self._results: list[object] = []
        self._failure: ScriptError | None = None
        self._crash: BaseException | None = None
        self.properties = {"haderrors": lambda: self._failure is not None}
        self.methods = {
            "addscript": self._add_script,
            "addargument": self._add_argument,
            "begininvoke": self._begin,
            "endinvoke": self._end,
            "invoke": lambda: self._end(self._begin()),
            "stop": self._halt,
            "dispose": self._halt,
        }

    def _add_script(self, script: object) -> object:
        self._script = text(script)
        return self

    def _add_argument(self, value: object) -> object:
        self._arguments.append(value)
        return self

    def _begin(self) -> object:
        thread = threading.Thread(target=self._work, name="inner-powershell", daemon=True)
        thread.start()
        return Waiting(self._runtime, self._done)

    def _work(self) -> None:
        try:
            self._results = self._runtime.run_inner(self._script, self._arguments, self._stop)
        except ScriptError as failure:
            self._failure = failure
        except Flow:
            pass  # stopped, or it left by itself: there are no more results
        except BaseException as crash:  # noqa: BLE001 - a bug or an unsupported construct: raised where it is waited for
            self._crash = crash
        finally:
            self._done.set()

    def _end(self, _handle: object) -> object:
        while not self._done.wait(0.02):
            self._runtime.check_killed()
        if self._crash is not None:
            raise self._crash
        if self._failure is not None:
            record = self._failure.record
            raise method_error("EndInvoke", 1, record.exception.type_name, record.message)
        return list(self._results)

    def _halt(self) -> object:
        self._stop.set()
        return NOTHING


class Waiting(Native):
    """What ``BeginInvoke`` gives."""

    type_name = "System.IAsyncResult"

    def __init__(self, runtime: Runtime, done: threading.Event) -> None:
        super().__init__()
        self.properties = {"isCompleted".lower(): done.is_set, "asyncwaithandle": lambda: WaitHandle(runtime, done)}


class WaitHandle(Native):
    type_name = "System.Threading.WaitHandle"

    def __init__(self, runtime: Runtime, done: threading.Event) -> None:
        super().__init__()
        self._runtime = runtime
        self._done = done
        self.methods = {"waitone": self._wait, "close": lambda: NOTHING, "dispose": lambda: NOTHING}

    def _wait(self, milliseconds: object = -1) -> bool:
        limit = to_number(milliseconds) / 1000
        box = self._runtime.box
        start = box.monotonic()
        while not self._done.wait(0.01):
            self._runtime.check_killed()
            if 0 <= limit <= box.monotonic() - start:
                return self._done.is_set()
        return True


def make(rt: Runtime, full: str, arguments: list[object]) -> object:
    """``New-Object`` and ``::new()`` of the classes here; None for another class."""
    first = arguments[0] if arguments else None
    if full == "System.Text.UTF8Encoding":
        return UTF8 if arguments and first is True else UTF8_PLAIN
    if full == "System.Text.ASCIIEncoding":
        return ENCODINGS["ascii"]
    if full == "System.Text.StringBuilder":
        return StringBuilder(*arguments)
    if full == "System.Diagnostics.Stopwatch":
        watch = Stopwatch(rt.box.monotonic)
        watch.methods["reset"]()
        return watch
    if full == "System.IO.StreamReader":
        if isinstance(first, ByteStream):
            return Reader(first)
        path = rt.resolve(text(first))
        return Reader(ByteStream(lambda: rt.box.files.read(path)))
    if full == "System.IO.MemoryStream":
        return ByteStream(lambda: data(first) if arguments else b"")
    return None


def unknown_type(name: str) -> ScriptError:
    """The error of a type that is not there."""
    return error(f"Cannot find type [{name}]: verify that the assembly containing this type is loaded.", "TypeNotFound")
