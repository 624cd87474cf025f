"""The guest with which the doctor proves KVM is a right one: a processor in software comes to its answer.

Without this, a mistake in the guest would read as "no virtualisation here" on every computer.
"""

from __future__ import annotations

from pathlib import Path

from provision.doctor import kvm
from provision.doctor.host import kvm as proof
from provision.host.commands import run
from tests.needs import need

# A boot sector: reads 24 KiB of the disk to 0x1000, loads the tables of descriptors and interrupts, enters long mode
# as the doctor's registers say (cr0, cr3, cr4, efer), and jumps to 0x1000.
_BOOT = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007c b83002bb0010b90200ba8000cd13"  # segments, stack; read 48 sectors
    "0f01166e7c0f011e747c"  # lgdt, lidt
    "66b8200000000f22e0 66b8002000000f22d8"  # cr4, cr3
    "66b9800000c00f32660d000100000f30"  # efer
    "66b8330005800f22c0 66ea577c00000800"  # cr0, far jump
    "b8100000008ed88ec08ed0 bc00800000b800100000ffe0"  # data segments, stack, jump
    "170000600000 3f0000500000"  # the two tables: limit, address
)


def test_a_processor_in_software_runs_the_guest(tmp_path: Path) -> None:
    need("qemu-system-x86_64", "qemu-system-x86")
    memory = kvm._memory()
    disk = tmp_path / "disk.img"
    sector = _BOOT.ljust(510, b"\0") + b"\x55\xaa"
    disk.write_bytes(sector + memory[0x1000:0x7000] + bytes(1 << 20))
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-display", "none", "-no-reboot"]
    argv += ["-drive", f"file={disk},format=raw", "-device", f"isa-debug-exit,iobase={kvm._PORT},iosize=1"]
    # What the guest writes to the port, twice and one more, is QEMU's exit code.
    assert run(argv, timeout=60).code == 2 * kvm._ANSWER + 1


def test_the_proof_ends_soon_and_says_something() -> None:
    assert proof("linux")
