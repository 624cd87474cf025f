"""A Vagrant box for libvirt made from Debian's own packages, with what an offline machine needs.

Built once a recipe and kept under ``~/.cache/hybrid-provision-tests/<digest of this file>/``:
``debian-12.box``, ``vmlinuz`` and ``initrd`` (the machine boots them directly), ``containerd-linux.tar.gz`` and
``runc`` (Debian's packages in the layout of their upstream releases).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from provision.host.commands import run

CACHE = Path(os.environ.get("PROVISION_TESTS_CACHE") or Path.home() / ".cache" / "hybrid-provision-tests")
DISK_GIB = 6
USER_CARD_MAC = "52:54:00:aa:bb:01"

_PACKAGES = """
linux-image-cloud-amd64 systemd-sysv udev dbus openssh-server sudo qemu-guest-agent python3 curl ca-certificates
iproute2 iputils-ping iptables nftables conntrack socat ethtool ebtables ipset kmod procps mount util-linux
""".split()  # noqa: SIM905

# The well-known public key of Vagrant's insecure key pair; `vagrant up` replaces it in the machine.
_INSECURE_KEY = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oXevct1"
    "YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6"
    "kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEg"
    "E98OHlnVYCzRdK8jlqm8tehUc9c9WhQ== vagrant insecure public key\n"
)

# Before the kernel is installed: a small initrd, quick to unpack without hardware virtualisation.
_ESSENTIAL = """set -eu
mkdir -p "$1/etc/initramfs-tools/conf.d"
printf 'MODULES=list\\nCOMPRESS=gzip\\nRESUME=none\\n' > "$1/etc/initramfs-tools/conf.d/box"
printf 'virtio_pci\\nvirtio_blk\\nvirtio_net\\next4\\n' > "$1/etc/initramfs-tools/modules"
"""

_CUSTOMIZE = """set -eu
cd "$1"
chroot . sh -c 'cd /srv && apt-get download runc'
chroot . useradd --create-home --shell /bin/bash vagrant
printf 'vagrant ALL=(ALL) NOPASSWD: ALL\\n' > etc/sudoers.d/vagrant
chmod 0440 etc/sudoers.d/vagrant
install -d -m 0700 home/vagrant/.ssh
cp "$KEY" home/vagrant/.ssh/authorized_keys
chmod 0600 home/vagrant/.ssh/authorized_keys
chroot . chown -R vagrant:vagrant /home/vagrant/.ssh
printf '/dev/vda / ext4 defaults,noatime 0 1\\n' > etc/fstab
printf 'debian12\\n' > etc/hostname
printf '127.0.0.1 localhost\\n127.0.1.1 debian12\\n' > etc/hosts
printf 'UseDNS no\\n' > etc/ssh/sshd_config.d/box.conf
# The card that carries us (QEMU's user network).
network() {
    printf '[Match]\\n%s\\n[Network]\\nAddress=%s\\n%sLinkLocalAddressing=no\\nIPv6AcceptRA=no\\n' "$2" "$3" "${4:-}" \
        > "etc/systemd/network/$1.network"
}
network 50-user "MACAddress=$USER_CARD_MAC" 10.0.2.15/24 'Gateway=10.0.2.2
'
# Any other card has some address, because vagrant-libvirt waits until the agent reports one.
network 90-other Type=ether 169.254.22.22/16
chroot . systemctl enable systemd-networkd ssh qemu-guest-agent
chroot . systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    dpkg-db-backup.timer systemd-networkd-wait-online.service
"""


@dataclass(frozen=True)
class Box:
    """The files of the built box."""

    folder: Path

    @property
    def box(self) -> Path:
        return self.folder / "debian-12.box"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def containerd(self) -> Path:
        """Debian sid's containerd in the layout of ``containerd-<version>-linux-amd64.tar.gz``."""
        return self.folder / "containerd-linux.tar.gz"

    @property
    def containerd_version(self) -> str:
        return (self.folder / "containerd-version").read_text().strip()

    @property
    def runc(self) -> Path:
        return self.folder / "runc"


def ensure(say: Callable[[str], None]) -> Box:
    """The box, built if it is not cached; a build that was killed leaves nothing behind that counts."""
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    made = Box(CACHE / digest)
    with FileLock(CACHE / f"{digest}.lock"):
        if not made.folder.is_dir():
            say("building the Debian box (about a minute; once a recipe)")
            with tempfile.TemporaryDirectory(dir=CACHE, prefix="building-") as work:
                _build(Path(work))
                (Path(work) / "made").rename(made.folder)
    return made


def _build(work: Path) -> None:
    root = work / "root"
    made = work / "made"
    made.mkdir()
    key = work / "key.pub"
    key.write_text(_INSECURE_KEY)
    (work / "essential").write_text(_ESSENTIAL)
    (work / "customize").write_text(_CUSTOMIZE)
    leave_out = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("man", "doc", "locale", "info")]
    _do(
        "mmdebstrap",
        "--variant=apt",
        '--aptopt=Acquire::Languages "none"',
        # A mirror that stands still is no reason not to build.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        *leave_out,
        f"--include={','.join(_PACKAGES)}",
        f'--essential-hook=sh {work / "essential"} "$1"',
        f'--customize-hook=sh {work / "customize"} "$1"',
        "bookworm",
        str(root),
        KEY=str(key),
        USER_CARD_MAC=USER_CARD_MAC,
    )
    _runtime(work, root, made)
    shutil.copy(root / "vmlinuz", made / "vmlinuz")
    shutil.copy(root / "initrd.img", made / "initrd")
    image, disk = work / "root.ext4", work / "box.img"
    with image.open("wb") as stream:
        stream.truncate(DISK_GIB << 30)
    _do("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", str(root), str(image))
    _do("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(image), str(disk))
    metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GIB}
    (work / "metadata.json").write_text(json.dumps(metadata))
    (work / "Vagrantfile").write_text('Vagrant.configure("2") { |config| }\n')
    with tarfile.open(made / "debian-12.box", "w") as box:
        for name in ("metadata.json", "Vagrantfile", "box.img"):
            box.add(work / name, arcname=name)


def _runtime(work: Path, root: Path, made: Path) -> None:
    """containerd from Debian sid (bookworm's is too old for our configuration), runc from bookworm (sid's needs a
    newer C library), both in the layout of their upstream releases."""
    (package,) = (root / "srv").glob("runc_*.deb")
    _do("dpkg-deb", "-x", str(package), str(work / "runc"))
    package.unlink()
    shutil.copy(work / "runc/usr/sbin/runc", made / "runc")
    sid = work / "sid"
    _do(
        "mmdebstrap",
        "--variant=extract",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--include=containerd",
        "sid",
        str(sid),
    )
    with tarfile.open(made / "containerd-linux.tar.gz", "w:gz", compresslevel=1) as archive:
        for name in ("containerd", "containerd-shim-runc-v2", "ctr"):
            archive.add(sid / "usr/bin" / name, arcname=f"bin/{name}")
    # It has to run with the machine's C library: asked there.
    shutil.copy(sid / "usr/bin/containerd", root / "srv/containerd")
    said = _do("chroot", str(root), "/srv/containerd", "--version")
    (root / "srv/containerd").unlink()
    (made / "containerd-version").write_text(said.split()[2].split("+")[0].removeprefix("v") + "\n")


def _do(*argv: str, **environment: str) -> str:
    return run(argv, timeout=900, env=environment).require("the test box could not be built").out
