"""Services of a modelled Windows: what the service control manager knows, starts and refuses."""

from __future__ import annotations

import ntpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from provision.rehearsal.models.windows_cmd import split_program
from provision.rehearsal.models.windows_registry import MachineRegistry
from provision.rehearsal.powershell.native import split_arguments
from provision.rehearsal.standin import StandIn, read_standin

if TYPE_CHECKING:
    from provision.rehearsal.models.windows import WindowsMachine

# Windows error codes (winerror.h)
NOT_FOUND, BAD_EXE, NO_SERVICE, RUNNING, DISABLED = 2, 193, 1060, 1056, 1058
NOT_STARTED, DEPENDENCY, ABORTED, MARKED, EXISTS, NO_ANSWER, HAS_DEPENDENTS = 1062, 1068, 1067, 1072, 1073, 1053, 1051
TEXTS = {
    NOT_FOUND: "The system cannot find the file specified.",
    BAD_EXE: "The service is not a valid Win32 application.",
    NO_SERVICE: "The specified service does not exist as an installed service.",
    RUNNING: "An instance of the service is already running.",
    DISABLED: "The service cannot be started, either because it is disabled or because it has no enabled devices"
    " associated with it.",
    NOT_STARTED: "The service has not been started.",
    DEPENDENCY: "The dependency service or group failed to start.",
    ABORTED: "The process terminated unexpectedly.",
    MARKED: "The specified service has been marked for deletion.",
    EXISTS: "The specified service already exists.",
    NO_ANSWER: "The service did not respond to the start or control request in a timely fashion.",
    HAS_DEPENDENTS: "A stop control has been sent to a service that other running services are dependent on.",
}
KEYS = "HKLM:\\SYSTEM\\CurrentControlSet\\Services"
# The clock's trigger, as Windows has it: it runs while the machine belongs to a domain.
TIME_TRIGGER = f"{KEYS}\\W32Time\\TriggerInfo\\0"
# name -> (display name, start mode, running)
_BOX = {
    "WinRM": ("Windows Remote Management (WS-Management)", "Auto", True),
    "WinDefend": ("Microsoft Defender Antivirus Service", "Auto", True),
    "Schedule": ("Task Scheduler", "Auto", True),
    "Dnscache": ("DNS Client", "Auto", True),
    "mpssvc": ("Windows Defender Firewall", "Auto", True),
    "LanmanServer": ("Server", "Auto", True),
    "W32Time": ("Windows Time", "Manual", False),
    "wuauserv": ("Windows Update", "Manual", False),
    "sshd": ("OpenSSH SSH Server", "Auto", True),
}


class ServiceError(Exception):
    """The service control manager refuses; ``code`` is the Windows error."""

    def __init__(self, code: int) -> None:
        super().__init__(TEXTS[code])
        self.code = code


class ServiceDies(Exception):
    """A service's program ends with an error.

    Args:
        text: what it logs.
        answered: whether it had told the service control manager that it is there; if so, starting it
            succeeds and it is found stopped afterwards.
    """

    def __init__(self, text: str, *, answered: bool = False) -> None:
        super().__init__(text)
        self.answered = answered


@dataclass(frozen=True)
class Started:
    """A service's program at its start: what it is, and its command line taken apart."""

    machine: WindowsMachine
    service: str
    what: StandIn
    path: str
    arguments: list[str]


Main = Callable[[Started], None]
MAINS: dict[str, Main] = {}
M = TypeVar("M", bound=Main)


def service_main(name: str) -> Callable[[M], M]:
    """Register what a program does when it is started as a service; it raises `ServiceDies`."""

    def register(function: M) -> M:
        MAINS[name] = function
        return function

    return register


def services(machine: WindowsMachine) -> dict[str, Any]:
    return machine.state.section("services")


