"""Proves that KVM works by running a guest of one instruction; a program of its own, because KVM may hang.

Prints one line: ``works``, or what went wrong.  That ``/dev/kvm`` can be opened proves nothing: inside many virtual
machines and containers it is there and no guest runs.
Source of numbers and layouts: Linux, Documentation/virt/kvm/api.rst and include/uapi/linux/kvm.h (x86).
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
import sys

_GET_API_VERSION = 0xAE00
_CREATE_VM = 0xAE01
_GET_VCPU_MMAP_SIZE = 0xAE04
_CREATE_VCPU = 0xAE41
_SET_USER_MEMORY_REGION = 0x4020AE46
_RUN = 0xAE80
_SET_REGS = 0x4090AE82
_GET_SREGS = 0x8138AE83
_SET_SREGS = 0x4138AE84

# Where things lie in the guest's two megabytes of memory.
_CODE_AT, _HANDLER_AT, _DATA_AT = 0x1000, 0x1100, 0x1800
_TABLES_AT, _INTERRUPTS_AT, _SEGMENTS_AT, _STACK_AT = 0x2000, 0x5000, 0x6000, 0x8000
_MEMORY = 2 << 20
_PORT = 0x10
# mov al,7; add al,34; mov [0x1800],al; mov rcx,cr3; mov cr3,rcx; int3; mov al,[0x1800]; out 0x10,al; hlt
_CODE = bytes.fromhex("b007 0422 88042500180000 0f20d9 0f22d9 cc 8a042500180000 e610 f4")
_HANDLER = bytes.fromhex("fe042500180000 48cf")  # inc byte [0x1800]; iretq
_ANSWER = 42
_EXIT_IO = 2
_EXIT_HLT = 5


def prove() -> str:
    """Run the guest: it calculates, writes to its memory, speaks through a port and halts."""
    kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    if fcntl.ioctl(kvm, _GET_API_VERSION, 0) != 12:
        return "KVM speaks another version of its interface"
    machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
    memory = _memory()
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(machine, _SET_USER_MEMORY_REGION, struct.pack("IIQQQ", 0, 0, 0, len(memory), address))
    cpu = fcntl.ioctl(machine, _CREATE_VCPU, 0)
    run = mmap.mmap(cpu, fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE, 0))

    special = bytearray(0x138)
    fcntl.ioctl(cpu, _GET_SREGS, special)
    _long_mode(special)
    fcntl.ioctl(cpu, _SET_SREGS, bytes(special))
    registers = [0] * 18
    registers[6], registers[16], registers[17] = _STACK_AT, _CODE_AT, 2  # stack pointer, instruction pointer, flags
    fcntl.ioctl(cpu, _SET_REGS, struct.pack("18Q", *registers))

    said = 0
    for _ in range(4):
        fcntl.ioctl(cpu, _RUN, 0)
        (reason,) = struct.unpack_from("I", run, 8)
        if reason == _EXIT_IO:
            (offset,) = struct.unpack_from("Q", run, 40)
            said = run[offset]
        elif reason == _EXIT_HLT:
            right = said == memory[_DATA_AT] == _ANSWER
            return "works" if right else f"a guest calculated {said} where {_ANSWER} is right"
        else:
            return f"a guest stopped with exit reason {reason}"
    return "a guest did not come to its end"


def _memory() -> mmap.mmap:
    memory = mmap.mmap(-1, _MEMORY)
    memory[_CODE_AT : _CODE_AT + len(_CODE)] = _CODE
    memory[_HANDLER_AT : _HANDLER_AT + len(_HANDLER)] = _HANDLER
    # Page tables of three levels: the guest's memory at its own addresses, as one page of 2 MiB.
    for level, entry in enumerate((_TABLES_AT + 0x1003, _TABLES_AT + 0x2003, 0x83)):
        struct.pack_into("Q", memory, _TABLES_AT + level * 0x1000, entry)
    # Descriptors: none, 64-bit code, data; and the gate of the breakpoint exception (3).
    struct.pack_into("3Q", memory, _SEGMENTS_AT, 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF)
    struct.pack_into("HHBBHII", memory, _INTERRUPTS_AT + 3 * 16, _HANDLER_AT, 0x08, 0, 0x8E, 0, 0, 0)
    return memory


def _long_mode(special: bytearray) -> None:
    """Fill the special registers as an operating system leaves them: 64 bits, paging, ring 0."""
    segment = "QIHBBBBBBBBBB"
    code = struct.pack(segment, 0, 0xFFFFFFFF, 0x08, 11, 1, 0, 0, 1, 1, 1, 0, 0, 0)
    data = struct.pack(segment, 0, 0xFFFFFFFF, 0x10, 3, 1, 0, 1, 1, 0, 1, 0, 0, 0)
    special[0:24] = code
    for place in range(24, 144, 24):  # ds, es, fs, gs, ss
        special[place : place + 24] = data
    struct.pack_into("QH", special, 192, _SEGMENTS_AT, 23)
    struct.pack_into("QH", special, 208, _INTERRUPTS_AT, 4 * 16 - 1)
    struct.pack_into("Q", special, 224, 0x80050033)  # cr0: protection, paging, write protection
    struct.pack_into("Q", special, 240, _TABLES_AT)  # cr3
    struct.pack_into("Q", special, 248, 0x20)  # cr4: physical address extension
    struct.pack_into("Q", special, 264, 0x500)  # efer: long mode


if __name__ == "__main__":
    try:
        print(prove())
    except OSError as error:
        print(f"{error.strerror or error}")
        sys.exit(1)
