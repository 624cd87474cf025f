"""systemd's service manager: starts and stops units, keeps their states and journals; see `linux_unit_files`."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from provision.rehearsal.files import now
from provision.rehearsal.models.linux_box import PATH, LinuxBox
from provision.rehearsal.models.linux_unit_files import Unit, UnitError, UnitFiles
from provision.rehearsal.shell import Call, Collected, Source

if TYPE_CHECKING:
    from provision.rehearsal.models.linux import LinuxMachine

# program -> runs once as a service; returns why it could not stay up, or None.
Service = Callable[[LinuxBox, tuple[str, ...], dict[str, str]], str | None]
SERVICES: dict[str, Service] = {}
STOPPED: dict[str, Callable[[LinuxMachine], None]] = {}


class Units(UnitFiles):
    """The service manager of one machine."""

    def __init__(self, machine: LinuxMachine) -> None:
        super().__init__(machine)
        # Held while a unit starts, which may take its time; taken before the state's own lock, never inside it.
        self._lock = threading.RLock()

    # -- state -----------------------------------------------------------------------------------------------

    def active(self, name: str) -> str:
        """ActiveState."""
        with self.machine.state.reading():
            return str(self.memory().get(name, {}).get("active", "inactive"))

    def since(self, name: str) -> float:
        """When the unit came to its present state, seconds since 1970."""
        with self.machine.state.reading():
            return float(self.memory().get(name, {}).get("since", 0.0))

    def is_active(self, name: str) -> bool:
        return self.active(name) == "active"

    def log(self, name: str, *lines: str) -> None:
        """Add to the unit's journal."""
        with self.machine.state.change():
            kept = self.memory().setdefault(name, {}).setdefault("log", [])
            kept += [[now(), line] for line in lines if line]
            del kept[:-200]

    def journal(self, name: str) -> list[tuple[float, str]]:
        with self.machine.state.reading():
            return [(moment, line) for moment, line in self.memory().get(name, {}).get("log", [])]

    def _set(self, name: str, active: str, **more: Any) -> None:
        with self.machine.state.change():
            self.memory().setdefault(name, {}).update(active=active, since=now(), **more)

    # -- starting and stopping -------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a unit and wait until it is up.

        Raises:
            UnitError: there is none, it is masked, or it failed.
        """
        with self._lock:
            if self.masked(name):
                raise UnitError(f"Failed to start {name}: Unit {name} is masked.")
            unit = self.load(name)
            if unit is None:
                raise UnitError(f"Failed to start {name}: Unit {name} not found.", 5)
            if self.is_active(name):
                return
            if not name.endswith(".service"):
                self._set(name, "active")
                return
            self._start_service(unit)

    def _start_service(self, unit: Unit) -> None:
        name = unit.name
        self.machine.system_box().latency("linux-service-start")
        commands = unit.values("Service", "ExecStart")
        kind = unit.value("Service", "Type", "simple")
        if not commands:
            raise UnitError(f"Failed to start {name}: Unit {name} has a bad unit file setting.")
        if len(commands) > 1 and kind != "oneshot":
            raise UnitError(f"Failed to start {name}: Unit {name} has a bad unit file setting.")
        self.log(name, f"Starting {name}...")
        env = self._environment(unit)
        for command in unit.values("Service", "ExecStartPre"):
            code, text = self._run(command, env)
            self.log(name, *text.splitlines())
            if code and not command.startswith("-"):
                self._failed(unit, f"Control process exited, code=exited, status={code}")
        if kind == "oneshot":
            for command in commands:
                code, text = self._run(command, env)
                self.log(name, *text.splitlines())
                if code:
                    self._failed(unit, f"Main process exited, code=exited, status={code}/FAILURE")
            self._set(
                name, "active" if unit.value("Service", "RemainAfterExit") == "yes" else "inactive", result="success"
            )
            self.log(name, f"Finished {name}.")
            return
        problem = self._serve(unit, commands[0], env)
        if problem is None:
            self._set(name, "active", result="success")
            self.log(name, f"Started {name}.")
            return
        if kind == "notify" or problem.startswith("203/EXEC"):
            self._failed(unit, problem)
        # systemd has started it; it ended by itself and is started again and again.
        restarts = unit.value("Service", "Restart", "no") != "no"
        self.log(name, f"Started {name}.", problem, f"{name}: Failed with result 'exit-code'.")
        self._set(name, "activating" if restarts else "failed", result="exit-code")

    def retry(self, name: str) -> None:
        """A unit that is started again and again tries once more (its cause may be gone)."""
        if self.active(name) != "activating":
            return
        with self._lock:
            unit = self.load(name)
            if unit and self._serve(unit, unit.values("Service", "ExecStart")[0], self._environment(unit)) is None:
                self._set(name, "active", result="success")
                self.log(name, f"Started {name}.")

    def _failed(self, unit: Unit, problem: str) -> None:
        self.log(unit.name, f"{unit.name}: {problem}", f"{unit.name}: Failed with result 'exit-code'.")
        restarts = unit.value("Service", "Restart", "no") in ("always", "on-failure")
        self._set(unit.name, "activating" if restarts else "failed", result="exit-code")
        raise UnitError(
            f"Job for {unit.name} failed because the control process exited with error code.\n"
            f'See "systemctl status {unit.name}" and "journalctl -xeu {unit.name}" for details.'
        )

    def _environment(self, unit: Unit) -> dict[str, str]:
        env: dict[str, str] = {}
        for text in unit.values("Service", "Environment"):
            for word in shlex.split(text):
                key, _, value = word.partition("=")
                env[key] = value
        for path in unit.values("Service", "EnvironmentFile"):
            optional = path.startswith("-")
            try:
                text = self.files.read(path.lstrip("-")).decode()
            except FileNotFoundError:
                if optional:
                    continue
                raise UnitError(f"Failed to start {unit.name}: No such file or directory") from None
            for line in text.splitlines():
                key, equals, value = line.strip().partition("=")
                if equals and not key.startswith(("#", ";")):
                    env[key] = "".join(shlex.split(value)) if value[:1] in "'\"" else value
        return env

    def _words(self, command: str, env: dict[str, str]) -> tuple[str, ...]:
        words: list[str] = []
        for word in shlex.split(command.lstrip("-+!@:")):
            whole = re.fullmatch(r"\$(\w+)", word)
            if whole:
                words += shlex.split(env.get(whole[1], ""))
            else:
                words.append(re.sub(r"\$\{(\w+)\}", lambda found: env.get(found[1], ""), word))
        return tuple(words)

    def _run(self, command: str, env: dict[str, str]) -> tuple[int, str]:
        """A command to its end."""
        words = self._words(command, env)
        out = Collected()
        call = Call(words, {"PATH": PATH, **env}, Source(b""), out, out, "/")
        try:
            code = self.machine.system_box().program(call)
        except (FileNotFoundError, PermissionError) as error:
            return 203, f"{words[0]}: {error}"
        return code, out.data.decode()

    def _serve(self, unit: Unit, command: str, env: dict[str, str]) -> str | None:
        """Start a long-running program; None when it stays up."""
        words = self._words(command, env)
        box = self.machine.system_box()
        if not words[0].startswith("/"):
            raise UnitError(f"Failed to start {unit.name}: Unit {unit.name} has a bad unit file setting.")
        try:
            found = box.identify(words[0])
        except OSError as error:
            return f"203/EXEC: {unit.name}: Unable to locate or run executable '{words[0]}': {error.strerror}"
        service = SERVICES.get(found.program)
        if service is None:
            return f"{words[0]} is no service"
        box.standin = found
        return service(box, words, env)

    def stop(self, name: str) -> None:
        """Stop a unit; one that is not loaded is an error.

        Raises:
            UnitError: there is none.
        """
        with self._lock:
            with self.machine.state.change():
                entry = self.memory().get(name)
                transient = bool(entry and entry.get("transient"))
            if not transient and self.load(name) is None:
                raise UnitError(f"Failed to stop {name}: Unit {name} not loaded.", 5)
            was = self.active(name)
            self.machine.end_job(name)
            if was != "inactive":
                self._set(name, "inactive", result="success")
                self.log(name, f"Stopped {name}.")
            stopped = STOPPED.get(name)
            if stopped and was == "active":
                stopped(self.machine)
            if transient:
                self.forget(name)

    def forget(self, name: str) -> None:
        """Drop a transient unit."""
        with self.machine.state.change():
            log = self.memory().pop(name, {}).get("log", [])
            self.memory()[name] = {"log": log}

    def reset_failed(self, name: str) -> None:
        with self.machine.state.change():
            entry = self.memory().get(name)
            if entry is None or ("active" not in entry and "loaded" not in entry):
                raise UnitError(f"Failed to reset failed state of unit {name}: Unit {name} not loaded.")
            if entry.get("active") == "failed":
                entry["active"] = "inactive"