def first_services(machine: WindowsMachine) -> None:
    """The services of the box that anybody asks for."""
    MachineRegistry(machine.state).create(TIME_TRIGGER)
    for name, (display, mode, running) in _BOX.items():
        add(machine, name, "C:\\Windows\\system32\\svchost.exe -k netsvcs -p", display, mode, builtin=True)
        services(machine)[name.lower()]["state"] = "Running" if running else "Stopped"


def add(
    machine: WindowsMachine,
    name: str,
    path: str,
    display: str = "",
    mode: str = "Auto",
    *,
    depends: Iterable[str] = (),
    description: str = "",
    builtin: bool = False,
) -> None:
    """Make a service.

    Raises:
        ServiceError: there is one of that name.
    """
    known = services(machine).get(name.lower())
    if known is not None:
        raise ServiceError(MARKED if known.get("deleted") else EXISTS)
    registry = MachineRegistry(machine.state)
    registry.put(f"{KEYS}\\{name}", "ImagePath", path, "ExpandString")
    services(machine)[name.lower()] = {
        "name": name, "display": display or name, "description": description, "path": path, "mode": mode,
        "depends": list(depends), "builtin": builtin, "state": "Stopped", "failure": [], "account": "LocalSystem",
        "pid": 0, "exit": 0,
    }  # fmt: skip


def get(machine: WindowsMachine, name: str) -> dict[str, Any]:
    """A service by name.

    Raises:
        ServiceError: there is none.
    """
    found: dict[str, Any] | None = services(machine).get(name.lower())
    if found is None:
        raise ServiceError(NO_SERVICE)
    return found


def remove(machine: WindowsMachine, name: str) -> None:
    """Delete a service; a running one goes when it stops, one that somebody shows (``held``) when that ends.

    Raises:
        ServiceError: there is none, or it is marked already.
    """
    service = get(machine, name)
    if service.get("deleted"):
        raise ServiceError(MARKED)
    if service["state"] == "Running" or service.get("held"):
        service["deleted"] = True
    else:
        _forget(machine, name)


def _forget(machine: WindowsMachine, name: str) -> None:
    del services(machine)[name.lower()]
    MachineRegistry(machine.state).remove(f"{KEYS}\\{name}")


def dependents(machine: WindowsMachine, name: str) -> list[dict[str, Any]]:
    """The running services that depend on one."""
    return [
        s
        for s in services(machine).values()
        if s["state"] == "Running" and name.lower() in [d.lower() for d in s["depends"]]
    ]


def start(machine: WindowsMachine, name: str) -> None:
    """Start a service, those that it depends on first.

    Raises:
        ServiceError: as Windows would refuse.
    """
    with machine.state.change():
        service = get(machine, name)
        if service["state"] == "Running":
            raise ServiceError(RUNNING)
        if service.get("deleted"):
            raise ServiceError(MARKED)
        if service["mode"] == "Disabled":
            raise ServiceError(DISABLED)
        for other in service["depends"]:
            needed = services(machine).get(other.lower())
            if needed is None:
                raise ServiceError(DEPENDENCY)
            if needed["state"] != "Running":
                try:
                    start(machine, other)
                except ServiceError as error:
                    raise ServiceError(DEPENDENCY) from error
        service["exit"] = 0
        if not service["builtin"]:
            _run(machine, service)
        service["state"] = "Running" if not service["exit"] else "Stopped"
        # Each start is a new process.
        service["starts"] = service.get("starts", 0) + 1
        number = 2000 + (sum(service["name"].encode()) + 4 * service["starts"]) % 6000
        service["pid"] = number if service["state"] == "Running" else 0


def _run(machine: WindowsMachine, service: dict[str, Any]) -> None:
    path, rest = find_image(machine, service["path"])
    what = read_standin(machine.files.read(path))
    if what is None or what.os != "windows":
        raise ServiceError(BAD_EXE)
    main = MAINS.get(what.program)
    if main is None:
        # A console program: it never answers the service control manager.
        raise ServiceError(NO_ANSWER)
    arguments = split_arguments(rest)
    # A runner's child is open as well.
    service["images"] = [ntpath.normpath(w).lower() for w in (path, *arguments) if w.lower().endswith(".exe")]
    try:
        main(Started(machine, service["name"], what, path, arguments))
        if machine.faults.strikes("service-dies"):
            raise ServiceDies("rehearsal: the fault service-dies", answered=True)
    except ServiceDies as death:
        log_event(machine, service["name"], str(death))
        if not death.answered:
            raise ServiceError(NO_ANSWER) from death
        service["exit"] = ABORTED


