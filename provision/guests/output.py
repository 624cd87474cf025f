"""What a remote command has said so far: bytes kept, lines streamed, tails for errors."""

from __future__ import annotations

import codecs

from provision.guests.base import OnLine
from provision.secrets import MASKER


class Output:
    """Collects both streams of one command.

    Args:
        on_line: called with each line of stdout, masked and without its end, as it comes.
    """

    def __init__(self, on_line: OnLine | None = None) -> None:
        self._on_line = on_line
        self._out: list[bytes] = []
        self._err: list[bytes] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self.received = 0

    def stdout(self, data: bytes) -> None:
        """Take a piece of stdout."""
        self._out.append(data)
        self.received += len(data)
        if self._on_line is None:
            return
        *lines, self._line = (self._line + self._decoder.decode(data)).split("\n")
        for line in lines:
            self._on_line(MASKER(line.rstrip("\r")))

    def stderr(self, data: bytes) -> None:
        """Take a piece of stderr."""
        self._err.append(data)

    def forget_stderr(self) -> None:
        """What a broken attempt said about itself does not belong to the result."""
        self._err.clear()

    def end(self) -> None:
        """Nothing more comes: a last line without an end is streamed too."""
        if self._on_line is not None and self._line:
            self._on_line(MASKER(self._line.rstrip("\r")))
        self._line = ""

    @property
    def out(self) -> str:
        return b"".join(self._out).decode("utf-8", "replace")

    @property
    def err(self) -> str:
        return b"".join(self._err).decode("utf-8", "replace")

    def tail(self, lines: int = 12) -> str:
        """The last lines of both streams, masked, for an error's details."""
        parts = []
        for name, chunks in (("stderr", self._err), ("stdout", self._out)):
            # A tail needs no more than the last pieces, however much came before.
            text = b"".join(chunks[-64:]).decode("utf-8", "replace")[-16_384:]
            found = [f"  {line}" for line in text.splitlines() if line.strip()][-lines:]
            if found:
                parts.append(f"{name}:\n" + "\n".join(found))
        return MASKER("\n".join(parts)) or "nothing was said"
