# ruff: noqa: ARG001 - programs and services have one signature
"""python3 with the depot: the one Python program that runs on the control plane, as what it does and not as Python."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from provision.depot import PROGRAM
from provision.rehearsal.files import now
from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_program import Failed
from provision.rehearsal.models.linux_units import SERVICES
from provision.rehearsal.models.neighbours import HttpAnswer, HttpRequest, HttpService
from provision.rehearsal.shell import Call, Unsupported

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

KEYS = ("address", "port", "clients", "path", "files", "life", "ready")


def serve(box: LinuxBox, words: tuple[str, ...], env: dict[str, str]) -> str | None:
    """``python3 depot.py LIST``: listens when it is our program and its list is whole."""
    if len(words) != 3:
        raise Unsupported(f"python3 {' '.join(words[1:])}", 0)
    try:
        if box.files.read(words[1]) != PROGRAM.read_bytes():
            return f"python3: {words[1]} is not the depot"
        wanted: dict[str, Any] = json.loads(box.files.read(words[2]))
    except FileNotFoundError as error:
        return f"python3: can't open file '{error.filename}': [Errno 2] No such file or directory"
    except ValueError as error:
        return f"json.decoder.JSONDecodeError: {error}"
    missing = [key for key in KEYS if key not in wanted]
    if missing:
        return f"KeyError: {missing[0]!r}"
    if wanted["address"] not in box.machine.addresses():
        return "OSError: [Errno 99] Cannot assign requested address"
    port = int(wanted["port"]) or 38000 + box.pid % 1000
    with box.machine.state.change() as data:
        # One depot a machine: a new one takes the place of the one before.
        data["served"] = {
            name: {**wanted, "port": port, "until": now() + float(wanted["life"])}
            for name, entry in data.get("units", {}).items()
            if entry.get("command") == list(words) and entry.get("active") == "active"
        }
        box.files.write(wanted["ready"], f"{wanted['address']}:{port}\n".encode())
    return None


def python3(box: LinuxBox, call: Call) -> int:
    if call.argv[1:] in (("--version",), ("-V",)):
        call.out("Python 3.11.2\n")
        return 0
    raise Failed("rehearsal: python3 runs the depot as a unit, and nothing else", 70)


def service(machine: LinuxMachine, address: str, port: int) -> HttpService | None:
    """The depot that listens at an address and port now."""
    if address not in machine.addresses():
        return None
    with machine.state.reading() as data:
        for unit, wanted in data.get("served", {}).items():
            running = machine.units.is_active(unit) and now() < wanted["until"]
            if running and wanted["address"] == address and wanted["port"] == port:
                kept = dict(wanted)
                return lambda request: _answer(machine, kept, request)
    return None


def _answer(machine: LinuxMachine, wanted: dict[str, Any], request: HttpRequest) -> HttpAnswer:
    if request.source not in wanted["clients"]:
        raise ConnectionResetError(request.source)
    word, _, name = request.path.lstrip("/").partition("/")
    if request.body is not None:
        target = wanted.get("uploads", {}).get(name) if word == wanted["path"] else None
        if target is None:
            return HttpAnswer(404)
        if machine.files.exists(target):
            return HttpAnswer(409)
        machine.files.write(target, request.body)
        return HttpAnswer(201)
    path = wanted["files"].get(name)
    if word != wanted["path"] or path is None or not machine.files.exists(path):
        return HttpAnswer(404)
    data = machine.files.read(path)
    asked = request.headers.get("range")
    if asked is None:
        return HttpAnswer(200, data, {"Accept-Ranges": "bytes"})
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked)
    if not found or int(found[1]) >= len(data):
        return HttpAnswer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
    first, last = int(found[1]), int(found[2] or len(data) - 1)
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {first}-{last}/{len(data)}"}
    return HttpAnswer(206, data[first : last + 1], headers)


SERVICES["python3"] = serve
register({"python3": python3})
