from __future__ import annotations

from provision.guests.output import Output
from provision.secrets import Secret


def test_lines_are_streamed_whole_whatever_the_pieces_are() -> None:
    lines: list[str] = []
    output = Output(lines.append)
    for byte in "Grüße\r\n日本\nrest".encode():
        output.stdout(bytes([byte]))
    assert lines == ["Grüße", "日本"]
    output.end()
    assert lines == ["Grüße", "日本", "rest"]
    assert output.out == "Grüße\r\n日本\nrest"
    assert output.received == len(output.out.encode())


def test_secrets_are_masked_where_people_read() -> None:
    Secret("canary-output-secret")
    lines: list[str] = []
    output = Output(lines.append)
    output.stdout(b"token canary-output-secret\n")
    output.stderr(b"refused canary-output-secret\n")
    assert lines == ["token ********"]
    assert "canary" not in output.tail()
    assert "canary-output-secret" in output.out  # the program itself needs it


def test_a_tail_is_short_and_says_when_there_was_nothing() -> None:
    output = Output()
    assert output.tail() == "nothing was said"
    for number in range(100):
        output.stdout(b"line %d\n" % number)
    assert output.tail(3) == "stdout:\n  line 97\n  line 98\n  line 99"
