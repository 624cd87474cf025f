"""A libvirtd of the tests' own: private state and socket, no KVM in sight, nothing of the system's touched.

It runs in a mount namespace.  ``/dev/kvm`` may exist without working, and libvirt would try it again and again (half
a minute for each definition), so the namespace's ``/dev`` holds only what QEMU needs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
from pathlib import Path

from provision.clock import Deadline, poll
from provision.errors import HostError
from provision.host.commands import spawn_background

_QEMU_CONF = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
namespaces = []
"""

_START = r"""set -eu
state="$1"
mount -t tmpfs -o mode=755 dev "$state/dev"
for name in null zero full random urandom tty; do
    touch "$state/dev/$name"
    mount --bind "/dev/$name" "$state/dev/$name"
done
for name in pts shm; do
    mkdir "$state/dev/$name"
    mount --rbind "/dev/$name" "$state/dev/$name"
done
ln -s /proc/self/fd "$state/dev/fd"
ln -s pts/ptmx "$state/dev/ptmx"
mount --rbind "$state/dev" /dev
mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
mount --bind "$state/run" /run/libvirt
mount --bind "$state/lib" /var/lib/libvirt
mount --bind "$state/cache" /var/cache/libvirt
mount --bind "$state/log" /var/log/libvirt
mount --bind "$state/etc" /etc/libvirt
exec libvirtd --config "$state/libvirtd.conf" --pid-file "$state/libvirtd.pid"
"""


class Libvirtd:
    """One private libvirtd with its machines.

    Args:
        state: an empty or missing folder with a short path (socket names are limited to 107 bytes).
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self._pid: int | None = None

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.state / 'sock/libvirt-sock'}"

    def start(self, deadline: Deadline) -> None:
        """Start it and wait until its socket takes connections."""
        for name in ("run", "lib/images", "cache", "log", "sock", "dev"):
            (self.state / name).mkdir(parents=True, exist_ok=True)
        # Its own empty configuration: no networks, no pools, no autostart of the system's.
        (self.state / "etc").mkdir(exist_ok=True)
        for name in ("libvirt.conf", "virtlogd.conf", "virtlockd.conf"):
            if Path("/etc/libvirt", name).is_file():
                shutil.copy(Path("/etc/libvirt", name), self.state / "etc" / name)
        (self.state / "etc/qemu.conf").write_text(_QEMU_CONF)
        (self.state / "libvirtd.conf").write_text(
            f'unix_sock_dir = "{self.state / "sock"}"\n'
            'auth_unix_rw = "none"\nauth_unix_ro = "none"\n'
            f'log_outputs = "3:file:{self.state / "log/libvirtd.log"}"\n'
        )
        script = self.state / "start.sh"
        script.write_text(_START)
        argv = ["unshare", "--mount", "--propagation", "private", "sh", str(script), str(self.state)]
        self._pid = spawn_background(argv, log=self.state / "log/start.log")

        def answers() -> tuple[bool | None, str]:
            log = (self.state / "log/start.log").read_text()[-300:]
            # A child that has ended stays as a zombie until it is waited for.
            ended, _ = os.waitpid(self._pid or 0, os.WNOHANG)
            if ended:
                raise HostError("libvirtd has ended", details=log, remedy="does this container allow mounts?")
            try:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(self.state / "sock/libvirt-sock"))
                return True, ""
            except OSError as error:
                return None, f"{error}; {log}"

        poll(answers, deadline, every=0.1)

    def stop(self) -> None:
        """End libvirtd and every machine that it still has."""
        pids = [self._pid] if self._pid else []
        for file in (self.state / "run/qemu").glob("*.pid"):
            pids.append(int(file.read_text()))
        for pid in pids:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
