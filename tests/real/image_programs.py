"""Real registries and a real containerd from Debian's packages, on loopback, in folders of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.needs import lack, need
from tests.waiting import PATIENCE, until


def run(*words: str | Path, cwd: Path | None = None) -> str:
    """What a program prints; it has to succeed."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stderr}\n{done.stdout}"
    return done.stdout


@contextmanager
def started(words: list[str | Path], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the background, ended by its process id."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            env={**os.environ, **environment},
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(what: str, ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    until(lambda: ready() or process.poll() is not None, f"{what}, whose log is {log}")
    assert process.poll() is None, f"{what} has ended: {log.read_text()[-2000:]}"


@contextmanager
def docker_registry(folder: Path, auth: object = None) -> Iterator[str]:
    """Debian's docker-registry, which is distribution's; gives its host and port.

    Args:
        auth: its ``auth`` section.
    """
    program = need("docker-registry", "docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, object] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": "127.0.0.1:0"},  # it says in its log which one it got
    }
    if auth is not None:
        config["auth"] = auth
    (folder / "config.json").write_text(json.dumps(config))  # JSON is YAML
    log = folder / "log"

    def host() -> str:
        found = re.search(r'msg="listening on (127\.0\.0\.1:[0-9]+)"', log.read_text())
        return found[1] if found else ""

    with started([program, "serve", folder / "config.json"], log, OTEL_TRACES_EXPORTER="none") as process:
        _wait("docker-registry", lambda: bool(host()), process, log)
        yield host()


class Containerd:
    """A running containerd."""

    def __init__(self, address: Path) -> None:
        self.address = address
        self._ctr: list[str | Path] = [need("ctr", "containerd"), "--address", address, "--namespace", "k8s.io"]

    def ctr(self, *words: str | Path) -> str:
        """What ``ctr`` prints in the namespace of Kubernetes."""
        return run(*self._ctr, *words)

    def load(self, archive: Path) -> None:
        """Import an archive, and unpack it: that checks every layer against the configuration."""
        self.ctr("images", "import", "--snapshotter", "native", archive)

    def names(self) -> set[str]:
        """What it lists."""
        return set(self.ctr("images", "ls", "--quiet").split())

    def complete(self) -> set[str]:
        """Those that are wholly there and unpacked."""
        return set(self.ctr("images", "check", "--snapshotter", "native", "--quiet").split())


@contextmanager
def containerd() -> Iterator[Containerd]:
    """Debian's containerd without its CRI: no cgroups, no network, no overlay, nothing outside of a folder."""
    program = need("containerd", "containerd")
    need("ctr", "containerd")
    if os.geteuid() != 0:
        lack("run this test as root: containerd needs it")
    # A short path: the socket's may have 107 characters at the most.
    folder = Path(tempfile.mkdtemp(prefix="hpt-cd-"))
    (folder / "config.toml").write_text(f"""\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]
[grpc]
  address = "{folder}/socket"
""")
    log = folder / "log"
    try:
        with started([program, "--config", folder / "config.toml"], log) as process:
            _wait("containerd", (folder / "socket").exists, process, log)
            yield Containerd(folder / "socket")
    finally:
        shutil.rmtree(folder)
