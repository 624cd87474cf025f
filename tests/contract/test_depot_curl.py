"""Several Windows machines at a time, with a real curl and the very words of the script that runs there."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.host.workspace import TEMPLATES
from tests.contract.depot_rig import Running, Start, depots
from tests.needs import need
from tests.waiting import PATIENCE, until

SIZE = 24_000_000
BROKEN_OFF = (18, 28, 52, 56)  # of which the script says: go on
SLOW = "200k"  # bytes a second
CLIENTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


def options() -> list[str]:
    """curl's options as templates/windows/50-deliver.ps1 gives them."""
    script = (TEMPLATES / "windows/50-deliver.ps1").read_text()
    found = re.search(r"^\$curl = @\((.*)\)$", script, re.MULTILINE)
    assert found is not None
    words = re.findall(r"'([^']*)'", found[1])
    assert "--fail" in words and "--noproxy" in words
    codes = re.search(r"while \(@\(([\d, ]+)\) -contains \$run\.Code", script)
    assert codes is not None
    assert tuple(int(code) for code in codes[1].split(",")) == BROKEN_OFF
    return words


class Client:
    """A Windows machine, as far as the depot sees one: an address of its own, and curl."""

    def __init__(self, address: str, folder: Path, depot: Running, name: str, rate: str = "1G") -> None:
        self.part = folder / f"{address}-{name}.part"
        self.words = [
            need("curl", "curl"), *options(), "--interface", address, "--limit-rate", rate,
            "--write-out", "%{size_download} %{http_code}",
            "--continue-at", "-", "--output", str(self.part), depot.url(name),
        ]  # fmt: skip
        self.received: list[int] = []

    def hurry(self) -> None:
        """From now on without a limit."""
        self.words[self.words.index("--limit-rate") + 1] = "1G"

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self, process: subprocess.Popen[str]) -> int:
        out, _ = process.communicate(timeout=PATIENCE)
        self.received.append(int(out.split()[0]) if out.strip() else -1)
        return process.returncode

    def pull(self) -> int:
        return self.end(self.start())

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.part.read_bytes()).hexdigest()

    def has(self, size: int) -> None:
        """Wait until so many bytes are there."""
        until(lambda: self.part.exists() and self.part.stat().st_size >= size, "bytes")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "kubelet.exe"
    path.write_bytes(hashlib.shake_256(b"kubelet").digest(SIZE))
    return path


@pytest.fixture
def start(tmp_path: Path, file: Path) -> Iterator[Start]:
    with depots(tmp_path, {"kubelet.exe": file}) as run:
        yield run


