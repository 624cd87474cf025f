"""Files laid out as Go's linker lays out programs: enough for whoever looks at headers, stamp and main package."""

from __future__ import annotations

import hashlib

_MARK = bytes.fromhex("3077af0c92740802 41e1c107e6d618e6")
_PACKAGES = {
    "kube-log-runner": "k8s.io/component-base/logs/kube-log-runner",
    "containerd-shim-runhcs-v1": "github.com/Microsoft/hcsshim/cmd/containerd-shim-runhcs-v1",
    **{
        name: f"github.com/containerd/containerd/v2/cmd/{name}"
        for name in ("containerd", "ctr", "containerd-shim-runc-v2")
    },
}
_UNSTAMPED = ("kube-log-runner", "containerd-shim-runhcs-v1")


def go_program(name: str, version: str, *, size: int = 4096) -> bytes:
    """A program that cannot run, and says what it is: for Windows when its name ends with ``.exe``, else for Linux.

    Args:
        name: the artifact's, such as ``kubelet.exe``.
        version: stamped in, without ``v``.
        size: bytes of padding, which differ from version to version.
    """
    program = name.removesuffix(".exe")
    package = _PACKAGES.get(program, f"k8s.io/kubernetes/cmd/{program}")
    info = _MARK + f"path\t{package}\nbuild\t-compiler=gc\n".encode() + _MARK
    go = b"go1.26.4"
    kept = b"\xff Go buildinf:\x08\x02".ljust(32, b"\0") + bytes([len(go)]) + go + _length(len(info)) + info
    stamp = (b"" if program in _UNSTAMPED else f"v{version}\0".encode()).ljust(64, b"\0")
    body = _header(name.endswith(".exe")) + stamp + kept
    return body + hashlib.shake_256(f"{name} {version}".encode()).digest(size)


def _length(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, number >> 7]) if number > 0x7F else bytes([number])


def _header(windows: bool) -> bytes:
    if not windows:
        return (b"\x7fELF\x02\x01".ljust(18, b"\0") + b"\x3e\0").ljust(64, b"\0")
    pe = b"PE\0\0\x64\x86".ljust(22, b"\0") + b"\x02\0" + b"\x0b\x02"
    return (b"MZ".ljust(60, b"\0") + b"\x40\0\0\0" + pe).ljust(96, b"\0")
