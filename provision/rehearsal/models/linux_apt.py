# ruff: noqa: ARG001 - programs and services have one signature
"""apt-get, and the programs that only have to be there."""

from __future__ import annotations

import re

from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_program import Failed, Usage, options
from provision.rehearsal.shell import Call, Unsupported
from provision.rehearsal.standin import standin

# Debian's packages that scripts here may install, and the programs in them.
PACKAGES = {
    "conntrack": ("/usr/sbin/conntrack",),
    "socat": ("/usr/bin/socat",),
    "ethtool": ("/usr/sbin/ethtool",),
    "ebtables": ("/usr/sbin/ebtables",),
    "iptables": ("/usr/sbin/iptables",),
    "nftables": ("/usr/sbin/nft",),
    "iproute2": ("/usr/sbin/ip",),
    "procps": ("/usr/sbin/sysctl",),
    "kmod": ("/usr/sbin/modprobe",),
    "mount": ("/usr/bin/mount", "/usr/sbin/losetup"),
    "python3": ("/usr/bin/python3",),
    "tar": ("/usr/bin/tar",),
    "coreutils": ("/usr/bin/cp",),
    "ca-certificates": ("/usr/sbin/update-ca-certificates",),
}


# Held by somebody else as long as the file is there: the model knows no other use of it.
DPKG_LOCK = "/var/lib/dpkg/lock-frontend"


def apt_get(box: LinuxBox, call: Call) -> int:
    """``update`` and ``install``; an install before any update finds nothing, as on a fresh box."""
    flags = ["-y|--yes|--assume-yes", "-q|--quiet", "-qq", "--no-install-recommends"]
    given = options(call, flags, ["-o"], usage=100, repeated=["-o"])
    if box.user != "root":
        raise Failed("E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)", 100)
    held = box.files.exists(DPKG_LOCK)
    verb, *names = given.operands or [""]
    if verb == "update":
        box.latency("linux-apt-update")
        box.files.make_folders("/var/lib/apt/lists")
        box.files.write("/var/lib/apt/lists/bookworm", b"")
        return 0
    if verb != "install" or not names:
        raise Unsupported(" ".join(call.argv), 0)
    if "-y" not in given:
        raise Failed("Do you want to continue? [Y/n] Abort.")
    missing = [name for name in names if name not in PACKAGES or not box.files.exists("/var/lib/apt/lists/bookworm")]
    if missing:
        raise Failed("\n".join(f"E: Unable to locate package {name}" for name in missing), 100)
    if held:
        timeout = re.search(r"^DPkg::Lock::Timeout=([1-9]\d*)$", "\n".join(given.given.get("-o", [])), re.MULTILINE)
        if timeout is None:
            raise Failed(
                f"E: Could not get lock {DPKG_LOCK}. It is held by process 812 (unattended-upgr)\n"
                f"E: Unable to acquire the dpkg frontend lock ({DPKG_LOCK}), is another process using it?",
                100,
            )
        box.files.remove(DPKG_LOCK)  # the updates end in time
    box.latency("linux-apt-install")
    for name in names:
        for path in PACKAGES[name]:
            program = path.rpartition("/")[2]
            box.files.write(path, standin(program, "12", "linux", size=32), 0o755)
        call.out(f"Setting up {name} ...\n")
    return 0


def present(box: LinuxBox, call: Call) -> int:
    """A program that others look for and that our scripts never call."""
    if call.argv[1:] in (("--version",), ("-V",)):
        return 0
    raise Usage(f"rehearsal: {call.argv[0]} is only there to be found", 70)


register({"apt-get": apt_get})
register(dict.fromkeys(("conntrack", "socat", "ethtool", "ebtables", "mount", "umount", "losetup"), present))
