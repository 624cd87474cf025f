from __future__ import annotations

import base64
import hashlib

import pytest

from provision.guests.base import Script
from provision.guests.output import Output
from provision.guests.powershell import BOOTSTRAP, FOLLOW, WORKER, WindowsRecipes, encoded_command, kept_digest


def test_the_bootstrap_fits_cmd_and_keeps_its_meaning() -> None:
    assert len(BOOTSTRAP) < 8191
    text = base64.b64decode(BOOTSTRAP.rsplit(" ", 1)[1]).decode("utf-16-le")
    assert text.startswith("Set-StrictMode")
    assert "exit $LASTEXITCODE" in text


def test_a_text_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="over 8191"):
        encoded_command("x" * 4000)


def test_the_payload_names_what_it_keeps_and_runs() -> None:
    script = Script("s", "'hello'\n")
    done = Script("d", "'old'\n")
    lines = WindowsRecipes().run(script, 60, [done]).stdin.decode("ascii").splitlines()
    assert lines[0] == f"forget {done.digest}"
    keep, digest, data = lines[1].split(" ")
    assert (keep, digest, base64.b64decode(data)) == ("keep", script.digest, b"'hello'\n")
    assert lines[2] == f"run {script.digest} end"


def test_a_script_beyond_ascii_gets_a_byte_order_mark_and_the_digest_of_what_is_written() -> None:
    script = Script("s", "'Grüße'\n")
    line = WindowsRecipes().run(script, 60, []).stdin.decode("ascii").splitlines()[0]
    written = base64.b64decode(line.split(" ")[2])
    assert written.startswith(b"\xef\xbb\xbf")
    assert hashlib.sha256(written).hexdigest() == kept_digest(script) == line.split(" ")[1]


def test_following_carries_worker_and_follower() -> None:
    script = Script("s", "'hello'\n")
    lines = WindowsRecipes().follow(script, 17, []).stdin.decode("ascii").splitlines()
    assert [line.split(" ")[1] for line in lines[:3]] == [WORKER.digest, script.digest, FOLLOW.digest]
    assert lines[3] == f"run {FOLLOW.digest} {script.digest} 17 {WORKER.digest} end"


def piece(begin: int, data: bytes, kind: bytes = b"log") -> bytes:
    return b"%s %d %s %d\r\n" % (kind, begin, base64.b64encode(data), begin + len(data))


def test_a_followed_log_is_put_together_by_its_positions() -> None:
    output = Output()
    reader = WindowsRecipes().log_reader(output)
    wire = piece(0, b"hello ") + piece(6, b"world")
    for byte in wire:
        reader.stdout(bytes([byte]))
    reader.stdout(piece(3, b"lo world!"))  # told again after a break: only the new part counts
    assert (reader.offset, reader.complete) == (12, False)
    reader.stdout(piece(12, b"oh", b"err") + b"end 14\r\n")
    assert (output.out, output.err, reader.complete) == ("hello world!", "oh", True)


def test_a_hole_in_a_followed_log_is_seen() -> None:
    output = Output()
    reader = WindowsRecipes().log_reader(output)
    reader.stdout(piece(0, b"ab") + piece(5, b"fg") + b"end 7\r\n")
    assert (reader.offset, reader.complete, output.out) == (2, False, "ab")
    reader.resume()
    reader.stdout(piece(2, b"cdefg") + b"end 7\r\n")
    assert (reader.complete, output.out) == (True, "abcdefg")


def test_whatever_piece_of_the_wire_is_lost_nothing_wrong_is_taken_and_the_log_comes_whole() -> None:
    parts = [bytes([letter]) * 8 for letter in b"abcdef"]
    lines = [piece(8 * number, part) for number, part in enumerate(parts)]
    wire = b"".join([*lines, piece(48, b"oh", b"err"), b"end 50\r\n"])
    for begin in range(len(wire)):
        for end in range(begin + 1, len(wire) + 1):
            output = Output()
            reader = WindowsRecipes().log_reader(output)
            reader.stdout(wire[:begin] + wire[end:])
            assert b"".join(parts).startswith(output.out.encode())
            if not reader.complete:
                output.forget_stderr()
                reader.resume()
                again = [piece(reader.offset, b"".join(parts)[reader.offset :])] if reader.offset < 48 else []
                reader.stdout(b"".join([*again, piece(48, b"oh", b"err"), b"end 50\r\n"]))
            assert (reader.complete, output.out.encode(), output.err) == (True, b"".join(parts), "oh"), (begin, end)