def find_image(machine: WindowsMachine, line: str) -> tuple[str, str]:
    """The program of a service's command line and the rest; an unquoted path is tried at each blank.

    Raises:
        ServiceError: no such file.
    """
    if line.lstrip().startswith('"'):
        name, rest = split_program(line)
        tries = [(name, rest)]
    else:
        words = line.split(" ")
        tries = [(" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words) + 1)]
    for name, rest in tries:
        for path in (name, f"{name}.exe"):
            plain = ntpath.normpath(path)
            if ntpath.isabs(plain) and machine.files.exists(plain) and not machine.files.is_folder(plain):
                return plain, rest
    raise ServiceError(NOT_FOUND)


def crash(machine: WindowsMachine, name: str, why: str) -> None:
    """The program of a running service ends by itself; its failure actions may start it again."""
    service = services(machine).get(name.lower())
    if service is None or service["state"] != "Running":
        return
    log_event(machine, name, why)
    service.update(state="Stopped", pid=0, exit=ABORTED)
    if service["failure"][:1] == ["restart"]:
        try:
            start(machine, name)
        except ServiceError as error:
            log_event(machine, name, str(error))


def in_use(machine: WindowsMachine, path: str) -> bool:
    """Whether a running service has this program file open."""
    running = [s for s in services(machine).values() if s["state"] == "Running"]
    return any(path.lower() in service.get("images", ()) for service in running)


def moved(machine: WindowsMachine, old: str, new: str) -> None:
    """A program file was renamed, which is allowed while it runs: what runs goes on with the renamed file."""
    for service in services(machine).values():
        service["images"] = [new.lower() if path == old.lower() else path for path in service.get("images", ())]


def stop(machine: WindowsMachine, name: str, *, force: bool = False) -> None:
    """Stop a service, with ``force`` those that depend on it too.

    Raises:
        ServiceError: there is none, it is stopped, or others depend on it.
    """
    with machine.state.change():
        service = get(machine, name)
        if service["state"] != "Running":
            raise ServiceError(NOT_STARTED)
        needing = dependents(machine, name)
        if needing and not force:
            raise ServiceError(HAS_DEPENDENTS)
        for other in needing:
            stop(machine, other["name"], force=True)
        service.update(state="Stopped", pid=0, exit=0)
        if service.get("deleted") and not service.get("held"):
            _forget(machine, name)


def stop_all(machine: WindowsMachine) -> None:
    """The power has gone."""
    for service in list(services(machine).values()):
        service.update(state="Stopped", pid=0)
        if service.get("deleted"):
            _forget(machine, service["name"])


def start_at_boot(machine: WindowsMachine) -> None:
    """Start what starts by itself; what fails is retried by its failure actions at the next look.

    A service whose trigger is a domain is ended again on a machine that belongs to none, whatever its start type
    (Microsoft, KB 2385818).
    """
    registry = MachineRegistry(machine.state)
    for service in list(services(machine).values()):
        if registry.exists(f"{KEYS}\\{service['name']}\\TriggerInfo\\0"):
            continue
        if service["mode"] == "Auto" and service["state"] != "Running":
            try:
                start(machine, service["name"])
            except ServiceError as error:
                log_event(machine, service["name"], str(error))


def log_event(machine: WindowsMachine, source: str, text: str) -> None:
    """A line of the event log; the newest hundred are kept."""
    events = machine.state.data.setdefault("events", [])
    events.append({"time": machine.clock(), "source": source, "text": text})
    del events[:-100]
