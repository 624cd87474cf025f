"""``[System.IO.File]`` and ``[System.IO.Directory]`` on the machine's file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.rehearsal.powershell import natives
from provision.rehearsal.powershell.convert import text
from provision.rehearsal.powershell.faults import Unsupported
from provision.rehearsal.powershell.scope import NOTHING
from provision.rehearsal.powershell.values import TypedArray

if TYPE_CHECKING:
    from provision.rehearsal.powershell.runtime import Runtime


def exists(rt: Runtime, path: object, folder: bool) -> bool:
    try:
        return rt.box.files.stat(rt.resolve(text(path))).folder == folder
    except OSError:
        return False


def read_text(rt: Runtime, path: object, encoding: object = None) -> str:
    raw = rt.box.files.read(rt.resolve(text(path)))
    codec = encoding.codec if isinstance(encoding, natives.TextEncoding) else "utf-8"
    for mark, marked in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le")):
        if raw.startswith(mark):
            return raw[len(mark) :].decode(marked, "replace")
    return raw.decode(codec, "replace")


def encoded(content: str, encoding: object) -> bytes:
    chosen = encoding if isinstance(encoding, natives.TextEncoding) else natives.UTF8_PLAIN
    return chosen.mark + content.encode(chosen.codec, "replace")


def write(rt: Runtime, path: object, raw: bytes) -> object:
    rt.box.files.write(rt.resolve(text(path)), raw)
    return NOTHING


def append_text(rt: Runtime, path: object, content: object, encoding: object = None) -> object:
    full = rt.resolve(text(path))
    codec = encoding.codec if isinstance(encoding, natives.TextEncoding) else "utf-8"
    rt.box.files.append(full, text(content).encode(codec, "replace"))
    return NOTHING


def lines(items: object) -> str:
    return "".join(text(item) + "\r\n" for item in (items if isinstance(items, list) else [items]))


def delete(rt: Runtime, path: object) -> object:
    if exists(rt, path, False):
        rt.box.files.remove(rt.resolve(text(path)))
    return NOTHING


def move(rt: Runtime, old: object, new: object) -> object:
    rt.box.files.rename(rt.resolve(text(old)), rt.resolve(text(new)))
    return NOTHING


def open(rt: Runtime, path: object, writes: bool) -> natives.ByteStream:
    full = rt.resolve(text(path))
    if writes:
        rt.box.files.write(full, b"")
        return natives.ByteStream(lambda: b"", lambda raw: rt.box.files.write(full, raw))
    rt.box.files.stat(full)
    return natives.ByteStream(lambda: rt.box.files.read(full))


def open_to_read(rt: Runtime, path: object, mode: object, access: object) -> natives.ByteStream:
    if (text(mode), text(access)) != ("Open", "Read"):
        raise Unsupported("[System.IO.File]::Open() for anything but reading")
    return open(rt, path, False)


def write_text(rt: Runtime, path: object, content: object, encoding: object = None) -> object:
    """``WriteAllText``: UTF-8 without a mark, or as the encoding says."""
    return write(rt, path, encoded(text(content), encoding))


def read_lines(rt: Runtime, path: object, encoding: object = None) -> TypedArray:
    """``ReadAllLines``."""
    return TypedArray(list(read_text(rt, path, encoding).splitlines()))


def write_lines(rt: Runtime, path: object, items: object, encoding: object = None) -> object:
    """``WriteAllLines``."""
    return write(rt, path, encoded(lines(items), encoding))
