"""systemctl, systemd-run, journalctl, hostnamectl."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime

from provision.rehearsal.models.linux_box import LinuxBox, register
from provision.rehearsal.models.linux_process import run_nested
from provision.rehearsal.models.linux_program import Failed, Usage, options
from provision.rehearsal.models.linux_unit_files import Unit, UnitError, full_name, read_unit
from provision.rehearsal.models.linux_units import SERVICES
from provision.rehearsal.shell import Call, Discarded, Source, Unsupported

_CHANGES = {"enable", "disable", "mask", "unmask"}


def systemctl(box: LinuxBox, call: Call) -> int:
    flags = ["-q|--quiet", "--no-pager", "--no-block", "--now", "--failed", "--no-legend", "--plain", "--value"]
    given = options(call, flags, ["-p|--property"], usage=1, repeated=["-p"])
    units = box.machine.units
    if not given.operands:
        raise Unsupported("systemctl without a verb", 0)
    verb, *names = given.operands
    names = [full_name(name) for name in names]
    if verb in ("is-active", "is-enabled", "is-failed"):
        return _ask(box, call, verb, names, quiet="-q" in given)
    if verb == "show":
        return _show(box, call, names, ",".join(given.given.get("-p", [])).split(","))
    if verb == "list-units":
        return _list(box, call, failed="--failed" in given)
    if verb == "reboot":
        _root(box, call)
        box.machine.reboot()
        return 0
    _root(box, call)
    if verb == "daemon-reload":
        units.reload()
        return 0
    if not names:
        raise Usage("Too few arguments.")
    try:
        return _act(box, call, verb, names, now="--now" in given)
    except UnitError as error:
        raise Failed(str(error), error.code) from None


def _root(box: LinuxBox, call: Call) -> None:
    if box.user != "root":
        raise Failed(f"{call.argv[0]}: Interactive authentication required.")


def _act(box: LinuxBox, call: Call, verb: str, names: list[str], *, now: bool) -> int:
    units = box.machine.units
    for name in names:
        if verb in ("start", "restart", "try-restart", "reload-or-restart", "stop") and units.stale(name):
            call.err(
                f"Warning: The unit file, source configuration file or drop-ins of {name} changed on disk. "
                "Run 'systemctl daemon-reload' to reload units.\n"
            )
        if verb == "start":
            units.start(name)
        elif verb in ("restart", "reload-or-restart"):
            if units.load(name) is None:
                raise UnitError(f"Failed to restart {name}: Unit {name} not found.", 5)
            if units.active(name) != "inactive":
                units.stop(name)
            units.start(name)
        elif verb == "try-restart":
            if units.is_active(name):
                units.stop(name)
                units.start(name)
        elif verb == "stop":
            units.stop(name)
        elif verb == "reset-failed":
            units.reset_failed(name)
        elif verb in _CHANGES:
            for line in getattr(units, verb)(name):
                call.err(line + "\n")
            if now:
                (units.start if verb == "enable" else units.stop)(name)
        else:
            raise Usage(f"Unknown command verb {verb}.")
    return 0


def _ask(box: LinuxBox, call: Call, verb: str, names: list[str], *, quiet: bool) -> int:
    units = box.machine.units
    codes = []
    for name in names:
        units.retry(name)
        if verb == "is-enabled":
            answer = units.enabled(name)
            if not answer:
                call.err(f"Failed to get unit file state for {name}: No such file or directory\n")
            codes.append(0 if answer in ("enabled", "static") else 1)
        else:
            answer = units.active(name)
            right = "active" if verb == "is-active" else "failed"
            codes.append(0 if answer == right else 3 if verb == "is-active" else 1)
        if answer and not quiet:
            call.out(answer + "\n")
    return 0 if 0 in codes and verb != "is-enabled" else max(codes)


def _show(box: LinuxBox, call: Call, names: list[str], properties: list[str]) -> int:
    units = box.machine.units
    blocks = []
    for name in names:
        units.retry(name)
        values = {
            "Id": name,
            "ActiveState": units.active(name),
            "UnitFileState": units.enabled(name),
            "LoadState": "masked" if units.masked(name) else "loaded" if units.path(name) else "not-found",
            "NeedDaemonReload": "yes" if units.stale(name) else "no",
        }
        unknown = [p for p in properties if p not in values]
        if unknown:
            raise Unsupported(f"systemctl show --property={','.join(unknown)}", 0)
        # systemd prints properties in an order of its own, not in the one asked for.
        blocks.append("".join(f"{key}={value}\n" for key, value in values.items() if key in properties))
    call.out("\n".join(blocks))
    return 0


def _list(box: LinuxBox, call: Call, *, failed: bool) -> int:
    if not failed:
        raise Unsupported("systemctl list-units without --failed", 0)
    with box.machine.state.reading() as data:
        names = [name for name, entry in data.get("units", {}).items() if entry.get("active") == "failed"]
    for name in names:
        call.out(f"● {name} loaded failed failed {name}\n")
    call.out(f"{len(names)} loaded units listed.\n")
    return 0


def systemd_run(box: LinuxBox, call: Call) -> int:
    """A transient service: it outlives the session, and dies with the machine."""
    _root(box, call)
    flags = ["-q|--quiet", "-G|--collect", "--no-block", "-r|--remain-after-exit"]
    given = options(call, flags, ["-u|--unit", "-p|--property", "--setenv|-E"], mixed=False, repeated=["-p"])
    if not given.operands:
        raise Usage("Command line to execute required.")
    name = full_name(given.get("-u") or f"run-u{box.machine.new_process()[0]}")
    units = box.machine.units
    if units.active(name) not in ("inactive",) or units.path(name):
        raise Failed(f"Failed to start transient service unit: Unit {name} was already loaded or has a fragment file.")
    if box.which(given.operands[0]) is None:
        raise Failed(f"Failed to find executable {given.operands[0]}: No such file or directory", 203)
    unit = Unit(name)
    read_unit(unit, "[Service]\n" + "\n".join(given.given.get("-p", [])), name)
    life = unit.value("Service", "RuntimeMaxSec")
    process = box.machine.system_box().child(seconds=_seconds(life) if life else None)
    with box.machine.state.change() as data:
        data.setdefault("units", {})[name] = {
            "active": "active",
            "transient": True,
            "command": list(given.operands),
            "loaded": {},
        }
    argv = tuple(given.operands)
    found = box.identify(box.which(argv[0]) or argv[0])
    if found.program in SERVICES:
        process.standin = found
        problem = SERVICES[found.program](process, argv, {})
        if problem is not None:
            units.log(name, problem)
            units.forget(name)
        else:
            box.machine.service_process(name, process)
    else:
        _in_background(box, name, process, argv)
    if "-q" not in given:
        call.err(f"Running as unit: {name}\n")
    return 0


def _seconds(text: str) -> float:
    total = 0.0
    for number, unit in re.findall(r"([\d.]+)\s*(ms|min|s|h|d|w)?", text):
        total += float(number) * {"ms": 0.001, "": 1, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    return total


def _in_background(box: LinuxBox, name: str, process: LinuxBox, argv: tuple[str, ...]) -> None:
    call = Call(argv, {}, Source(b""), Discarded(), Discarded(), "/")

    def work() -> None:
        try:
            code = run_nested(process, call)
        except Exception as error:  # noqa: BLE001 - a model that cannot go on is an error of the unit, said in its journal
            box.machine.units.log(name, f"rehearsal: {type(error).__name__}: {error}")
            code = 70
        if not process.killed.is_set():
            box.machine.units.log(name, f"{name}: main process ended with exit code {code}")
            box.machine.units.forget(name)

    box.machine.service_process(name, process)
    threading.Thread(target=work, daemon=True, name=f"{box.machine.name}:{name}").start()


def journalctl(box: LinuxBox, call: Call) -> int:
    given = options(call, ["--no-pager", "-x", "-e", "-q"], ["-u|--unit", "-n|--lines", "-o"], repeated=["-u"])
    lines: list[tuple[float, str]] = []
    for name in given.given.get("-u", []):
        unit = full_name(name)
        lines += [
            (moment, f"{unit.removesuffix('.service')}: {text}") for moment, text in box.machine.units.journal(unit)
        ]
    lines.sort()
    for moment, text in lines[-int(given.get("-n", "1000")) :]:
        stamp = datetime.fromtimestamp(moment, UTC).strftime("%b %d %H:%M:%S")
        call.out(f"{stamp} {box.hostname} {text}\n")
    if not lines:
        call.out("-- No entries --\n")
    return 0


def hostnamectl(box: LinuxBox, call: Call) -> int:
    given = options(call, ["--static"])
    verb, *names = given.operands or ["status"]
    if verb in ("hostname", "status") and not names:
        call.out(box.hostname + "\n" if verb == "hostname" else f" Static hostname: {box.hostname}\n")
        return 0
    _root(box, call)
    if verb not in ("set-hostname", "hostname") or len(names) != 1:
        raise Usage(f"Unknown command verb {verb}.")
    if not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?", names[0]):
        raise Failed(f"Could not set pretty hostname: Invalid static hostname '{names[0]}'")
    box.machine.set_hostname(names[0])
    return 0


register({"systemctl": systemctl, "systemd-run": systemd_run, "journalctl": journalctl, "hostnamectl": hostnamectl})
