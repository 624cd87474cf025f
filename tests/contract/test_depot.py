"""The depot's one file, really run, on loopback: what is served, to whom, and for how long."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.settings.complete import defaults
from provision.steps.delivery import DEPOT_LIFE, depot_list
from tests.contract.depot_rig import WORD, Running, Start, depots
from tests.waiting import PATIENCE, until

CONTENT = os.urandom(300_000)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "kubelet.exe").write_bytes(CONTENT)
    (tmp_path / "secret").write_text("not on the list")
    with depots(tmp_path, {"kubelet.exe": tmp_path / "kubelet.exe", "gone": Path("/no/such/file")}) as run:
        yield run


def _put(running: Running, path: str, body: bytes) -> int:
    connection = http.client.HTTPConnection(running.host, running.port, timeout=PATIENCE)
    try:
        connection.request("PUT", path, body)
        return connection.getresponse().status
    finally:
        connection.close()


def test_an_expected_file_is_taken_once(start: Start, tmp_path: Path) -> None:
    target = tmp_path / "in.tar"
    running = start(uploads={"in.tar": str(target)})
    assert _put(running, f"/{WORD}/in.tar", CONTENT) == 201
    assert target.read_bytes() == CONTENT and target.stat().st_mode & 0o777 == 0o644
    assert _put(running, f"/{WORD}/in.tar", b"other") == 409
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.glob("in.tar*")] == ["in.tar"]
    assert running.get("in.tar")[0] == 404, "what was put is not served"


@pytest.mark.parametrize("path", ["/wrong/in.tar", f"/{WORD}/other.tar", f"/{WORD}/../in.tar", "/in.tar"])
def test_nothing_else_is_taken(start: Start, tmp_path: Path, path: str) -> None:
    running = start(uploads={"in.tar": str(tmp_path / "in.tar")})
    assert _put(running, path, b"x") == 404
    assert not (tmp_path / "in.tar").exists()


def test_without_a_list_of_uploads_nothing_is_taken(start: Start) -> None:
    assert _put(start(), f"/{WORD}/in.tar", b"x") == 404


def test_a_put_that_breaks_off_leaves_nothing(start: Start, tmp_path: Path) -> None:
    running = start(uploads={"in.tar": str(tmp_path / "in.tar")})
    with socket.create_connection((running.host, running.port)) as sock:
        sock.sendall(f"PUT /{WORD}/in.tar HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf".encode())
    until(lambda: not list(tmp_path.glob("in.tar*")), "the end of the half file")
    assert _put(running, f"/{WORD}/in.tar", b"whole") == 201


def test_a_whole_file(start: Start) -> None:
    status, headers, body = start().get("kubelet.exe")
    assert (status, body) == (200, CONTENT)
    assert headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100000-", 100_000, len(CONTENT) - 1),
        ("bytes=10-19", 10, 19),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT) - 1),
        ("bytes=299990-999999999", 299_990, len(CONTENT) - 1),
        (f"bytes=-{len(CONTENT) * 2}", 0, len(CONTENT) - 1),
    ],
)
def test_a_part(start: Start, asked: str, first: int, last: int) -> None:
    status, headers, body = start().get("kubelet.exe", Range=asked)
    assert (status, body) == (206, CONTENT[first : last + 1])
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=300000-", "bytes=9-3", "bytes=-", "bytes=-0", "items=0-1", "bytes=0-1,4-5", "bytes=" + "9" * 5000 + "-"],
)
def test_a_part_that_there_is_not(start: Start, asked: str) -> None:
    status, headers, body = start().get("kubelet.exe", Range=asked)
    assert (status, body) == (416, b"")
    assert headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/kubelet.exe",
        "/wrong/kubelet.exe",
        f"/{WORD}",
        f"/{WORD}/",
        f"/{WORD}/secret",
        f"/{WORD}/gone",
        f"/{WORD}/../secret",
        f"/{WORD}/%2e%2e/secret",
        f"/{WORD}//etc/passwd",
        f"/{WORD}x/kubelet.exe",
    ],
)
def test_nothing_else_is_served(start: Start, path: str) -> None:
    status, _, body = start().ask(path)
    assert (status, body) == (404, b"")


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("name", ["kubelet.exe", "new", "../new"])
def test_what_is_served_cannot_be_written(start: Start, tmp_path: Path, method: str, name: str) -> None:
    before = sorted(tmp_path.iterdir())
    depot = start()
    assert depot.ask(f"/{WORD}/{name}", method=method)[0] in (404, 501)
    assert depot.get("kubelet.exe")[2] == CONTENT
    new = {path.name for path in tmp_path.iterdir()} - {path.name for path in before}
    assert new == {"depot.py", "list.json", "ready0"}


def test_head_says_the_size(start: Start) -> None:
    status, headers, body = start().ask(f"/{WORD}/kubelet.exe", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(CONTENT)), b"")


def test_a_foreign_client_gets_no_answer(start: Start) -> None:
    depot = start(clients=["127.0.0.9"])
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        depot.get("kubelet.exe")
    from_the_right_one = http.client.HTTPConnection(
        depot.host, depot.port, timeout=PATIENCE, source_address=("127.0.0.9", 0)
    )
    from_the_right_one.request("GET", f"/{WORD}/kubelet.exe")
    assert from_the_right_one.getresponse().read() == CONTENT
    from_the_right_one.close()


def test_its_life_ends_even_while_somebody_holds_a_connection(start: Start) -> None:
    for life in (1, 4, 16):  # a slow computer needs longer to connect
        depot = start(life=life)
        try:
            with socket.create_connection((depot.host, depot.port)) as held:
                held.sendall(b"GET /half")
                assert depot.process.wait(timeout=PATIENCE) == 0
            return
        except OSError:
            continue
    pytest.fail("no connection in all its lives")


def test_a_slow_client_holds_up_nobody(start: Start) -> None:
    depot = start()
    with socket.create_connection((depot.host, depot.port)) as slow:
        slow.sendall(b"GET /")
        found: list[str] = []

        def pull() -> None:
            found.append(hashlib.sha256(depot.get("kubelet.exe")[2]).hexdigest())

        threads = [threading.Thread(target=pull) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=PATIENCE)
    assert found == [hashlib.sha256(CONTENT).hexdigest()] * 16


def test_the_unguessable_word_is_in_no_log(start: Start) -> None:
    depot = start()
    depot.get("kubelet.exe")
    depot.ask(f"/{WORD}/secret")
    assert depot.said() == ["127.0.0.1 GET 200", "127.0.0.1 GET 404"]


def test_the_list_names_only_the_windows_machines() -> None:
    settings = defaults()
    plan = depot_list(settings, WORD, {})
    assert plan["clients"] == [str(machine.address) for machine in settings.windows]
    assert plan["address"] == str(settings.control_plane.address)
    assert plan["life"] == DEPOT_LIFE
