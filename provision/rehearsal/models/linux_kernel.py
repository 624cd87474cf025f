"""The kernel's side: modules, sysctls, swap, and the files under /proc and /sys that tell about them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_program import Failed, Usage, options, path_of
from provision.rehearsal.shell import Call, Unsupported

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

MODULES = ("overlay", "br_netfilter", "nf_conntrack", "ip_vs", "vxlan", "ip_tables", "nf_tables", "veth")
SYSCTLS = {"net/ipv4/ip_forward": "0", "vm/overcommit_memory": "0", "kernel/panic": "0"}
BY_MODULE = {
    "br_netfilter": {
        "net/bridge/bridge-nf-call-iptables": "1",
        "net/bridge/bridge-nf-call-ip6tables": "1",
        "net/bridge/bridge-nf-call-arptables": "1",
    }
}
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
SWAP_LINE = "/swap.img                               file\t\t2097148\t\t0\t\t-2\n"


def fresh(machine: LinuxMachine) -> None:
    """What /proc and /sys say right after a boot, before anything was loaded or set."""
    files = machine.files
    for folder in ("/proc", "/run"):
        if files.is_folder(folder):
            files.remove_tree(folder)
    for folder in ("/proc/sys/kernel/random", "/run/systemd", "/run/lock", "/sys/fs/cgroup", "/sys/module"):
        files.make_folders(folder)
    write(machine, "/proc/filesystems", "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\n\text4\n")
    write(machine, "/proc/stat", f"cpu  1 0 1 1\nbtime {int(machine.boot_time)}\nprocesses 100\n")
    write(machine, "/proc/sys/kernel/random/boot_id", machine.boot_id + "\n")
    write(machine, "/proc/swaps", SWAPS)
    write(machine, "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n")
    for key, value in SYSCTLS.items():
        put(machine, key, value)
    machine.state.data["modules"] = []


def write(machine: LinuxMachine, path: str, text: str) -> None:
    """Write a small file, its folders too."""
    machine.files.make_folders(path.rpartition("/")[0] or "/")
    machine.files.write(path, text.encode())


def put(machine: LinuxMachine, key: str, value: str) -> None:
    write(machine, f"/proc/sys/{key}", value + "\n")


def get(machine: LinuxMachine, key: str) -> str | None:
    """A sysctl by its path below /proc/sys; None when the kernel has none."""
    path = f"/proc/sys/{key}"
    return machine.files.read(path).decode().strip() if machine.files.exists(path) else None


def load_module(machine: LinuxMachine, name: str) -> bool:
    """Load a module; False when there is none of that name."""
    if name not in MODULES:
        return False
    with machine.state.change() as data:
        modules = data.setdefault("modules", [])
        if name in modules:
            return True
        modules.append(name)
        machine.files.make_folders(f"/sys/module/{name}")
        for key, value in BY_MODULE.get(name, {}).items():
            put(machine, key, value)
        if name == "overlay":
            text = machine.files.read("/proc/filesystems").decode()
            machine.files.write("/proc/filesystems", (text + "nodev\toverlay\n").encode())
    return True


def swapping(machine: LinuxMachine) -> bool:
    return machine.files.read("/proc/swaps").decode() != SWAPS


def at_boot(machine: LinuxMachine) -> None:
    """systemd-modules-load, systemd-sysctl and swap, in that order."""
    for path in _configurations(machine, "/etc/modules-load.d"):
        for line in machine.files.read(path).decode().splitlines():
            if line.strip() and line[0] not in "#;":
                load_module(machine, line.strip())
    for path in _configurations(machine, "/etc/sysctl.d"):
        for key, value in _settings(machine.files.read(path).decode(), path):
            if get(machine, key) is not None:
                put(machine, key, value)
    table = machine.files.read("/etc/fstab").decode()
    if re.search(r"^[^#\n]*\sswap\s", table, re.M) and not machine.units.masked("swap.target"):
        machine.files.write("/proc/swaps", (SWAPS + SWAP_LINE).encode())


def _configurations(machine: LinuxMachine, folder: str) -> list[str]:
    if not machine.files.is_folder(folder):
        return []
    return [f"{folder}/{name}" for name in machine.files.list(folder) if name.endswith(".conf")]


def _settings(text: str, where: str) -> list[tuple[str, str]]:
    found = []
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        key, equals, value = stripped.partition("=")
        if not equals:
            raise Failed(f"sysctl: {where}: invalid syntax: {line}")
        found.append((key.strip().replace(".", "/"), value.strip()))
    return found


def modprobe(box: LinuxBox, call: Call) -> int:
    given = options(call, ["-a|--all", "-q", "-v"])
    for name in given.operands:
        if not load_module(box.machine, name):
            raise Failed(f"modprobe: FATAL: Module {name} not found in directory /lib/modules/6.1.0-40-amd64")
    return 0


def lsmod(box: LinuxBox, call: Call) -> int:
    call.out("Module                  Size  Used by\n")
    with box.machine.state.reading() as data:
        for name in data.get("modules", []):
            call.out(f"{name:<22} 32768  0\n")
    return 0


def sysctl(box: LinuxBox, call: Call) -> int:
    given = options(call, ["-w|--write", "-n|--values", "-q|--quiet", "-p|--load", "--system", "-e"])
    code = 0
    pairs: list[tuple[str, str]] = []
    if "-p" in given:
        for name in given.operands or ["/etc/sysctl.conf"]:
            path = path_of(call, name)
            if not box.files.exists(path):
                raise Failed(f'sysctl: cannot open "{name}": No such file or directory', 255)
            pairs += _settings(box.files.read(path).decode(), name)
    elif "--system" in given:
        for path in _configurations(box.machine, "/etc/sysctl.d"):
            pairs += _settings(box.files.read(path).decode(), path)
    else:
        for operand in given.operands:
            key, equals, value = operand.partition("=")
            path = key.strip().replace(".", "/")
            if equals:
                pairs.append((path, value.strip()))
                continue
            found = get(box.machine, path)
            if found is None:
                call.err(f"sysctl: cannot stat /proc/sys/{path}: No such file or directory\n")
                code = 255
            else:
                call.out(f"{found}\n" if "-n" in given else f"{key} = {found}\n")
    for path, value in pairs:
        if get(box.machine, path) is None:
            call.err(f"sysctl: cannot stat /proc/sys/{path}: No such file or directory\n")
            code = 255
            continue
        put(box.machine, path, value)
        if "-q" not in given:
            call.out(f"{path.replace('/', '.')} = {value}\n")
    return code


def swapoff(box: LinuxBox, call: Call) -> int:
    given = options(call, ["-a|--all"])
    if "-a" not in given:
        raise Usage("swapoff: bad usage")
    box.files.write("/proc/swaps", SWAPS.encode())
    return 0


def swapon(box: LinuxBox, call: Call) -> int:
    given = options(call, ["--show", "--noheadings"])
    if "--show" not in given:
        raise Unsupported("swapon without --show", 0)
    if swapping(box.machine):
        call.out("/swap.img file   2G   0B   -2\n")
    return 0


register({"modprobe": modprobe, "lsmod": lsmod, "sysctl": sysctl, "swapoff": swapoff, "swapon": swapon})
