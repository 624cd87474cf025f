"""Real programs: the machine is started when the tests have been collected, and used last.

So it boots while the other tests run.  Under pytest-xdist all tests of the machine run in one worker, and whichever
worker is first starts it, for the whole session.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.clock import Deadline
from provision.host.commands import spawn_background
from provision.host.files import write_atomically
from tests.needs import lack
from tests.real.machine import KEEP, STOP, RealMachine, wait_until_ready

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PACKAGES = {
    "vagrant": "vagrant",
    "libvirtd": "libvirt-daemon-system",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "unshare": "util-linux",
}
_PLUGIN = Path("/usr/share/vagrant-plugins/plugins.d/vagrant-libvirt.json")


def missing() -> str:
    """What is not here of what the real machine needs, with the command that installs it; empty when all is."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "the real machine needs root on Linux (mount namespaces, chroot)"
    wanted = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not _PLUGIN.is_file() and "vagrant-libvirt" not in _user_plugins():
        wanted.append("vagrant-libvirt")
    return f"apt-get install {' '.join(wanted)}" if wanted else ""


def _user_plugins() -> str:
    file = Path.home() / ".vagrant.d" / "plugins.json"
    return file.read_text() if file.is_file() else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    real = [item for item in items if "real_machine" in getattr(item, "fixturenames", ())]
    for item in real:
        item.add_marker(pytest.mark.real)
    # First: with several workers, the one that has them waits for the boot while the others work.
    others = [item for item in items if item not in real]
    items[:] = real + others if os.environ.get("PYTEST_XDIST_WORKER") else others + real


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly or missing():
        return
    if any("real_machine" in getattr(item, "fixturenames", ()) for item in session.items):
        _start(session.config)


def _folder() -> Path:
    # Short, because sockets lie in it; the same for all workers of one session.
    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"pid{os.getpid()}")[:12]
    return Path(tempfile.gettempdir()) / f"hpt-{session}"


def _start(config: pytest.Config) -> None:
    folder = _folder()
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    # The process that outlives all others of this session.
    watched = os.getppid() if hasattr(config, "workerinput") else os.getpid()
    argv = [sys.executable, "-m", "tests.real.machine", str(folder), str(watched)]
    spawn_background(argv, log=folder / "log", env={"PYTHONPATH": str(REPOSITORY)})


@pytest.fixture(scope="session")
def real_machine(request: pytest.FixtureRequest) -> Iterator[RealMachine]:
    """The Debian machine, up; shared by all tests of the session, which run in the order of their file."""
    lacking = missing()
    if lacking:
        lack(lacking)
    folder = _folder()
    failed_before = request.session.testsfailed
    end = KEEP
    try:
        yield wait_until_ready(folder, Deadline(1500, "the real machine"))
        end = "done" if request.session.testsfailed == failed_before else KEEP
    finally:
        # What went wrong can be read in the folder: Vagrant's log, the console, libvirtd's log.
        write_atomically(folder / STOP, end)