def wanted(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_three_at_once_one_of_them_killed_and_resumed(tmp_path: Path, start: Start, file: Path) -> None:
    depot = start(clients=list(CLIENTS))
    # The one that is killed would take minutes, so that it is in the middle however late the signal comes.
    rates = ("24M", SLOW, "24M")
    clients = [
        Client(address, tmp_path, depot, "kubelet.exe", rate) for address, rate in zip(CLIENTS, rates, strict=True)
    ]
    running = [client.start() for client in clients]
    clients[1].has(1)
    running[1].send_signal(signal.SIGKILL)
    clients[1].end(running[1])
    kept = clients[1].part.stat().st_size
    assert 0 < kept < SIZE
    clients[1].hurry()
    assert clients[1].pull() == 0
    assert [clients[number].end(running[number]) for number in (0, 2)] == [0, 0]
    assert {client.digest for client in clients} == {wanted(file)}
    assert clients[0].received == clients[2].received == [SIZE]
    # What was there was not sent again.
    assert clients[1].received[-1] == SIZE - kept
    said = [line for line in depot.said() if line.endswith((" 200", " 206"))]
    assert sorted(said) == ["127.0.0.2 GET 200", "127.0.0.3 GET 200", "127.0.0.3 GET 206", "127.0.0.4 GET 200"]


def test_they_share_and_none_waits_for_another(tmp_path: Path, start: Start, file: Path) -> None:
    depot = start(clients=list(CLIENTS))
    slow = Client(CLIENTS[0], tmp_path, depot, "kubelet.exe", SLOW)
    running = slow.start()
    slow.has(1)
    fast = [Client(address, tmp_path, depot, "kubelet.exe") for address in CLIENTS[1:]]
    codes: list[int] = []
    threads = [threading.Thread(target=lambda client=client: codes.append(client.pull())) for client in fast]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert codes == [0, 0]
    assert running.poll() is None
    running.kill()
    slow.end(running)
    assert slow.part.stat().st_size < SIZE
    assert {client.digest for client in fast} == {wanted(file)}


def test_a_depot_that_dies_in_the_middle_is_met_again(tmp_path: Path, start: Start, file: Path) -> None:
    # An address of this process's own: its port is nobody else's in the moment in which it is free.
    address = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.77"
    for rate in (
        "12M",
        "4M",
        "1M",
    ):  # (still slower, curl pauses so long after its first burst that it gives itself up)
        first = start(address=address)
        client = Client("127.0.0.1", tmp_path, first, "kubelet.exe", rate)
        process = client.start()
        client.has(1)
        first.process.kill()
        code = client.end(process)
        kept = client.part.stat().st_size
        if kept < SIZE:
            break
        client.part.unlink()  # it was through before it was killed
    # curl's own tries pass over a transfer that broke off: the script has to go on by itself.
    assert code in BROKEN_OFF
    again = Client("127.0.0.1", tmp_path, first, "kubelet.exe")
    waiting = again.start()  # the port refuses it now; curl asks again, that one it does
    time.sleep(0.3)
    start(address=address, port=first.port)
    assert again.end(waiting) == 0
    assert again.digest == wanted(file)
    assert again.received == [SIZE - kept]


def test_a_life_that_ends_in_the_middle_leaves_a_part_to_go_on_with(tmp_path: Path) -> None:
    # Ten seconds of curl's rate, and holes for the most of it.
    file = tmp_path / "big.exe"
    with file.open("wb") as stream:
        for number in range(128):
            stream.seek(number << 20)
            stream.write(b"%d" % number)
        stream.truncate(128 << 20)
    with depots(tmp_path, {"big.exe": file}) as start:
        for life in (1, 3, 7):  # a slow computer needs longer to begin
            depot = start(life=life)
            client = Client("127.0.0.1", tmp_path, depot, "big.exe", "12M")
            code = client.pull()
            assert depot.process.wait(timeout=PATIENCE) == 0
            if client.part.exists() and client.part.stat().st_size:
                break
    assert code in BROKEN_OFF
    kept = client.part.stat().st_size
    assert 0 < kept < file.stat().st_size
    assert client.part.read_bytes() == file.read_bytes()[:kept]


def test_a_part_that_is_whole_or_too_long_is_refused_without_a_byte(tmp_path: Path, start: Start, file: Path) -> None:
    depot = start()
    for content in (file.read_bytes(), file.read_bytes() + b"x"):
        client = Client("127.0.0.1", tmp_path, depot, "kubelet.exe")
        client.part.write_bytes(content)
        # 22, or 33 in newer editions: the script looks at the digest before it asks, and starts over after these.
        assert client.pull() in (22, 33, 36)
        assert client.part.read_bytes() == content


@pytest.mark.parametrize("name", ["nothing", "../list.json"])
def test_what_is_not_served_is_an_error_page_of_no_length(tmp_path: Path, start: Start, name: str) -> None:
    depot = start()
    client = Client("127.0.0.1", tmp_path, depot, "kubelet.exe")
    client.words[-1] = client.words[-1].replace("kubelet.exe", name)
    assert client.pull() == 22
    assert not client.part.exists() or client.part.stat().st_size == 0


def test_a_machine_that_is_not_on_the_list_gets_nothing(tmp_path: Path, start: Start) -> None:
    depot = start(clients=["127.0.0.2"])
    client = Client("127.0.0.9", tmp_path, depot, "kubelet.exe")
    assert client.pull() in (52, 56)
    assert not client.part.exists()


def test_its_memory_stays_flat(tmp_path: Path, start: Start, file: Path) -> None:
    depot = start(clients=list(CLIENTS))

    def resident() -> int:
        status = Path(f"/proc/{depot.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])

    before = resident()
    clients = [Client(address, tmp_path, depot, "kubelet.exe") for address in CLIENTS]
    running = [client.start() for client in clients]
    assert [client.end(process) for client, process in zip(clients, running, strict=True)] == [0, 0, 0]
    # One piece of a MiB a connection, and the threads; not three files of 24 MB.
    assert resident() - before < 12_000
