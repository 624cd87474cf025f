"""The depot's one file, really run, on loopback: what is served, to whom, and for how long."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provision.depot import PROGRAM
from provision.settings.complete import defaults
from provision.steps.delivery import DEPOT_LIFE, Depot, depot_list
from tests.needs import need

WORD = "kJ3-unguessable_word"
CONTENT = os.urandom(300_000)


@dataclass
class Running:
    """A depot in a process of its own."""

    process: subprocess.Popen[str]
    host: str
    port: int

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def get(self, name: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.ask(f"/{WORD}/{name}", **headers)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []
    (tmp_path / "kubelet.exe").write_bytes(CONTENT)
    (tmp_path / "secret").write_text("not on the list")

    def run(**changes: Any) -> Running:
        plan = depot_list(defaults(), WORD, {"kubelet.exe": str(tmp_path / "kubelet.exe"), "gone": "/no/such/file"})
        ready = tmp_path / "ready"
        plan |= {"address": "127.0.0.1", "port": 0, "clients": ["127.0.0.1"], "ready": str(ready)} | changes
        listed = tmp_path / "list.json"
        listed.write_text(json.dumps(plan))
        # As on the machine: the file alone, no package around it, an interpreter without site packages.
        alone = tmp_path / "depot.py"
        alone.write_bytes(PROGRAM.read_bytes())
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", alone, listed],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        end = time.monotonic() + 15
        while not ready.exists():
            assert process.poll() is None, process.stdout.read() if process.stdout else ""
            assert time.monotonic() < end
            time.sleep(0.02)
        host, port = ready.read_text().strip().split(":")
        return Running(process, host, int(port))

    yield run
    for process in running:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


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


@pytest.mark.parametrize("asked", ["bytes=300000-", "bytes=9-3", "bytes=-", "bytes=-0", "items=0-1", "bytes=0-1,4-5"])
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


def test_nobody_can_write(start: Start) -> None:
    assert start().ask(f"/{WORD}/kubelet.exe", method="PUT")[0] == 501


def test_head_says_the_size(start: Start) -> None:
    status, headers, body = start().ask(f"/{WORD}/kubelet.exe", method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(CONTENT)), b"")


def test_a_foreign_client_gets_no_answer(start: Start) -> None:
    depot = start(clients=["127.0.0.9"])
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        depot.get("kubelet.exe")
    from_the_right_one = http.client.HTTPConnection(depot.host, depot.port, timeout=10, source_address=("127.0.0.9", 0))
    from_the_right_one.request("GET", f"/{WORD}/kubelet.exe")
    assert from_the_right_one.getresponse().read() == CONTENT
    from_the_right_one.close()


def test_its_life_ends_even_while_somebody_holds_a_connection(start: Start) -> None:
    depot = start(life=1)
    with socket.create_connection((depot.host, depot.port)) as held:
        held.sendall(b"GET /half")
        assert depot.process.wait(timeout=10) == 0


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
            thread.join(timeout=20)
    assert found == [hashlib.sha256(CONTENT).hexdigest()] * 16


def test_the_unguessable_word_is_in_no_log(start: Start) -> None:
    depot = start()
    depot.get("kubelet.exe")
    depot.ask(f"/{WORD}/secret")
    depot.process.terminate()
    depot.process.wait(timeout=10)
    assert depot.process.stdout is not None
    said = depot.process.stdout.read()
    assert said.splitlines() == ["127.0.0.1 GET 200", "127.0.0.1 GET 404"]


def test_curl_resumes(start: Start, tmp_path: Path) -> None:
    curl = need("curl", "curl")
    depot = start()
    part = tmp_path / "part"
    part.write_bytes(CONTENT[:123_457])
    base = Depot(f"http://{depot.host}:{depot.port}/{WORD}")
    words = [curl, "--fail", "--noproxy", "*", "--silent", "--show-error", "--continue-at", "-", "--output", str(part)]
    done = subprocess.run([*words, base.url("kubelet.exe")], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    assert part.read_bytes() == CONTENT


def test_the_list_names_only_the_windows_machines() -> None:
    settings = defaults()
    plan = depot_list(settings, WORD, {})
    assert plan["clients"] == [str(machine.address) for machine in settings.windows]
    assert plan["address"] == str(settings.control_plane.address)
    assert plan["life"] == DEPOT_LIFE
